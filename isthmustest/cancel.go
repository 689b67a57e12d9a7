package isthmustest

import (
	"context"
	"errors"
	"os"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
)

var cancelChecks = []check{
	{"CancelEndsSend", func(f *fixture) { f.testCancel(send) }, fills},
	{"CancelEndsReceive", func(f *fixture) { f.testCancel(receive) }, nil},
	{"CancelEndsReceiveInto", func(f *fixture) { f.testCancel(receiveInto) }, func(m *Mechanism, _ place) bool { return m.Into }},
	{"CancelEndsDeliver", func(f *fixture) { f.testCancel(deliver) }, delivers},
	{"CancelEndsDeliverWithoutRoom", testCancelFullDeliver, func(m *Mechanism, p place) bool { return m.Delivers && limited(m, p) }},
	{"CancelledOneOfMany", testCancelOne, nil},
	{"CancelledBefore", testCancelledBefore, nil},
}

// end is a way in which a context ends.
type ending struct {
	name string
	ctx  func() (ctx context.Context, ends func() time.Time) // ends returns when it ends
	want []error
}

var endings = []ending{
	{"cancel", func() (context.Context, func() time.Time) {
		ctx, cancel := context.WithCancel(background)
		return ctx, func() time.Time { cancel(); return time.Now() }
	}, []error{context.Canceled}},
	{"deadline", func() (context.Context, func() time.Time) {
		at := time.Now().Add(20 * time.Millisecond)
		ctx, cancel := context.WithDeadline(background, at)
		return ctx, func() time.Time { <-ctx.Done(); cancel(); return at }
	}, []error{context.DeadlineExceeded, os.ErrDeadlineExceeded}},
}

// testCancel proves that the end of its context ends a call that waits, with
// nothing done.
func (f *fixture) testCancel(v verb) {
	s, r := f.sender(), f.receiver()
	for _, e := range endings {
		n := 0
		if v == send && f.m.Capacity != isthmus.Zero {
			n = s.fill(frameHeader)
		}
		f.cancelled(e, v, s, r, n)
		f.wants(r.drain(), 0, 0, n)
		f.pass(s, r, send, receive, number(0)) // it goes on as if nothing had been
		r.empty()
	}
}

func testCancelFullDeliver(f *fixture) {
	s, r := f.sender(), f.receiver()
	for _, e := range endings {
		n := s.fill(frameHeader)
		f.cancelled(e, deliver, s, r, n)
		f.wants(r.drain(), 0, 0, n)
	}
}

// cancelled begins a call, waits until it waits, and ends its context.
func (f *fixture) cancelled(e ending, v verb, s, r *end, n int) {
	f.Helper()
	on := r
	if v == send || v == deliver {
		on = s
	}
	ctx, ends := e.ctx()
	c := on.start(ctx, v, number(n))
	if e.name == "cancel" {
		f.asleep(c)
	}
	at := ends()
	a := c.wait(f)
	f.soon(at, v.ended(e))
	for _, want := range e.want {
		f.refused(a.Err, want, v)
	}
	if e.name == "deadline" && a.Finished.Before(at.Round(0).Add(-time.Millisecond)) {
		f.Errorf("%s ended %v before its deadline", v, at.Sub(a.Finished))
	}
	if e.name == "cancel" && errors.Is(a.Err, os.ErrDeadlineExceeded) {
		f.Errorf("%s: %v says that a deadline passed", v, a.Err)
	}
}

func (v verb) ended(e ending) string { return "ending a " + string(v) + " by its " + e.name }

// testCancelOne cancels some of many that wait on one handle: the others go on
// waiting, and are served.
func testCancelOne(f *fixture) {
	s, r := f.sender(), f.receiver()
	const n = 12
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	var gone, stay []*call
	for range n {
		gone = append(gone, r.start(ctx, receive))
		stay = append(stay, r.start(background, receive))
	}
	f.asleep(append(gone, stay...)...)
	cancel()
	for _, c := range gone {
		f.refused(c.wait(f).Err, context.Canceled, receive)
	}
	f.asleep(stay...)
	for i := range n {
		s.must(send, number(i))
	}
	f.all(stay)
	r.empty()
}

// testCancelledBefore makes calls whose context has ended already: none waits,
// and each that fails has done nothing.
func testCancelledBefore(f *fixture) {
	s, r := f.sender(), f.receiver()
	cancelled, cancel := context.WithCancel(background)
	cancel()
	expired, cancel := context.WithDeadline(background, time.Now().Add(-time.Second))
	defer cancel()
	for ctx, want := range map[context.Context]error{cancelled: context.Canceled, expired: context.DeadlineExceeded} {
		for _, v := range waiting(f.receiveVerbs()) {
			f.refused(r.start(ctx, v).wait(f).Err, want, v)
		}
		if f.m.Delivers {
			f.refused(s.start(ctx, deliver, number(0)).wait(f).Err, want, deliver)
			r.empty()
		}
		f.cancelledSend(ctx, want, s, r)
		f.cancelledReceive(ctx, want, s, r)
	}
}

// cancelledSend sends until a Send would have to wait. One that need not may
// look at its context or not, but it must tell the truth.
func (f *fixture) cancelledSend(ctx context.Context, want error, s, r *end) {
	n := 0
	if fills(f.m, f.place) {
		if stores(f.m, f.place) {
			n = s.fill(frameHeader)
		}
		f.refused(s.start(ctx, send, number(n)).wait(f).Err, want, send)
		f.wants(r.drain(), 0, 0, n)
		if n == 0 {
			return
		}
	}
	n = 0
	if err := s.start(ctx, send, number(0)).wait(f).Err; err == nil {
		n = 1
	} else {
		f.refused(err, want, send)
	}
	f.wants(r.drain(), 0, 0, n)
}

// cancelledReceive receives where there is a message.
func (f *fixture) cancelledReceive(ctx context.Context, want error, s, r *end) {
	for _, v := range waiting(f.receiveVerbs()) {
		sent := s.start(background, send, number(0))
		if stores(f.m, f.place) {
			sent.wait(f)
		} else {
			f.asleep(sent)
		}
		a := r.start(ctx, v).wait(f)
		if a.Err == nil {
			f.wants([]uint64{mustFrame(f, a.Message)}, 0, 0, 1)
		} else {
			f.refused(a.Err, want, v)
			f.wants(r.drain(), 0, 0, 1)
		}
		f.all([]*call{sent})
		r.empty()
	}
}
