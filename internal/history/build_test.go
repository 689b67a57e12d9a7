//go:build linux

package history

import "github.com/anishathalye/porcupine"

// builder makes the operations of a history.
type builder struct {
	h      *history
	r      rules
	number map[*message]int
	order  []*message
	ops    []porcupine.Operation
}

func (b *builder) add(c *call, s step, from, to int64) {
	s.call = c
	b.ops = append(b.ops, porcupine.Operation{ClientId: c.by + 1, Input: &s, Call: from, Return: to})
}

// sending adds what the sender of a message did.
func (b *builder) sending(m *message) {
	c, i := m.sent, b.number[m]
	if len(m.takes) == 0 && !c.succeeded() {
		return // nobody has seen it, nobody can tell
	}
	zero := b.h.shape.zero()
	put := step{do: enqueue, m: i, gift: zero && c.Verb == trySend && c.succeeded()}
	b.add(c, put, c.Call, c.end())
	switch {
	case c.waited(b.h.shape):
		b.add(c, step{do: seeReceived, m: i}, c.Call, c.end())
	case c.Outcome == expired:
		b.add(c, step{do: withdraw, m: i}, c.Call, c.end())
	case c.Outcome == pending && zero:
		// Nobody may have had it in his hands when its sender was found dead.
		b.add(c, step{do: withdraw, m: i, maybe: true}, c.died, never)
	}
}

// taking adds a receipt, and what became of it.
func (b *builder) taking(m *message, t *take, last bool) {
	i := b.number[m]
	if !t.Verb.claims() {
		b.add(t.call, step{do: dequeue, m: i, again: t.Again, from: t.From}, t.Call, t.end())
		return
	}
	b.add(t.call, step{do: hold, m: i, again: t.Again}, t.Call, t.end())
	switch s := t.settled; {
	case s == nil:
		b.add(t.call, step{do: restore, m: i}, t.died, never)
	case s.Verb == giveBack:
		b.add(s, step{do: restore, m: i}, s.Call, s.end())
	case s.Outcome == done || last:
		b.add(s, step{do: drop, m: i}, s.Call, s.end())
	default: // the ack was under way, and came to nothing
		b.add(s, step{do: restore, m: i}, s.Call, never)
	}
}

func overlap(from1, to1, from2, to2 int64) bool { return from1 <= to2 && from2 <= to1 }

// surroundings tells each step what went on around it, as far as the rules
// need to know (model_test.go).
func (b *builder) surroundings() {
	for i := range b.ops {
		op := &b.ops[i]
		s := op.Input.(*step)
		s.of, s.sent = b, b.order
		switch s.do {
		case enqueue:
			s.first = b.first(s.m)
		case seeFull:
			b.whoHolds(s, op.Call, op.Return)
		case seeReceived:
			s.aside = b.aside(b.order[s.m])
		case restore:
			s.moves = b.moves(s.m, op.Return)
		case dequeue, hold:
			for k := range b.ops {
				o := &b.ops[k]
				if r := o.Input.(*step); r.do == restore && overlap(o.Call, o.Return, op.Call, op.Return) {
					s.around.add(r.m)
				}
			}
			s.died = b.h.given(b.order[s.m])
			for _, t := range b.order[s.m].takes {
				s.died = s.died || t.cut()
			}
		}
	}
}

// first is the set of messages that must have been put before m, since they
// were received before it, by a receiver who would have taken m else. To know
// it beforehand spares the search most of its detours.
func (b *builder) first(m int) (s set) {
	mine := b.once(m)
	if mine == nil || b.h.shape.zero() && b.order[m].sent.Verb == trySend {
		return s
	}
	source := senderOf(b.order[m].id) % players
	for k, o := range b.order {
		t := b.once(k)
		apart := b.h.shape.named && senderOf(o.id)%players != source // they are never in one model
		if t != nil && t.Return < mine.Call && (t.From == 0 || t.From == source) && k != m && !apart {
			s.add(k)
		}
	}
	return s
}

// once is the only receipt of a message that nobody had claimed before.
func (b *builder) once(m int) *take {
	o := b.order[m]
	if len(o.takes) != 1 || !o.takes[0].final() || o.takes[0].Again != 0 || o.gap {
		return nil
	}
	return o.takes[0]
}

// whoHolds tells a step that saw the queue full who may have held a place, or
// memory, at the time.
func (b *builder) whoHolds(s *step, from, to int64) {
	for k, m := range b.order {
		if m.sent.Call <= to {
			s.before.add(k)
		}
		if overlap(m.sent.Call, m.sent.end(), from, to) || b.handled(m, from, to) {
			s.around.add(k)
		}
	}
	for _, c := range b.h.calls {
		if c != s.call && c.Verb.sends() && b.h.shape.size(c.ID) > inSlot &&
			(c.Outcome == full || c.Outcome == expired && !waits(c.Verb, b.h.shape)) && overlap(c.Call, c.end(), from, to) {
			s.visitors++
		}
	}
}

// aside tells whether the owner of an inbox may have put the message aside
// while it looked for one of somebody else.
func (b *builder) aside(m *message) bool {
	for _, c := range b.h.calls {
		if c.From != 0 && c.From != senderOf(m.id)%players && overlap(c.Call, c.end(), m.sent.Call, m.sent.end()) {
			return true
		}
	}
	return false
}

// handled tells whether a receiver had a call on the message under way.
func (b *builder) handled(m *message, from, to int64) bool {
	for _, t := range m.takes {
		if !b.h.shape.lifts(m.id) && overlap(t.Call, t.end(), from, to) ||
			t.settled != nil && overlap(t.settled.Call, t.settled.end(), from, to) {
			return true
		}
	}
	return false
}

// after is the set of the other messages that may have had a place behind m's
// in the circle: their sends did not end before m's began, or they were in
// somebody's hands since.
func (b *builder) after(m int) (s set) {
	began := b.order[m].sent.Call
	for k, o := range b.order {
		if k == m {
			continue
		}
		since := o.sent.end() >= began
		for _, t := range o.takes {
			since = since || t.end() >= began || t.settled == nil || t.settled.end() >= began
		}
		if since {
			s.add(k)
		}
	}
	return s
}

// moves tells whether the circle may have come round to message m while it was
// claimed, before the time given.
func (b *builder) moves(m int, until int64) bool {
	n := b.h.shape.places()
	if n == 0 {
		return b.h.shape.zero()
	}
	others := 0
	after := b.after(m)
	for k, o := range b.order {
		if after.has(k) && o.sent.Call <= until {
			others++
		}
	}
	return others >= n-1
}
