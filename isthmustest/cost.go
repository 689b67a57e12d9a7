package isthmustest

import (
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
)

var costChecks = []check{
	{"WaitingIsIdle", testIdle, nil},
	{"NoAllocation", testNoAllocation, func(m *Mechanism, p place) bool {
		return !m.Allocates && m.Into && p == oneProcess && stores(m, p)
	}},
}

// testIdle measures what a process spends while its calls wait.
func testIdle(f *fixture) {
	const span, bound = 200 * time.Millisecond, 60 * time.Millisecond
	r := f.receiver()
	var calls []*call
	for range 4 {
		calls = append(calls, r.start(background, receive))
	}
	f.asleep(calls...)
	spent := func() time.Duration {
		a := r.r.start(background, request{Verb: cpuTime}).wait(f)
		if a.Err != nil {
			f.Fatal(a.Err)
		}
		return a.CPU
	}
	before := spent()
	time.Sleep(span) // this is what is measured, not a wait for something
	if d := spent() - before; d > bound {
		f.Errorf("four receivers that wait used %v of CPU time in %v", d, span)
	}
	f.waits(calls...)
	r.must(closeHandle)
	for _, c := range calls {
		f.refused(c.wait(f).Err, isthmus.ErrClosed, receive)
	}
}

// testNoAllocation counts what the calls allocate that promise not to.
func testNoAllocation(f *fixture) {
	if raceEnabled {
		f.Skip("NOT PROVEN in this build: the race detector's own allocations would be counted; run without -race")
	}
	s, err := f.ep.Sender()
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	rcv, err := f.ep.Receiver()
	if err != nil {
		f.Fatal(err)
	}
	defer rcv.Close()
	into := rcv.(intoReceiver)
	buf := make([]byte, f.m.MaxMessage)
	for _, size := range []int{frameHeader, f.m.MaxMessage} {
		m := isthmus.Message{Data: frame(0, 0, size)}
		f.allocates("TrySend, TryReceiveInto", func() error {
			if err := s.TrySend(m); err != nil {
				return err
			}
			_, err := into.TryReceiveInto(buf)
			return err
		})
		f.allocates("Send, ReceiveInto", func() error {
			if err := s.Send(background, m); err != nil {
				return err
			}
			_, err := into.ReceiveInto(background, buf)
			return err
		})
	}
}

func (f *fixture) allocates(what string, once func() error) {
	f.Helper()
	if n := testing.AllocsPerRun(200, func() {
		if err := once(); err != nil {
			f.Fatal(err)
		}
	}); n != 0 {
		f.Errorf("%s: %v allocations", what, n)
	}
}
