//go:build linux

package history

import (
	"math/rand/v2"
	"testing"
)

// TestHistories checks what real processes did on queues of all kinds: left
// alone, stopped for moments, and killed.
func TestHistories(t *testing.T) {
	all := tally{}
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			seed := rand.Uint64()
			w := newWorld(t, s, seed)
			sum := tally{}
			for i := range histories() {
				h := w.round(w.troubles(i))
				h.demand(t)
				sum.count(t, h)
			}
			w.end()
			sum.kills = w.kills
			t.Logf("%+v (seed %d)", sum, seed)
			all.add(sum)
			if sum.received == 0 || sum.full+sum.empty == 0 || histories() > 50 && sum.kills == 0 {
				t.Error("too little has happened to say anything")
			}
		})
	}
	t.Logf("all: %+v", all)
}

// troubles are those of round i.
func (w *world) troubles(i int) troubles {
	switch i % 6 {
	case 1, 3:
		return troubles{stops: true}
	case 5:
		return troubles{kills: 1 + w.rng.IntN(2), stops: w.rng.IntN(2) == 0}
	}
	return troubles{}
}

// tally counts what was checked.
type tally struct {
	histories, calls, kills            int
	received, full, empty, cut, strict int
}

// count notes a history. It counts those too that a queue has that leaves
// nothing open; but not for inboxes, where to be sure that none has can take
// seconds.
func (s *tally) count(t *testing.T, h *history) {
	s.histories++
	s.calls += len(h.calls)
	for _, c := range h.calls {
		switch {
		case c.Outcome == full:
			s.full++
		case c.Outcome == empty:
			s.empty++
		case c.Outcome == pending:
			s.cut++
		case c.Verb.receives() && c.Outcome == done:
			s.received++
		}
	}
	if h.shape.inbox {
		return
	}
	ok, err := h.check(strict)
	if err != nil {
		t.Fatal(err)
	}
	if ok {
		s.strict++
	}
}

func (s *tally) add(o tally) {
	s.histories += o.histories
	s.calls += o.calls
	s.kills += o.kills
	s.received += o.received
	s.full += o.full
	s.empty += o.empty
	s.cut += o.cut
	s.strict += o.strict
}
