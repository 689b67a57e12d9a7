//go:build linux

package crashtest

import (
	"context"
	"errors"
	"sync"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// limits are how much fits into a mailbox.
type limits struct{ small, large, units int }

// slack is what may be missing: of an unbounded mailbox the messages of a
// segment that is used in part, and the one that such a segment's memory, or a
// run that does not go round the end, costs.
func (s shape) slack() limits {
	if s.unbounded() {
		return limits{small: 256, large: 1}
	}
	return limits{}
}

var measured = struct {
	sync.Mutex
	m map[string]limits
}{m: map[string]limits{}}

// limits are those of a mailbox in which nobody ever died.
func (s shape) limits(t testing.TB) limits {
	t.Helper()
	if !s.unbounded() {
		return limits{small: s.slots, large: s.slots, units: units}
	}
	measured.Lock()
	defer measured.Unlock()
	l, ok := measured.m[s.name]
	if !ok {
		w := newWorld(t, s, small)
		w.open()
		l.large = w.fill(large) // first: a part of its memory stays
		l.small, l.units = w.fill(small), w.borrow()
		w.checkRemoval()
		measured.m[s.name] = l
		t.Logf("an unbounded mailbox of %d bytes: %+v", s.memory, l)
	}
	return l
}

// checkCapacity demands that everything can be used.
func (w *world) checkCapacity() {
	w.t.Helper()
	want, slack := w.shape.limits(w.t), w.shape.slack()
	demand := func(what string, got, want, slack int) {
		w.t.Helper()
		if got > want+slack || got < want-slack {
			w.t.Fatalf("the mailbox holds %d %s, want %d\n%s", got, what, want, w.describe())
		}
	}
	if w.shape.zero() {
		w.checkWaiting()
	} else {
		demand("large messages", w.fill(large), want.large, slack.large)
		demand("small messages", w.fill(small), want.small, slack.small)
	}
	demand("units on loan", w.borrow(), want.units, slack.units)
}

// checkWaiting demands, at capacity zero, that every slot can be used.
func (w *world) checkWaiting() {
	w.t.Helper()
	w.size = small
	w.tellApart()
	for range w.shape.slots {
		w.sendAsync()
	}
	w.eventually("every slot has a waiting sender's message", func() bool { return w.look().Depth == w.shape.slots })
	w.drain(w.shape.slots)
	w.eventually("all of them are told", func() bool { return w.pending() == 0 })
}

// tellApart forgets what was received, and numbers on.
func (w *world) tellApart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = map[uint64]int{}
	w.next += 1 << 20
}

func (w *world) pending() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out
}

// fill sends until the mailbox is full, tells how many messages fitted, and
// receives them.
func (w *world) fill(size int) int {
	w.t.Helper()
	w.tellApart()
	n := 0
	for ; ; n++ {
		err := w.tx.TrySend(message(w.next+uint64(n), size))
		if errors.Is(err, isthmus.ErrFull) {
			break
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.drain(n)
	return n
}

// drain receives n messages, and demands that there are no more.
func (w *world) drain(n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 5*bound)
	defer cancel()
	for range n {
		m, err := w.rx.Receive(ctx)
		if err != nil {
			w.t.Fatal(err)
		}
		w.note(&m)
	}
	if m, err := w.rx.TryReceive(); !errors.Is(err, isthmus.ErrEmpty) {
		w.t.Fatalf("a message too many: type %d, %v", m.Type, err)
	}
}

// borrow lends all the memory there is, in units, and tells how many.
func (w *world) borrow() int {
	w.t.Helper()
	var loans []mailbox.Loan
	for {
		l, err := w.tx.TryLoan(1 << 10)
		if errors.Is(err, isthmus.ErrFull) {
			break
		}
		if err != nil {
			w.t.Fatal(err)
		}
		loans = append(loans, l)
	}
	for i := range loans {
		if err := loans[i].Cancel(); err != nil {
			w.t.Fatal(err)
		}
	}
	return len(loans)
}
