package isthmustest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// verb is a call on a handle, or a row of them.
type verb string

const (
	openSender     verb = "open sender"
	openReceiver   verb = "open receiver"
	closeHandle    verb = "close"
	send           verb = "send"
	trySend        verb = "try send"
	deliver        verb = "deliver"
	receive        verb = "receive"
	tryReceive     verb = "try receive"
	receiveInto    verb = "receive into"
	tryReceiveInto verb = "try receive into"

	sendMany    verb = "send many"    // numbered messages
	receiveMany verb = "receive many" // until the end mark
	sendAll     verb = "send all"     // until it is full
	receiveAll  verb = "receive all"  // until it is empty
	cpuTime     verb = "cpu time"     // of the process, until now
	cancelCall  verb = "cancel"       // only between processes
	areAsleep   verb = "asleep"       // only between processes
)

// request is a call to make. It goes to another process as a line of JSON.
type request struct {
	ID      int
	Verb    verb
	Handle  int
	Message isthmus.Message
	Buffer  int   // bytes, for the Into verbs
	Load    load  // for the rows
	Calls   []int // for areAsleep and cancelCall

	Canceled bool      // the context has ended already
	Deadline time.Time // the context's
}

// answer is what a call returned.
type answer struct {
	Message  isthmus.Message
	Handle   int
	Seen     []uint64 // the frames received
	Count    int
	CPU      time.Duration
	Asleep   bool
	Finished time.Time
	Err      error `json:"-"`
}

// call is a call under way.
type call struct {
	verb verb
	id   int
	on   runner
	gid  atomic.Int64 // the goroutine that makes it
	done chan struct{}
	answer
}

// runner makes calls on the handles that it opened: in this process (host), or
// in another (peer).
type runner interface {
	start(ctx context.Context, r request) *call
	// asleep tells whether the calls, all of this runner, sleep just now.
	asleep(calls []*call) bool
}

// patience is how long a call may take that nothing holds up. It is long: a
// loaded machine must not fail a test.
const patience = 20 * time.Second

func (c *call) wait(t testing.TB) answer {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		t.Fatalf("%s did not return within %v", c.verb, patience)
	}
	return c.answer
}

func (c *call) returned() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// handle is what a host opened: a sender or a receiver.
type handle struct {
	s isthmus.Sender
	r isthmus.Receiver
}

type intoReceiver interface {
	ReceiveInto(ctx context.Context, buf []byte) (isthmus.Message, error)
	TryReceiveInto(buf []byte) (isthmus.Message, error)
}

// host makes calls in this process.
type host struct {
	ep      Endpoint
	mu      sync.Mutex
	handles []*handle
}

func (h *host) start(ctx context.Context, r request) *call {
	c := &call{verb: r.Verb, id: r.ID, on: h, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.gid.Store(goroutineID())
		c.answer = h.perform(ctx, r)
		c.Finished = time.Now()
	}()
	return c
}

func (h *host) asleep(calls []*call) bool {
	s := sleepers()
	for _, c := range calls {
		if !s[c.gid.Load()] {
			return false
		}
	}
	return true
}

func (h *host) perform(ctx context.Context, r request) (a answer) {
	switch r.Verb {
	case openSender:
		s, err := h.ep.Sender()
		return answer{Handle: h.add(&handle{s: s}), Err: err}
	case openReceiver:
		rcv, err := h.ep.Receiver()
		return answer{Handle: h.add(&handle{r: rcv}), Err: err}
	case cpuTime:
		a.CPU, a.Err = processTime()
		return a
	}
	x := h.get(r.Handle)
	switch r.Verb {
	case sendMany:
		a.Err = x.sendMany(ctx, r.Load)
	case receiveMany:
		a.Seen, a.Err = x.receiveMany(ctx, r.Load)
	case sendAll:
		a.Count, a.Err = x.sendAll(r.Load)
	case receiveAll:
		a.Seen, a.Err = x.receiveAll(r.Load)
	default:
		a.Message, a.Err = x.once(ctx, r.Verb, r.Message, r.Buffer)
	}
	return a
}

func (h *host) add(x *handle) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handles = append(h.handles, x)
	return len(h.handles) - 1
}

func (h *host) get(i int) *handle {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.handles[i]
}

// once makes one call. It spoils the sender's buffer as soon as the call has
// returned, so that every check proves that a sender may do so.
func (x *handle) once(ctx context.Context, v verb, m isthmus.Message, buffer int) (isthmus.Message, error) {
	defer func() {
		for i := range m.Data {
			m.Data[i] ^= 0xff
		}
	}()
	none := isthmus.Message{}
	switch v {
	case closeHandle:
		if x.s != nil {
			return none, x.s.Close()
		}
		return none, x.r.Close()
	case send:
		return none, x.s.Send(ctx, m)
	case trySend:
		return none, x.s.TrySend(m)
	case deliver:
		return none, x.s.(isthmus.Deliverer).Deliver(ctx, m)
	case receive:
		return x.r.Receive(ctx)
	case tryReceive:
		return x.r.TryReceive()
	case receiveInto:
		return x.r.(intoReceiver).ReceiveInto(ctx, make([]byte, buffer))
	case tryReceiveInto:
		return x.r.(intoReceiver).TryReceiveInto(make([]byte, buffer))
	}
	return none, fmt.Errorf("isthmustest: no verb %q", v)
}

// ended tells whether a call ended because its context did.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
