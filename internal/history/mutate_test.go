//go:build linux

package history

import "testing"

// mutations spoil a history. Each says whether it found something to spoil.
var mutations = []struct {
	name  string
	spoil func(*history) bool
}{
	{"two receipts are swapped", swap},
	{"a message is received twice", duplicate},
	{"a receipt is missing", lose},
	{"a message is received before it is sent", hurry},
	{"a message is not received, but the queue was empty", overlook},
}

// TestMutations spoils what real processes did, and demands that it is noticed.
func TestMutations(t *testing.T) {
	for _, name := range []string{"3", "3-plain", "unbounded", "inbox-3", "inbox-named"} {
		s := named(name)
		w := newWorld(t, s, 1)
		for _, m := range mutations {
			w.mutate(t, m.name, m.spoil)
		}
		w.end()
	}
}

// mutate plays until there is a history in which something can be spoilt.
func (w *world) mutate(t *testing.T, name string, spoil func(*history) bool) {
	t.Helper()
	for range 50 {
		h := w.round(troubles{})
		h.demand(t)
		if !spoil(h) {
			continue
		}
		if ok, err := h.check(w.shape.promised()); ok {
			t.Errorf("%s: %s, and it is not noticed (%v)\n%v", w.shape.name, name, err, h)
		}
		return
	}
	t.Errorf("%s: in 50 histories there is nothing to spoil (%s)", w.shape.name, name)
}

// plain are the receipts of messages that were never claimed, and the sends.
func (h *history) plain() (receipts []*call, sent map[uint64]*call) {
	sent = map[uint64]*call{}
	claimed := map[uint64]bool{}
	for _, c := range h.calls {
		if c.Verb.sends() {
			sent[c.ID] = c
		}
		if c.Verb.claims() && c.Outcome == done {
			claimed[c.Got] = true
		}
	}
	for _, c := range h.calls {
		if c.Verb.receives() && c.Outcome == done && !claimed[c.Got] {
			receipts = append(receipts, c)
		}
	}
	return receipts, sent
}

// swap swaps two receipts of one sender's messages.
func swap(h *history) bool {
	receipts, sent := h.plain()
	for _, a := range receipts {
		for _, b := range receipts {
			if senderOf(a.Got) == senderOf(b.Got) && a.Return < b.Call && sent[a.Got].Return < sent[b.Got].Call {
				a.Got, b.Got = b.Got, a.Got
				return true
			}
		}
	}
	return false
}

// duplicate turns a receipt into one of what was received before.
func duplicate(h *history) bool {
	receipts, _ := h.plain()
	for _, a := range receipts {
		for _, b := range receipts {
			if senderOf(a.Got) == senderOf(b.Got) && a.Return < b.Call {
				b.Got = a.Got
				return true
			}
		}
	}
	return false
}

// lose leaves a receipt out.
func lose(h *history) bool {
	receipts, _ := h.plain()
	if len(receipts) == 0 {
		return false
	}
	h.calls = h.without(func(c *call) bool { return c == receipts[len(receipts)/2] }).calls
	return true
}

// hurry moves a receipt to a time before the message was sent.
func hurry(h *history) bool {
	receipts, sent := h.plain()
	for _, c := range receipts {
		if s := sent[c.Got]; s.Call > h.calls[0].Call {
			c.Call, c.Return = s.Call-2, s.Call-1
			return true
		}
	}
	return false
}

// overlook turns a receipt at which no other call was under way into one that
// found nothing.
func overlook(h *history) bool {
	receipts, sent := h.plain()
	for _, c := range receipts {
		if sent[c.Got].end() < c.Call {
			seen := &call{record: record{Verb: tryReceive, Outcome: empty, From: c.From, Call: c.Call, Return: c.Call}, by: c.by}
			c.Call = c.Return
			if sent[c.Got].end() < seen.Call && seen.Return < c.Call {
				h.calls = append(h.calls, seen)
				return true
			}
		}
	}
	return false
}
