//go:build linux

package crashtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// The storm: processes that send and receive as they like are killed at random
// times, and others take their place. What they did is told by journals.
//
//	A sender writes a message's id after Send has returned, and before it sends
//	the next. So of each sender's messages 1, 2, 3, … at most one, the one after
//	the last in its journal, may have been received without being in it.
//	A receiver that claims writes the id, and then acknowledges. So nothing is
//	lost, whenever it dies; and a message can be in two journals only if the
//	first one ends with it, its writer was killed, and the second one says
//	"redelivered".
//	A receiver that receives writes the id when Receive has returned. If it is
//	killed in between the message is received, and in no journal: one message
//	at most for each such receiver that was killed. Nothing else could tell,
//	since the receipt is one step and the entry another, and that is why Claim
//	exists. So one storm is of claimers alone, in which nothing may be missing.
const (
	stormSenders   = 3
	stormReceivers = 3
	stormSilence   = 5 * time.Second // in which something must have been received
)

type stormKind struct {
	name   string
	shape  shape
	claims func(incarnation int) bool
}

func stormKinds() (kinds []stormKind) {
	always := func(int) bool { return true }
	mixed := func(i int) bool { return i%2 == 0 }
	for _, s := range shapes {
		kinds = append(kinds, stormKind{s.name + "/claim", s, always}, stormKind{s.name + "/mixed", s, mixed})
	}
	return kinds
}

func TestStorm(t *testing.T) {
	kinds := stormKinds()
	total := 0
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			s := newStorm(t, k)
			total += s.rage(max(1, *kills/len(kinds)))
			s.calm()
			s.judge()
		})
	}
	t.Logf("%d kills", total)
}

// storm is one mailbox with its processes.
type storm struct {
	*world
	kind     stormKind
	journals string
	procs    []*stormProc // alive
	past     []*stormProc // all that there ever were
}

type stormProc struct {
	*proctest.Proc
	number int // of the incarnation, counted over all
	sender bool
	claims bool
	killed bool
}

func newStorm(t *testing.T, k stormKind) *storm {
	s := &storm{world: newWorld(t, k.shape, 0), kind: k, journals: t.TempDir()}
	s.open()
	for range stormSenders {
		s.start(true)
	}
	for range stormReceivers {
		s.start(false)
	}
	return s
}

func (s *storm) start(sender bool) {
	n := len(s.past)
	p := &stormProc{number: n, sender: sender, claims: !sender && s.kind.claims(n)}
	role, how := "receiver", "receive"
	if sender {
		role = "sender"
	} else if p.claims {
		how = "claim"
	}
	p.Proc = proctest.Start(s.t, proctest.Options{}, role, s.dir, s.shape.name, strconv.Itoa(n), s.journal(n), how)
	s.procs = append(s.procs, p)
	s.past = append(s.past, p)
}

func (s *storm) journal(n int) string { return filepath.Join(s.journals, strconv.Itoa(n)) }

// rage kills n processes, and tells how many.
func (s *storm) rage(n int) int {
	s.t.Helper()
	received, heard := s.received(), time.Now()
	for range n {
		i := rand.IntN(len(s.procs))
		p := s.procs[i]
		if rand.IntN(8) > 0 { // else it may be killed while it is coming up
			p.Expect("ready")
		}
		time.Sleep(time.Duration(rand.IntN(15000)) * time.Microsecond) // it is the random time that is tested
		if rand.IntN(8) == 0 {
			p.Signal(syscall.SIGSTOP)
			time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
			if rand.IntN(2) == 0 {
				p.Signal(syscall.SIGCONT)
			}
		}
		p.killed = true
		p.Kill()
		s.procs = append(s.procs[:i], s.procs[i+1:]...)
		s.start(p.sender)
		if now := s.received(); now != received {
			received, heard = now, time.Now()
		} else if time.Since(heard) > stormSilence {
			s.t.Fatalf("nothing was received for %v\n%s", stormSilence, s.describe())
		}
	}
	return n
}

// received is the size of all receivers' journals.
func (s *storm) received() (size int64) {
	for _, p := range s.past {
		if !p.sender {
			if fi, err := os.Stat(s.journal(p.number)); err == nil {
				size += fi.Size()
			}
		}
	}
	return size
}

// calm lets the senders finish, and then the receivers.
func (s *storm) calm() {
	s.t.Helper()
	s.end(true)
	proctest.Eventually(s.t, 2*stormSilence, "all messages are received", func() bool {
		st := s.look()
		return st.Depth == 0 && st.Writing == 0 && len(st.Claims) == 0
	})
	s.end(false)
	s.check()
}

// end tells the senders, or the receivers, to come to an end, and waits.
func (s *storm) end(senders bool) {
	s.t.Helper()
	for _, p := range s.procs {
		if p.sender == senders {
			_ = p.In.Close()
		}
	}
	for _, p := range s.procs {
		if p.sender != senders {
			continue
		}
		hang := time.AfterFunc(2*stormSilence, func() {
			s.t.Errorf("process %d hangs (sender: %t)\n%s", p.number, p.sender, s.describe())
			p.Signal(syscall.SIGKILL)
		})
		p.Wait()
		hang.Stop()
	}
}

// Ids in the storm: {incarnation: 24 bits, number of the message: 32 bits}.
func stormID(incarnation int, number uint64) uint64 { return uint64(incarnation)<<32 | number }

// stormSize is the size of a message in the storm, which its id tells.
func stormSize(id uint64) int { return []int{small, medium, large, 60}[id*2654435761>>13%4] }

// untilTold is a context that ends when the parent closes standard input.
func untilTold() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return ctx
}

func joinStorm(args []string) (m *mailbox.Mailbox, number int, log *os.File, err error) {
	if number, err = strconv.Atoi(args[2]); err != nil {
		return nil, 0, nil, err
	}
	if log, err = os.OpenFile(args[3], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, 0, nil, err
	}
	if m, err = mailbox.Attach(boxName, shapeNamed(args[1]).config(args[0])); err != nil {
		return nil, 0, nil, err
	}
	fmt.Println("ready")
	return m, number, log, nil
}

// playSender is the sender's role: directory, capacity, number, journal.
func playSender(args []string) error {
	told := untilTold()
	m, number, log, err := joinStorm(args)
	if err != nil {
		return err
	}
	for i := uint64(1); told.Err() == nil; i++ {
		if err := sendSomehow(m, stormID(number, i)); err != nil {
			return err
		}
		if err := enter(log, stormID(number, i), 0); err != nil {
			return err
		}
		if i%16 == 0 { // now and then, so that receivers sleep, too
			time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
		}
	}
	return m.Close()
}

// sendSomehow sends a message, in one of the ways that there are.
func sendSomehow(m *mailbox.Mailbox, id uint64) error {
	ctx := context.Background()
	switch id % 4 {
	case 0:
		l, err := m.Loan(ctx, stormSize(id))
		if err != nil {
			return err
		}
		fill(l.Bytes(), id)
		l.Type = int64(id)
		return l.Send(ctx)
	case 1:
		if err := m.TrySend(message(id, stormSize(id))); !errors.Is(err, isthmus.ErrFull) {
			return err
		}
	case 2:
		return m.Deliver(ctx, message(id, stormSize(id)))
	}
	return m.Send(ctx, message(id, stormSize(id)))
}

// playReceiver is the receiver's role: directory, capacity, number, journal, how.
func playReceiver(args []string) error {
	told := untilTold()
	m, _, log, err := joinStorm(args)
	if err != nil {
		return err
	}
	one := receiveOne
	if args[4] == "claim" {
		one = claimOne
	}
	for {
		err := one(told, m, log)
		if errors.Is(err, context.Canceled) {
			return m.Close()
		}
		if err != nil {
			return err
		}
	}
}

func receiveOne(ctx context.Context, m *mailbox.Mailbox, log *os.File) error {
	msg, err := m.Receive(ctx)
	if err != nil {
		return err
	}
	id, err := identify(&msg)
	if err != nil {
		return err
	}
	return enter(log, id, msg.Redelivered)
}

func claimOne(ctx context.Context, m *mailbox.Mailbox, log *os.File) error {
	c, err := m.Claim(ctx)
	if err != nil {
		return err
	}
	id, err := identify(new(c.Message()))
	if err != nil {
		return err
	}
	if id%32 == 5 && c.Message().Redelivered == 0 {
		return c.Return() // another one may have it
	}
	if err := enter(log, id, c.Message().Redelivered); err != nil {
		return err
	}
	return c.Ack()
}
