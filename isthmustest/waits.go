package isthmustest

import (
	isthmus "github.com/isthmus-ipc/isthmus"
)

var waitChecks = []check{
	{"SendWaitsForRoom", testSendWaits, limited},
	{"ReceiveWaits", testReceiveWaits, nil},
	{"DeliverWaits", testDeliverWaits, delivers},
	{"DeliverWaitsForItsOwn", testDeliverOwn, func(m *Mechanism, p place) bool {
		return m.Delivers && m.Capacity != isthmus.Bounded(1) && stores(m, p)
	}},
	{"ManySendersWait", testManySenders, fills},
	{"ManyReceiversWait", testManyReceivers, nil},
	{"ManyDeliverersWait", testManyDeliverers, delivers},
}

// crowdSize is more calls than an implementation may keep threads or slots for.
const crowdSize = 200

func testSendWaits(f *fixture) {
	s, r := f.sender(), f.receiver()
	for _, size := range []int{frameHeader, f.m.MaxMessage} {
		n := s.fill(size)
		m := isthmus.Message{Data: frame(0, uint32(n), size)}
		c := s.start(background, send, m)
		f.asleep(c)
		f.refused(s.do(trySend, m), isthmus.ErrFull, trySend)
		f.waits(c)
		seen := []uint64{mustFrame(f, r.must(tryReceive))}
		for !c.returned() { // room for one small message may take more than one to be gone
			seen = append(seen, r.drain()...)
		}
		if err := c.wait(f).Err; err != nil {
			f.Fatal(err)
		}
		f.wants(append(seen, r.drain()...), 0, 0, n+1)
	}
}

func testReceiveWaits(f *fixture) {
	s, r := f.sender(), f.receiver()
	for i, by := range f.sendVerbs() {
		for _, with := range waiting(f.receiveVerbs()) {
			c := r.start(background, with)
			f.asleep(c)
			f.waits(c)
			s.any(by, number(i))
			a := c.wait(f)
			if a.Err != nil {
				f.Fatalf("%s: %v", with, a.Err)
			}
			f.wants([]uint64{mustFrame(f, a.Message)}, 0, i, i+1)
		}
	}
}

func testDeliverWaits(f *fixture) {
	s, r := f.sender(), f.receiver()
	for i, with := range f.receiveVerbs() {
		c := s.start(background, deliver, number(i))
		f.asleep(c)
		f.waits(c)
		f.wants([]uint64{mustFrame(f, r.any(with))}, 0, i, i+1)
		if err := c.wait(f).Err; err != nil {
			f.Fatalf("%s: %v", with, err)
		}
	}
	r.empty()
}

// testDeliverOwn proves that the receipt of another message is no receipt.
func testDeliverOwn(f *fixture) {
	s, r := f.sender(), f.receiver()
	s.must(trySend, number(0))
	first := s.start(background, deliver, number(1))
	f.asleep(first)
	f.wants([]uint64{mustFrame(f, r.must(receive))}, 0, 0, 1)
	f.asleep(first)
	f.waits(first)
	f.wants(r.drain(), 0, 1, 2)
	if err := first.wait(f).Err; err != nil {
		f.Fatal(err)
	}
}

// crowd starts many calls of one sort on one handle, and waits until they wait.
func (e *end) crowd(v verb) (calls []*call) {
	e.f.Helper()
	for i := range crowdSize {
		calls = append(calls, e.start(background, v, isthmus.Message{Data: frame(uint32(i+1), 0, frameHeader)}))
	}
	e.f.asleep(calls...)
	return calls
}

// all fails if one of the calls failed.
func (f *fixture) all(calls []*call) {
	f.Helper()
	for _, c := range calls {
		if err := c.wait(f).Err; err != nil {
			f.Fatalf("%s: %v", c.verb, err)
		}
	}
}

// once fails if not each of the senders' frames 0 was seen once.
func (f *fixture) once(seen []uint64) {
	f.Helper()
	had := map[uint64]int{}
	for _, id := range seen {
		had[id>>32]++
	}
	for i := range crowdSize {
		if n := had[uint64(i+1)]; n != 1 {
			f.Fatalf("the message of sender %d was received %d times", i+1, n)
		}
	}
	if len(seen) != crowdSize {
		f.Fatalf("received %d messages, want %d", len(seen), crowdSize)
	}
}

func testManySenders(f *fixture) {
	s, r := f.sender(), f.receiver()
	n := 0
	if f.m.Capacity != isthmus.Zero {
		n = s.fill(frameHeader)
	}
	calls := s.crowd(send)
	var seen []uint64
	for range n + crowdSize {
		seen = append(seen, mustFrame(f, r.must(receive)))
	}
	f.all(calls)
	f.wants(seen[:n], 0, 0, n)
	f.once(seen[n:])
	r.empty()
}

func testManyDeliverers(f *fixture) {
	s, r := f.sender(), f.receiver()
	calls := s.crowd(deliver)
	var seen []uint64
	for range crowdSize {
		seen = append(seen, mustFrame(f, r.must(receive)))
	}
	f.all(calls)
	f.once(seen)
	r.empty()
}

// testManyReceivers proves that every one of many that wait can be served, by
// every way to send.
func testManyReceivers(f *fixture) {
	s, r := f.sender(), f.receiver()
	for _, by := range f.sendVerbs() {
		calls := r.crowd(receive)
		for i := range crowdSize {
			s.any(by, isthmus.Message{Data: frame(uint32(i+1), 0, frameHeader)})
		}
		f.all(calls)
		var seen []uint64
		for _, c := range calls {
			seen = append(seen, mustFrame(f, c.Message))
		}
		f.once(seen)
		r.empty()
	}
}
