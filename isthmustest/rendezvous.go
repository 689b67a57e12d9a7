package isthmustest

import (
	isthmus "github.com/isthmus-ipc/isthmus"
)

var rendezvousChecks = []check{
	{"RendezvousNeedsOneThatWaits", testNobodyWaits, zero},
	{"RendezvousSendWaitsForReceipt", testSendIsReceipt, zero},
	{"RendezvousTrySendFindsReceiver", testTrySendFinds, zero},
	{"RendezvousTryReceiveFindsSender", testTryReceiveFinds, zero},
}

// testNobodyWaits proves that a rendezvous stores nothing.
func testNobodyWaits(f *fixture) {
	s, r := f.sender(), f.receiver()
	for range 3 {
		f.refused(s.do(trySend, number(0)), isthmus.ErrFull, trySend)
		f.refused(r.do(tryReceive), isthmus.ErrEmpty, tryReceive)
		c := s.start(background, send, number(1))
		f.asleep(c)
		f.refused(s.do(trySend, number(0)), isthmus.ErrFull, trySend) // another sender is no receiver
		f.wants(r.drain(), 0, 1, 2)
		if err := c.wait(f).Err; err != nil {
			f.Fatal(err)
		}
	}
}

func testSendIsReceipt(f *fixture) {
	s, r := f.sender(), f.receiver()
	for i, with := range f.receiveVerbs() {
		c := s.start(background, send, number(i))
		f.asleep(c)
		f.waits(c)
		f.wants([]uint64{mustFrame(f, r.any(with))}, 0, i, i+1)
		if err := c.wait(f).Err; err != nil {
			f.Fatal(err)
		}
	}
}

// testTrySendFinds lets several receivers wait on one handle: each of as many
// TrySends finds one, and then none does.
func testTrySendFinds(f *fixture) {
	s, r := f.sender(), f.receiver()
	const receivers = 8
	for _, with := range waiting(f.receiveVerbs()) {
		var calls []*call
		for range receivers {
			calls = append(calls, r.start(background, with))
		}
		f.asleep(calls...)
		for i := range receivers {
			s.try(trySend, number(i))
		}
		f.all(calls)
		f.refused(s.do(trySend, number(0)), isthmus.ErrFull, trySend)
		r.empty()
	}
}

func testTryReceiveFinds(f *fixture) {
	s, r := f.sender(), f.receiver()
	const senders = 8
	for _, with := range f.receiveVerbs() {
		if len(waiting([]verb{with})) > 0 {
			continue
		}
		var calls []*call
		for i := range senders {
			calls = append(calls, s.start(background, send, number(i)))
		}
		f.asleep(calls...)
		for range senders {
			r.must(with) // at once: a sender that waits has its message where a receiver finds it
		}
		f.all(calls)
		r.empty()
	}
}
