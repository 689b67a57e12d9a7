package isthmustest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

// The peer reads requests from its standard input and answers on the descriptor
// answersFD, both a line of JSON each. Many calls can be under way at once.
const answersFD = 3

// reply is an answer on its way between processes.
type reply struct {
	ID int
	answer
	Failure *failure
}

// Peer is the role of the other process, to be registered in TestMain (with
// proctest.Main, or by Main) under the name that Mechanism.Role has.
func Peer(attach Attach) func(args []string) error {
	return func(args []string) error {
		count, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		var files []*os.File
		for i := range count {
			files = append(files, os.NewFile(uintptr(answersFD+1+i), "inherited"))
		}
		ep, err := attach(args[1:], files)
		if err != nil {
			return err
		}
		s := &server{host: &host{ep: ep}, out: json.NewEncoder(os.NewFile(answersFD, "answers")), calls: map[int]*served{}}
		return s.serve(os.Stdin)
	}
}

type served struct {
	*call
	cancel context.CancelFunc
}

// server makes the calls that another process asks for.
type server struct {
	*host
	mu    sync.Mutex
	out   *json.Encoder
	calls map[int]*served
}

func (s *server) serve(in io.Reader) error {
	for d := json.NewDecoder(bufio.NewReader(in)); ; {
		var r request
		if err := d.Decode(&r); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		switch r.Verb {
		case cancelCall:
			if c := s.find(r.Calls)[0]; c != nil {
				c.cancel()
			}
		case areAsleep:
			s.answer(r.ID, answer{Asleep: s.allAsleep(r.Calls)})
		default:
			s.begin(r)
		}
	}
}

func (s *server) begin(r request) {
	ctx, cancel := context.WithCancel(context.Background())
	if !r.Deadline.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, r.Deadline)
	}
	if r.Canceled {
		cancel()
	}
	c := s.start(ctx, r)
	s.mu.Lock()
	s.calls[r.ID] = &served{c, cancel}
	s.mu.Unlock()
	go func() {
		<-c.done
		cancel()
		s.answer(r.ID, c.answer)
	}()
}

// find returns the calls with these numbers, nil for those that have ended.
func (s *server) find(ids []int) (calls []*served) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		calls = append(calls, s.calls[id])
	}
	return calls
}

func (s *server) allAsleep(ids []int) bool {
	var calls []*call
	for _, c := range s.find(ids) {
		if c == nil {
			return false
		}
		calls = append(calls, c.call)
	}
	return s.asleep(calls)
}

func (s *server) answer(id int, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, id)
	if err := s.out.Encode(reply{id, a, describe(a.Err)}); err != nil {
		fmt.Fprintln(os.Stderr, err) // the tests have ended: serve sees it, too
	}
}

// peer is another process that makes calls for this one.
type peer struct {
	proc *proctest.Proc

	mu    sync.Mutex
	in    *json.Encoder
	last  int
	calls map[int]*call
	gone  error
}

func startPeer(t testing.TB, role string, ep Endpoint) *peer {
	t.Helper()
	answers, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{strconv.Itoa(len(ep.Files))}, ep.Args...)
	p := &peer{calls: map[int]*call{}}
	p.proc = proctest.Start(t, proctest.Options{
		Files: append([]*os.File{w}, ep.Files...),
		// With -race a process would sleep for a second before it exits.
		Env: []string{"GORACE=" + os.Getenv("GORACE") + " atexit_sleep_ms=0"},
	}, role, args...)
	w.Close()
	p.in = json.NewEncoder(p.proc.In)
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		defer answers.Close()
		p.listen(answers)
	}()
	t.Cleanup(func() {
		_ = p.proc.In.Close() // ends it: it has nothing left to do
		p.proc.Wait()
		<-listening
	})
	return p
}

func (p *peer) pid() int { return p.proc.PID() }

// listen hands the answers out, until the process ends. What was under way then
// fails.
func (p *peer) listen(answers io.Reader) {
	for d := json.NewDecoder(bufio.NewReader(answers)); ; {
		var r reply
		err := d.Decode(&r)
		p.mu.Lock()
		if err != nil {
			p.gone = fmt.Errorf("isthmustest: the other process ended (%w)", err)
			for _, c := range p.calls {
				c.Err = p.gone
				close(c.done)
			}
			clear(p.calls)
			p.mu.Unlock()
			return
		}
		c := p.calls[r.ID]
		delete(p.calls, r.ID)
		p.mu.Unlock()
		c.answer = r.answer
		c.Err = r.Failure.error()
		close(c.done)
	}
}

func (p *peer) start(ctx context.Context, r request) *call {
	r.Deadline, _ = ctx.Deadline()
	r.Canceled = ctx.Err() == context.Canceled
	c := &call{verb: r.Verb, on: p, done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	c.id, r.ID = p.last, p.last
	if p.gone == nil {
		if err := p.in.Encode(r); err != nil {
			p.gone = fmt.Errorf("isthmustest: the other process does not listen: %w", err)
		}
	}
	if p.gone != nil {
		c.Err = p.gone
		close(c.done)
		return c
	}
	p.calls[c.id] = c
	context.AfterFunc(ctx, func() {
		// A deadline passes over there by itself.
		if errors.Is(ctx.Err(), context.Canceled) {
			p.tell(request{Verb: cancelCall, Calls: []int{c.id}})
		}
	})
	return c
}

// tell sends a request that has no answer.
func (p *peer) tell(r request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.in.Encode(r); err != nil && p.gone == nil {
		p.gone = err
	}
}

func (p *peer) asleep(calls []*call) bool {
	r := request{Verb: areAsleep}
	for _, c := range calls {
		r.Calls = append(r.Calls, c.id)
	}
	c := p.start(context.Background(), r)
	<-c.done
	return c.Asleep
}
