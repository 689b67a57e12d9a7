package isthmustest

import (
	isthmus "github.com/isthmus-ipc/isthmus"
)

var boundChecks = []check{
	{"Empty", testEmpty, nil},
	{"Full", testFull, limited},
	{"FullOfLargest", testFullOfLargest, limited},
	{"NeverFull", testNeverFull, unlimited},
	{"Order", testOrder, stores},
	{"Laps", testLaps, nil},
}

func testEmpty(f *fixture) {
	s, r := f.sender(), f.receiver()
	for range 2 {
		for _, with := range f.receiveVerbs() {
			if len(waiting([]verb{with})) == 0 {
				f.refused(r.do(with), isthmus.ErrEmpty, with)
			}
		}
		f.pass(s, r, send, receive, number(0))
	}
}

// testFull proves that exactly as many messages fit as the capacity says, and
// that one received makes room for exactly one.
func testFull(f *fixture) { f.testFull(frameHeader) }

func testFullOfLargest(f *fixture) { f.testFull(f.m.MaxMessage) }

func (f *fixture) testFull(size int) {
	s, r := f.sender(), f.receiver()
	m := func(i int) isthmus.Message { return isthmus.Message{Data: frame(0, uint32(i), size)} }
	first := 0
	for lap := range 3 {
		n := s.fill(size)
		if want := f.m.Capacity.Messages(); n == 0 || want != 0 && n != want {
			f.Fatalf("lap %d: %d messages fit, want %d", lap, n, want)
		}
		f.refused(s.do(trySend, m(n)), isthmus.ErrFull, trySend)
		if f.m.Capacity.Messages() > 0 {
			f.wants([]uint64{mustFrame(f, r.must(tryReceive))}, 0, first, first+1)
			s.must(trySend, m(n))
			f.refused(s.do(trySend, m(n)), isthmus.ErrFull, trySend)
			f.wants(r.drain(), 0, 1, n+1)
		} else {
			f.wants(r.drain(), 0, 0, n)
		}
	}
}

func mustFrame(f *fixture, m isthmus.Message) uint64 {
	f.Helper()
	id, err := readFrame(m.Data)
	if err != nil {
		f.Fatal(err)
	}
	return id
}

func testNeverFull(f *fixture) {
	s, r := f.sender(), f.receiver()
	for range 2 {
		const count = 20000
		a := s.row(sendAll, load{Count: count, Max: min(200, f.m.MaxMessage)}).wait(f)
		if a.Err != nil || a.Count != count {
			f.Fatalf("%d messages fit: %v", a.Count, a.Err)
		}
		f.wants(r.drain(), 0, 0, count)
	}
}

// testOrder sends what there is room for, in sizes that differ, and receives it
// in order.
func testOrder(f *fixture) {
	s, r := f.sender(), f.receiver()
	for range 5 {
		a := s.row(sendAll, load{Count: 200, Max: f.m.MaxMessage}).wait(f)
		if a.Err != nil || a.Count == 0 {
			f.Fatalf("sent %d: %v", a.Count, a.Err)
		}
		f.wants(r.drain(), 0, 0, a.Count)
	}
}

// testLaps passes many more messages than fit, one at a time.
func testLaps(f *fixture) {
	s, r := f.sender(), f.receiver()
	const count = 3000
	got := r.row(receiveMany, load{Verbs: []verb{receive}})
	sent := s.row(sendMany, load{Count: count, Max: min(100, f.m.MaxMessage), Verbs: []verb{send}})
	f.sent([]*call{sent}, []*call{got})
	s.must(send, isthmus.Message{Data: frame(endMark, 0, frameHeader)})
	a := got.wait(f)
	if a.Err != nil {
		f.Fatal(a.Err)
	}
	f.wants(a.Seen, 0, 0, count)
}
