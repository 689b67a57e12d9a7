//go:build linux

package history

import (
	"fmt"
	"math"
	"sort"

	"github.com/anishathalye/porcupine"
)

// history is what all processes did in one round, on a queue that was empty
// before and after.
type history struct {
	shape shape
	calls []*call
}

// call is one call of one process.
type call struct {
	record
	by   int   // the player's number, -1 for the test itself
	died int64 // when the player was killed, at the earliest; 0: it was not
}

// never is the time of what did not end.
const never = math.MaxInt64

func (c *call) end() int64 {
	if c.Outcome == pending {
		return never
	}
	return c.Return
}

func (c *call) String() string {
	s := fmt.Sprintf("player %d: %v", c.by, c.Verb)
	if c.ID != 0 {
		s += fmt.Sprintf("(%#x)", c.ID)
	}
	if c.From != 0 {
		s += fmt.Sprintf(" from %d", c.From)
	}
	s += " " + c.Outcome.String()
	if c.Got != 0 {
		s += fmt.Sprintf(" → %#x", c.Got)
	}
	if c.Again != 0 {
		s += fmt.Sprintf(" again %d", c.Again)
	}
	return s
}

// succeeded tells whether a call that sends did.
func (c *call) succeeded() bool { return c.Outcome == done || c.Outcome == late }

// waits tells whether a call of this kind waits for the receipt.
func waits(v verb, s shape) bool { return v == deliver || v == send && s.zero() }

// waited tells whether a call returned nil after a receipt.
func (c *call) waited(s shape) bool { return c.succeeded() && waits(c.Verb, s) }

// message is all that is known about one message.
type message struct {
	id    uint64
	sent  *call
	takes []*take // claims in the order of Redelivered, and then what was no claim
	gap   bool    // there was a receipt that is in no journal
}

// take is one receipt of a message, and how it ended if it was a claim.
type take struct {
	*call
	settled *call // nil: it was no claim, or its process died with it
}

// cut tells whether its process was killed before the claim was settled.
func (t *take) cut() bool {
	return t.Verb.claims() && (t.settled == nil || t.settled.Outcome == pending)
}

// final tells whether the message was received for good, so far as is known.
func (t *take) final() bool {
	return !t.Verb.claims() || t.settled != nil && t.settled.Verb == ack && t.settled.Outcome == done
}

// account sorts the calls by messages. What contradicts itself without regard
// to any order is an error: a message that nobody sent, a claim that was left.
func (h *history) account() (all []*message, err error) {
	byID := map[uint64]*message{}
	sort.SliceStable(h.calls, func(i, k int) bool { return h.calls[i].Call < h.calls[k].Call })
	for _, c := range h.calls {
		if c.Verb.sends() {
			m := &message{id: c.ID, sent: c}
			byID[c.ID] = m
			all = append(all, m)
		}
	}
	open := map[[2]uint64]*take{}
	for _, c := range h.calls {
		key := [2]uint64{uint64(c.by), c.ID}
		switch {
		case c.Verb.receives() && c.Outcome == done:
			m := byID[c.Got]
			if m == nil || m.sent.Outcome == full || m.sent.Outcome == expired && !waits(m.sent.Verb, h.shape) {
				return nil, fmt.Errorf("%v: that was not sent", c)
			}
			t := &take{call: c}
			m.takes = append(m.takes, t)
			if c.Verb.claims() {
				open[[2]uint64{uint64(c.by), c.Got}] = t
			}
		case c.Verb == ack || c.Verb == giveBack:
			if open[key] == nil {
				return nil, fmt.Errorf("%v: there was no claim", c)
			}
			open[key].settled = c
			delete(open, key)
		}
	}
	for _, t := range open {
		if t.died == 0 {
			return nil, fmt.Errorf("%v: the claim was not settled", t)
		}
	}
	for _, m := range all {
		sort.SliceStable(m.takes, func(i, k int) bool {
			a, b := m.takes[i], m.takes[k]
			if a.Verb.claims() != b.Verb.claims() {
				return a.Verb.claims()
			}
			return a.Again < b.Again
		})
	}
	return all, nil
}

// puzzle is what the journals of the dead leave open.
type puzzle struct {
	messages []*message
	unknown  []*call // receipts that were under way when the process was killed
	gaps     []gap   // receipts that there must have been
}

// gap is a receipt that is in no journal: of message m, the one number again;
// or, if it is the last, the one with which the message has vanished.
type gap struct {
	m     *message
	again uint64
	last  bool
	// A TrySend at capacity zero may have given the message to a process that was
	// killed before it made the call in which it would have received it.
	maybe bool
}

func (h *history) puzzle(r rules) (*puzzle, error) {
	all, err := h.account()
	if err != nil {
		return nil, err
	}
	p := &puzzle{messages: all}
	for _, c := range h.calls {
		if c.Verb.receives() && c.Outcome == pending {
			p.unknown = append(p.unknown, c)
		}
	}
	for _, m := range all {
		next := uint64(0)
		for i, t := range m.takes {
			if i > 0 && m.takes[i-1].cut() {
				next = t.Again // a death may count more than once
			}
			for ; next < t.Again; next++ {
				p.gaps = append(p.gaps, gap{m: m, again: next, maybe: next == 0 && h.given(m)})
			}
			next = max(next, t.Again+1)
		}
		if h.vanished(m) {
			p.gaps = append(p.gaps, gap{m: m, again: next, last: true})
		}
	}
	for _, g := range p.gaps {
		g.m.gap = true
	}
	return p, nil
}

// given tells whether a message was given to a receiver that waited, and may
// have been killed.
func (h *history) given(m *message) bool {
	return h.shape.zero() && m.sent.Verb == trySend && h.killed()
}

func (h *history) killed() bool {
	for _, c := range h.calls {
		if c.died != 0 {
			return true
		}
	}
	return false
}

// vanished tells whether a message that was sent has left the queue by no
// receipt that is known.
func (h *history) vanished(m *message) bool {
	if !m.sent.succeeded() {
		return false
	}
	if len(m.takes) == 0 {
		return true
	}
	last := m.takes[len(m.takes)-1]
	return !last.final() && !(last.settled != nil && last.settled.Verb == ack)
}

// fits tells whether a receipt under way may have been this one.
func (h *history) fits(g gap, c *call) bool {
	if c.From != 0 && senderOf(g.m.id)%players != c.From {
		return false
	}
	if g.last {
		return !c.Verb.claims()
	}
	return c.Verb.claims() || !h.shape.lifts(g.m.id) || g.maybe && c.Verb == receive
}

// solutions are all ways to say which receipt under way was which. There is
// one, and it is empty, if nobody was killed.
func (h *history) solutions(p *puzzle) (all []map[*call]gap) {
	var try func(i int, used map[*call]gap)
	try = func(i int, used map[*call]gap) {
		if i == len(p.gaps) {
			solution := map[*call]gap{}
			for c, g := range used {
				solution[c] = g
			}
			all = append(all, solution)
			return
		}
		if p.gaps[i].maybe {
			try(i+1, used)
		}
		for _, c := range p.unknown {
			if _, taken := used[c]; !taken && h.fits(p.gaps[i], c) {
				used[c] = p.gaps[i]
				try(i+1, used)
				delete(used, c)
			}
		}
	}
	try(0, map[*call]gap{})
	return all
}

// operations are the steps of a history as the model has them. Some calls are
// two: a Deliver puts the message into the queue and sees it received, both
// within its time.
func (h *history) operations(r rules, p *puzzle, known map[*call]gap) []porcupine.Operation {
	b := &builder{h: h, r: r, number: map[*message]int{}}
	for _, m := range p.messages {
		if h.held(m) {
			b.number[m] = len(b.order)
			b.order = append(b.order, m)
		}
	}
	if len(b.order) > maxMessages {
		panic("a history has too many messages")
	}
	for _, m := range b.order {
		b.sending(m)
		for i, t := range m.takes {
			b.taking(m, t, i == len(m.takes)-1 && !h.gapAfter(m, known))
		}
	}
	for c, g := range known {
		m := b.number[g.m]
		if g.last && !c.Verb.claims() {
			b.add(c, step{do: dequeue, m: m, again: g.again}, c.Call, never)
			continue
		}
		b.add(c, step{do: hold, m: m, again: g.again}, c.Call, never)
		b.add(c, step{do: restore, m: m}, c.died, never)
	}
	for _, c := range h.calls {
		switch c.Outcome {
		case full:
			b.add(c, step{do: seeFull}, c.Call, c.end())
		case empty:
			b.add(c, step{do: seeEmpty, from: c.From}, c.Call, c.end())
		}
	}
	b.surroundings()
	return b.ops
}

// gapAfter tells whether a message's last receipt is one of the unknown ones.
func (h *history) gapAfter(m *message, known map[*call]gap) bool {
	for _, g := range known {
		if g.m == m && g.last {
			return true
		}
	}
	return false
}

// held tells whether a message may have had a place in the queue.
func (h *history) held(m *message) bool {
	switch {
	case m.sent.Outcome == full:
		return false
	case m.sent.Outcome == expired:
		return waits(m.sent.Verb, h.shape)
	}
	return true
}
