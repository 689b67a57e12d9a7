//go:build linux

package history

import (
	"slices"
	"testing"
)

// The judge is judged: histories that no queue has must be rejected, and those
// that one has must not.

func named(name string) shape { return shapeNamed(name) }

// at is a call of a player, from one time to another. Messages have their
// sender's number in front: 0x1_00000001.
func at(from, to int64, by int, v verb, id uint64, o outcome) *call {
	c := &call{record: record{Verb: v, Outcome: o, Call: from, Return: to}, by: by}
	switch {
	case v.receives() && o == done:
		c.Got = id
	case v.receives():
		c.From = id
	default:
		c.ID = id
	}
	return c
}

// again is a receipt of a message that others had before.
func (c *call) again(n uint64) *call { c.Again = n; return c }

// from is a receipt by one who names the source.
func (c *call) from(source uint64) *call { c.From = source; return c }

// killed is a call of a process that was killed then.
func (c *call) killed(at int64) *call { c.died = at; return c }

const (
	a1 = 1<<32 + 1
	a2 = 1<<32 + 2
	a3 = 1<<32 + 3
	a4 = 1<<32 + 4
	b1 = 2<<32 + 1
)

type verdict struct {
	name     string
	shape    string
	strict   bool // a queue that leaves nothing open has it
	promised bool // one that keeps what is promised has it
	calls    []*call
}

func (v verdict) check(t *testing.T) {
	for _, r := range []struct {
		name string
		rules
		want bool
	}{{"strict", strict, v.strict}, {"promised", named(v.shape).promised(), v.promised}} {
		h := &history{shape: named(v.shape), calls: slices.Clone(v.calls)}
		ok, err := h.check(r.rules)
		if ok != r.want {
			t.Errorf("%s: %s: %t, want %t (%v)\n%v", v.name, r.name, ok, r.want, err, h)
		}
	}
}

func TestJudge(t *testing.T) {
	for _, all := range [][]verdict{orders(), bounds(), returns(), deaths(), deliveries(), sources()} {
		for _, v := range all {
			v.check(t)
		}
	}
}

// sentTwo is two messages of one sender, before the time 100.
func sentTwo(more ...*call) []*call {
	return append([]*call{at(0, 10, 1, send, a1, done), at(20, 30, 1, trySend, a2, done)}, more...)
}

func orders() []verdict {
	nothing := at(900, 910, 4, tryReceive, 0, empty)
	return []verdict{
		{"in order", "8", true, true, sentTwo(at(100, 110, 2, receive, a1, done), at(120, 130, 3, receive, a2, done), nothing)},
		{"swapped", "8", false, false, sentTwo(at(100, 110, 2, receive, a2, done), at(120, 130, 3, receive, a1, done), nothing)},
		{"swapped, at the same time", "8", true, true, sentTwo(at(100, 130, 2, receive, a2, done), at(120, 130, 3, receive, a1, done), nothing)},
		{"twice", "8", false, false, sentTwo(at(100, 110, 2, receive, a1, done), at(120, 130, 3, receive, a2, done), at(140, 150, 2, receive, a1, done))},
		{"lost", "8", false, false, sentTwo(at(100, 110, 2, receive, a1, done), nothing)},
		{"not sent", "8", false, false, sentTwo(at(100, 110, 2, receive, a1, done), at(120, 130, 3, receive, a2, done), at(140, 150, 3, receive, a3, done))},
		{"sent in vain", "8", false, false, []*call{at(0, 10, 1, send, a1, expired), at(20, 30, 2, receive, a1, done)}},
		{"before it was sent", "8", false, false, []*call{at(20, 30, 1, send, a1, done), at(0, 10, 2, receive, a1, done)}},
		{"nothing there, though", "8", false, false, sentTwo(at(50, 60, 2, tryReceive, 0, empty), at(100, 110, 2, receive, a1, done), at(120, 130, 3, receive, a2, done))},
		{"nothing there yet", "8", true, true, []*call{at(0, 100, 1, send, a1, done), at(50, 60, 2, tryReceive, 0, empty), at(110, 120, 2, receive, a1, done)}},
		{"slow sender", "8", true, true, []*call{at(0, 100, 1, send, a1, done), at(10, 20, 2, send, b1, done), at(110, 120, 3, receive, a1, done), at(130, 140, 3, receive, b1, done)}},
	}
}

func bounds() []verdict {
	rest := []*call{at(100, 110, 2, receive, a1, done), at(120, 130, 3, receive, a2, done)}
	with := func(more ...*call) []*call { return append(sentTwo(more...), rest...) }
	return []verdict{
		{"more than there is room", "1", false, false, with()},
		{"full", "1", true, true, []*call{at(0, 10, 1, send, a1, done), at(20, 30, 1, trySend, a2, full), at(100, 110, 2, receive, a1, done)}},
		{"full with two of three", "3", false, false, with(at(50, 60, 2, trySend, b1, full))},
		{"full with two of three and one that is being sent", "3", false, true, with(at(40, 0, 2, trySend, b1, pending).killed(70), at(50, 60, 4, trySend, 4<<32+1, full))},
		{"full with two of three and a hole", "3", false, true, with(at(32, 36, 2, deliver, b1, expired), at(50, 60, 4, trySend, 4<<32+1, full))},
		{"full without a bound", "unbounded", false, false, with(at(50, 60, 2, trySend, b1, full))},
		{"full of claims", "1", true, true, []*call{at(0, 10, 1, send, a1, done), at(20, 30, 2, claim, a1, done), at(40, 50, 1, trySend, a2, full), at(60, 70, 2, ack, a1, done)}},
		{"full of claims that have ended", "1", false, false, []*call{at(0, 10, 1, send, a1, done), at(20, 30, 2, claim, a1, done), at(40, 50, 2, ack, a1, done), at(60, 70, 1, trySend, a2, full)}},
	}
}

func returns() []verdict {
	first := func(more ...*call) []*call {
		return append([]*call{at(0, 10, 1, send, a1, done), at(20, 30, 2, claim, a1, done), at(60, 70, 2, giveBack, a1, done)}, more...)
	}
	second, third := at(32, 40, 1, send, a2, done), at(42, 50, 1, send, a3, done)
	return []verdict{
		{"given back", "8", true, true, first(at(80, 90, 3, receive, a1, done).again(1))},
		{"given back, and not told", "8", false, false, first(at(80, 90, 3, receive, a1, done))},
		{"given back meanwhile, and not told", "8", false, false, first(at(65, 90, 3, receive, a1, done))},
		{"told, and not given back", "8", false, false, []*call{at(0, 10, 1, send, a1, done), at(80, 90, 3, receive, a1, done).again(1)}},
		{"in its place", "unbounded", true, true, first(second, at(80, 90, 3, receive, a1, done).again(1), at(100, 110, 3, receive, a2, done))},
		{"behind, without a circle", "unbounded", false, false, first(second, at(80, 90, 3, receive, a2, done), at(100, 110, 3, receive, a1, done).again(1))},
		{"behind, before the circle comes round", "8", false, false, first(second, at(80, 90, 3, receive, a2, done), at(100, 110, 3, receive, a1, done).again(1))},
		{"behind, when the circle has come round", "3", false, true, first(second, third, at(80, 90, 3, receive, a2, done), at(100, 110, 3, receive, a3, done), at(120, 130, 3, receive, a1, done).again(1))},
		{"behind what was sent since, when the circle has come round", "3", false, false, first(second, third, at(80, 90, 3, receive, a2, done), at(100, 110, 3, receive, a3, done), at(112, 114, 1, send, a4, done), at(116, 118, 3, receive, a4, done), at(120, 130, 3, receive, a1, done).again(1))},
		{"behind what was sent since", "3", false, false, first(at(72, 78, 1, send, a2, done), at(80, 90, 3, receive, a2, done), at(100, 110, 3, receive, a1, done).again(1))},
		{"missed by one who looked already", "8", false, true, first(at(72, 78, 1, send, a2, done), at(65, 90, 3, receive, a2, done), at(100, 110, 3, receive, a1, done).again(1))},
		{"behind one that was being sent", "8", false, true, first(at(5, 80, 3, send, 3<<32+1, done), at(90, 95, 4, receive, 3<<32+1, done), at(100, 110, 4, receive, a1, done).again(1))},
		{"in somebody's hands", "8", false, false, []*call{at(0, 10, 1, send, a1, done), at(20, 30, 2, claim, a1, done), at(40, 50, 3, receive, a1, done), at(60, 70, 2, ack, a1, done)}},
	}
}

func deaths() []verdict {
	nothing := at(900, 910, 4, tryReceive, 0, empty)
	return []verdict{
		{"sent by one who was killed", "8", true, true, []*call{at(0, 0, 1, send, a1, pending).killed(5), at(20, 30, 2, receive, a1, done), nothing}},
		{"not sent by one who was killed", "8", true, true, []*call{at(0, 0, 1, send, a1, pending).killed(5), nothing}},
		{"twice, of one who was killed", "8", false, false, []*call{at(0, 0, 1, send, a1, pending).killed(5), at(20, 30, 2, receive, a1, done), at(40, 50, 3, receive, a1, done)}},
		{"gone with one who was killed", "8", true, true, sentTwo(at(100, 110, 2, receive, a1, done), at(120, 0, 3, receive, 0, pending).killed(125), nothing)},
		{"two gone with one", "8", false, false, sentTwo(at(120, 0, 3, receive, 0, pending).killed(125), nothing)},
		{"gone with a claim", "8", false, false, sentTwo(at(100, 110, 2, receive, a1, done), at(120, 0, 3, claim, 0, pending).killed(125), nothing)},
		{"claimed, and given out again", "8", true, true, []*call{at(0, 10, 1, send, a1, done), at(20, 30, 2, claim, a1, done).killed(40), at(50, 60, 3, receive, a1, done).again(1), nothing}},
		{"claimed, and lost", "8", false, false, []*call{at(0, 10, 1, send, a1, done), at(20, 30, 2, claim, a1, done).killed(40), nothing}},
		{"acknowledged, or not: it was", "8", true, true, []*call{at(0, 10, 1, send, a1, done), at(20, 30, 2, claim, a1, done).killed(40), at(35, 0, 2, ack, a1, pending).killed(40), nothing}},
		{"acknowledged, or not: it was not", "8", true, true, []*call{at(0, 10, 1, send, a1, done), at(20, 30, 2, claim, a1, done).killed(40), at(35, 0, 2, ack, a1, pending).killed(40), at(50, 60, 3, receive, a1, done).again(1), nothing}},
		{"claimed by one of whom nobody was told", "8", true, true, []*call{at(0, 10, 1, send, a1, done), at(20, 0, 2, claim, 0, pending).killed(40), at(50, 60, 3, receive, a1, done).again(1), nothing}},
		{"twice for good", "8", false, false, []*call{at(0, 10, 1, send, a1, done), at(20, 30, 2, claim, a1, done), at(35, 38, 2, ack, a1, done), at(50, 60, 3, receive, a1, done).again(1)}},
	}
}

func deliveries() []verdict {
	return []verdict{
		{"delivered", "8", true, true, []*call{at(0, 50, 1, deliver, a1, done), at(20, 60, 2, receive, a1, done)}},
		{"delivered before it was received", "8", false, false, []*call{at(0, 10, 1, deliver, a1, done), at(20, 30, 2, receive, a1, done)}},
		{"delivered while it is claimed", "8", false, false, []*call{at(0, 25, 1, deliver, a1, done), at(10, 20, 2, claim, a1, done), at(30, 40, 2, ack, a1, done)}},
		{"out of time while it is claimed", "8", true, true, []*call{at(0, 25, 1, deliver, a1, late), at(10, 20, 2, claim, a1, done), at(30, 40, 2, ack, a1, done)}},
		{"taken back, and received", "8", false, false, []*call{at(0, 25, 1, deliver, a1, expired), at(30, 40, 2, receive, a1, done)}},
		{"taken back, after it was given back", "8", true, true, []*call{at(0, 40, 1, deliver, a1, expired), at(10, 20, 2, claim, a1, done), at(22, 30, 2, giveBack, a1, done)}},
		{"gone with its sender, who was told nil", "zero-claims", false, false, []*call{at(0, 25, 1, send, a1, late).killed(50), at(10, 20, 2, claim, a1, done), at(30, 40, 2, giveBack, a1, done)}},
		{"gone with its sender, though received", "8", false, false, []*call{at(0, 25, 1, deliver, a1, late).killed(50), at(10, 20, 2, claim, a1, done), at(30, 40, 2, giveBack, a1, done)}},
		{"a meeting", "zero", true, true, []*call{at(0, 25, 1, send, a1, done), at(10, 40, 2, receive, a1, done)}},
		{"no meeting", "zero", false, false, []*call{at(0, 10, 1, send, a1, done), at(20, 40, 2, receive, a1, done)}},
		{"a TrySend to one who waits", "zero", true, true, []*call{at(10, 20, 1, trySend, a1, done), at(0, 40, 2, receive, a1, done)}},
		{"a TrySend to one who has waited", "zero", false, true, []*call{at(10, 20, 1, trySend, a1, done), at(30, 40, 2, tryReceive, a1, done)}},
		{"a TrySend twice", "zero", false, false, []*call{at(10, 20, 1, trySend, a1, done), at(0, 40, 2, receive, a1, done), at(50, 60, 2, receive, a1, done)}},
		{"a TrySend to nobody", "zero", false, false, []*call{at(10, 20, 1, trySend, a1, done)}},
	}
}

func sources() []verdict {
	two := func(more ...*call) []*call {
		return append([]*call{at(0, 10, 1, send, a1, done), at(20, 30, 1, send, a2, done), at(40, 50, 2, deliver, b1, late)}, more...)
	}
	r := func(from, to int64, id uint64) *call { return at(from, to, 0, receive, id, done) }
	return []verdict{
		{"from one, then from all", "inbox-unbounded", true, true, two(r(42, 60, b1).from(2), r(70, 80, a1), r(90, 99, a2))},
		{"from one, in the wrong order", "inbox-unbounded", false, false, two(r(42, 60, a2).from(1), r(70, 80, a1), r(90, 99, b1))},
		{"from all, in the wrong order", "inbox-unbounded", false, false, two(r(42, 60, b1), r(70, 80, a1), r(90, 99, a2))},
		{"from the wrong one", "inbox-unbounded", false, false, two(r(42, 48, b1).from(1), r(70, 80, a1), r(90, 99, a2))},
		{"none from one who has sent", "inbox-unbounded", false, false, two(r(42, 48, b1).from(2), at(50, 60, 0, tryReceive, 1, empty), r(70, 80, a1), r(90, 99, a2))},
		{"none from one who has not", "inbox-unbounded", true, true, two(r(42, 48, b1).from(2), at(50, 60, 0, tryReceive, 2, empty), r(70, 80, a1), r(90, 99, a2))},
		{"out of time while it is put aside", "inbox-unbounded", false, true, two(r(42, 60, a1).from(1), r(70, 80, a2), r(90, 99, b1))},
		{"out of time while nobody looks", "inbox-unbounded", false, false, two(r(60, 66, a1).from(1), r(70, 80, a2), r(90, 99, b1))},
		{"by source, in the wrong order", "inbox-named", false, false, two(r(42, 48, b1).from(2), r(52, 60, a2).from(1), r(70, 80, a1).from(1))},
	}
}
