package isthmustest

import (
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
)

var closeChecks = []check{
	{"CloseWakesSend", func(f *fixture) { f.testCloseWakes(send) }, fills},
	{"CloseWakesReceive", func(f *fixture) { f.testCloseWakes(receive) }, nil},
	{"CloseWakesReceiveInto", func(f *fixture) { f.testCloseWakes(receiveInto) }, func(m *Mechanism, _ place) bool { return m.Into }},
	{"CloseWakesDeliver", func(f *fixture) { f.testCloseWakes(deliver) }, delivers},
	{"CloseTwice", testCloseTwice, nil},
	{"Closed", testClosed, nil},
	{"CloseLeavesOthers", testCloseLeavesOthers, crowd},
}

// testCloseWakes closes a handle on which many calls wait: all end with
// ErrClosed, and none of them has done anything.
func (f *fixture) testCloseWakes(v verb) {
	s, r := f.sender(), f.receiver()
	on, n := r, 0
	if v == send || v == deliver {
		on = s
	}
	if v == send && f.m.Capacity != isthmus.Zero {
		n = s.fill(frameHeader)
	}
	calls := on.crowd(v)
	begun := time.Now()
	if err := on.do(closeHandle); err != nil {
		f.Fatal(err)
	}
	for _, c := range calls {
		f.refused(c.wait(f).Err, isthmus.ErrClosed, v)
	}
	f.soon(begun, "closing a handle on which many wait")
	if f.m.Solitary {
		return // nobody is left to look
	}
	s, r = f.sender(), f.receiver()
	f.wants(r.drain(), 0, 0, n)
	f.pass(s, r, send, receive, number(0))
}

func testCloseTwice(f *fixture) {
	for _, e := range []*end{f.sender(), f.receiver()} {
		e.must(closeHandle)
		for range 2 {
			f.refused(e.do(closeHandle), isthmus.ErrClosed, closeHandle)
		}
	}
}

// testClosed makes every call on closed handles.
func testClosed(f *fixture) {
	s, r := f.sender(), f.receiver()
	s.must(closeHandle)
	r.must(closeHandle)
	for range 2 {
		for _, v := range f.sendVerbs() {
			f.refused(s.do(v, number(0)), isthmus.ErrClosed, v)
		}
		for _, v := range f.receiveVerbs() {
			f.refused(r.do(v), isthmus.ErrClosed, v)
		}
	}
	if !f.m.Solitary {
		f.receiver().empty()
	}
}

// testCloseLeavesOthers proves that a closed handle does nothing to the others
// of its endpoint, nor to what it had sent.
func testCloseLeavesOthers(f *fixture) {
	s, other := f.sender(), f.sender()
	r, another := f.receiver(), f.receiver()
	waiting := r.start(background, receive)
	f.asleep(waiting)
	another.must(closeHandle)
	f.waits(waiting)
	other.must(closeHandle)
	f.waits(waiting)
	s.must(send, number(0))
	if a := waiting.wait(f); a.Err != nil || mustFrame(f, a.Message) != 0 {
		f.Fatal(a.Err)
	}
	if zero(f.m, f.place) {
		return
	}
	s.must(send, number(1))
	s.must(closeHandle)
	f.wants(r.drain(), 0, 1, 2)
}
