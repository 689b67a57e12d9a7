package isthmustest

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

var background = context.Background()

// fixture is a fresh endpoint for one check, and where its ends are.
type fixture struct {
	*testing.T
	m                  *Mechanism
	place              place
	ep                 Endpoint
	sending, receiving runner
	senderPID          int
}

func newFixture(t *testing.T, m *Mechanism, p place) *fixture {
	f := &fixture{T: t, m: m, place: p, ep: m.Open(t), senderPID: os.Getpid()}
	here := &host{ep: f.ep}
	f.sending, f.receiving = here, here
	if p == oneProcess {
		return f
	}
	there := startPeer(t, m.Role, f.ep)
	if p == senderElsewhere {
		f.sending, f.senderPID = there, there.pid()
	} else {
		f.receiving = there
	}
	return f
}

// end is a handle, in this process or another.
type end struct {
	f *fixture
	r runner
	h int
}

func (f *fixture) sender() *end   { f.Helper(); return f.open(f.sending, openSender) }
func (f *fixture) receiver() *end { f.Helper(); return f.open(f.receiving, openReceiver) }

func (f *fixture) open(r runner, v verb) *end {
	f.Helper()
	a := r.start(background, request{Verb: v}).wait(f)
	if a.Err != nil {
		f.Fatalf("%s: %v", v, a.Err)
	}
	e := &end{f, r, a.Handle}
	f.Cleanup(func() {
		if err := e.do(closeHandle); err != nil && !errors.Is(err, isthmus.ErrClosed) {
			f.Errorf("close: %v", err)
		}
	})
	return e
}

// start begins a call, with or without a message.
func (e *end) start(ctx context.Context, v verb, m ...isthmus.Message) *call {
	r := request{Verb: v, Handle: e.h, Buffer: e.f.m.MaxMessage}
	if len(m) > 0 {
		r.Message = m[0]
		r.Message.Data = append([]byte(nil), m[0].Data...)
	}
	return e.r.start(ctx, r)
}

// do makes a call that nothing holds up, and returns its error.
func (e *end) do(v verb, m ...isthmus.Message) error {
	e.f.Helper()
	return e.start(background, v, m...).wait(e.f).Err
}

// must is do for a call that has to work.
func (e *end) must(v verb, m ...isthmus.Message) isthmus.Message {
	e.f.Helper()
	a := e.start(background, v, m...).wait(e.f)
	if a.Err != nil {
		e.f.Fatalf("%s: %v", v, a.Err)
	}
	return a.Message
}

// row makes a row of calls.
func (e *end) row(v verb, l load) *call {
	return e.r.start(background, request{Verb: v, Handle: e.h, Load: l})
}

// fill sends frames of sender 0 until there is no room and returns how many.
func (e *end) fill(size int) int {
	e.f.Helper()
	const most = 1 << 20
	a := e.row(sendAll, load{Count: most, Max: size, Fixed: true}).wait(e.f)
	if a.Err != nil || a.Count == most {
		e.f.Fatalf("filled with %d messages: %v", a.Count, a.Err)
	}
	return a.Count
}

// drain receives what there is.
func (e *end) drain() []uint64 {
	e.f.Helper()
	a := e.row(receiveAll, load{}).wait(e.f)
	if a.Err != nil {
		e.f.Fatalf("receive all: %v", a.Err)
	}
	return a.Seen
}

// empty fails if there is a message.
func (e *end) empty() {
	e.f.Helper()
	if seen := e.drain(); len(seen) != 0 {
		e.f.Fatalf("%d messages are there that should not be, the first is %d of sender %d", len(seen), uint32(seen[0]), seen[0]>>32)
	}
}

// wants fails if the frames seen are not exactly those from first to end of a sender.
func (f *fixture) wants(seen []uint64, sender uint32, first, end int) {
	f.Helper()
	if len(seen) != end-first {
		f.Fatalf("received %d messages, want %d", len(seen), end-first)
	}
	for i, id := range seen {
		if id != frameID(sender, uint32(first+i)) {
			f.Fatalf("message %d is number %d of sender %d, want %d of %d", i, uint32(id), id>>32, first+i, sender)
		}
	}
}

// asleep waits until the calls sleep. It looks twice: what a goroutine does on
// its way to sleep can look like it.
func (f *fixture) asleep(calls ...*call) {
	f.Helper()
	seen := 0
	proctest.Eventually(f, patience, "the calls wait", func() bool {
		for _, c := range calls {
			if c.returned() {
				f.Fatalf("%s returned (%v) where it has to wait", c.verb, c.Err)
			}
		}
		if !calls[0].on.asleep(calls) {
			seen = 0
			return false
		}
		seen++
		return seen == 2
	})
}

// waits fails if a call has returned.
func (f *fixture) waits(calls ...*call) {
	f.Helper()
	for _, c := range calls {
		if c.returned() {
			f.Fatalf("%s returned (%v) where it has to wait", c.verb, c.Err)
		}
	}
}

// refused fails if err is not target, wrapped as it must be.
func (f *fixture) refused(err, target error, v verb) {
	f.Helper()
	if !errors.Is(err, target) {
		f.Fatalf("%s: the error is %v, want %v", v, err, target)
	}
	var e *isthmus.Error
	if !errors.As(err, &e) {
		f.Fatalf("%s: the error %v is no *isthmus.Error", v, err)
	}
	if op := operation[v]; e.Op != op || e.Mechanism != f.m.Name || e.Name != f.ep.Name || e.Err == nil {
		f.Fatalf("%s: the error is {Op: %q, Mechanism: %q, Name: %q, Err: %v}, want {%q, %q, %q, …}", v, e.Op, e.Mechanism, e.Name, e.Err, op, f.m.Name, f.ep.Name)
	}
}

// operation is what an error's Op must be.
var operation = map[verb]string{
	closeHandle: "close", send: "send", trySend: "send", deliver: "deliver",
	receive: "receive", tryReceive: "receive", receiveInto: "receive", tryReceiveInto: "receive",
}

// sendVerbs and the like are the calls that the mechanism has.
func (f *fixture) sendVerbs() []verb {
	if f.m.Delivers {
		return []verb{send, trySend, deliver}
	}
	return []verb{send, trySend}
}

func (f *fixture) receiveVerbs() []verb {
	if f.m.Into {
		return []verb{receive, tryReceive, receiveInto, tryReceiveInto}
	}
	return []verb{receive, tryReceive}
}

// waiting are the verbs among vs that wait.
func waiting(vs []verb) (w []verb) {
	for _, v := range vs {
		if v != trySend && v != tryReceive && v != tryReceiveInto {
			w = append(w, v)
		}
	}
	return w
}

// try makes a call that does not wait again and again until it works: the other
// end is known to be on its way.
func (e *end) try(v verb, m ...isthmus.Message) isthmus.Message {
	e.f.Helper()
	var got isthmus.Message
	proctest.Eventually(e.f, patience, string(v)+" works", func() bool {
		a := e.start(background, v, m...).wait(e.f)
		if a.Err != nil && !errors.Is(a.Err, isthmus.ErrFull) && !errors.Is(a.Err, isthmus.ErrEmpty) {
			e.f.Fatalf("%s: %v", v, a.Err)
		}
		got = a.Message
		return a.Err == nil
	})
	return got
}

// any makes a call, by try if it is one that does not wait.
func (e *end) any(v verb, m ...isthmus.Message) isthmus.Message {
	e.f.Helper()
	if len(waiting([]verb{v})) == 0 {
		return e.try(v, m...)
	}
	return e.must(v, m...)
}

// pass carries a message from s to r by the two calls: the one that waits goes
// first, if there is one.
func (f *fixture) pass(s, r *end, by, with verb, m isthmus.Message) isthmus.Message {
	f.Helper()
	if by != trySend {
		c := s.start(background, by, m)
		got := r.any(with)
		if err := c.wait(f).Err; err != nil {
			f.Fatalf("%s: %v", by, err)
		}
		return got
	}
	if with != tryReceive && with != tryReceiveInto {
		c := r.start(background, with)
		s.try(trySend, m)
		a := c.wait(f)
		if a.Err != nil {
			f.Fatalf("%s: %v", with, a.Err)
		}
		return a.Message
	}
	s.must(trySend, m)
	return r.try(with)
}

// number is frame i of sender 0.
func number(i int) isthmus.Message { return isthmus.Message{Data: frame(0, uint32(i), frameHeader)} }

// soon fails if a call took much longer than it had to: a second is long for a
// wake-up and short for somebody who waits for a program to end.
func (f *fixture) soon(since time.Time, what string) {
	f.Helper()
	if d := time.Since(since); d > time.Second {
		f.Errorf("%s took %v", what, d)
	}
}
