//go:build linux

package history

import (
	"fmt"
	"hash/maphash"
	"math/bits"
	"strings"

	"github.com/anishathalye/porcupine"
)

// deed is a step of the model.
type deed uint8

const (
	enqueue     deed = iota // the message is in the queue
	dequeue                 // it is received
	hold                    // it is claimed
	drop                    // the claim is acknowledged: it is received
	restore                 // the claim ended without that: it is there again
	withdraw                // its sender takes it back
	seeReceived             // its sender is told that it was received
	seeFull                 // a TrySend finds no room
	seeEmpty                // a TryReceive finds nothing
)

var deedNames = [...]string{"put", "take", "hold", "drop", "restore", "withdraw", "see received", "see full", "see empty"}

// step is the input of an operation. It has the outcome in it, too.
type step struct {
	do    deed
	m     int    // the number of the message in the history
	again uint64 // its Redelivered
	from  uint64 // whose messages are wanted
	gift  bool   // at capacity zero, a TrySend: the next step is that somebody takes it

	call   *call
	of     *builder
	sent   []*message // by number
	around set        // messages that others had to do with at the same time
	before set        // messages whose sends began before this ended
	first  set        // messages that must have been put before this one
	moves  bool       // the circle may have come round meanwhile
	aside  bool       // the owner of the inbox looked for somebody else's meanwhile
	maybe  bool       // or does not: it is taken back if it is there
	died   bool       // somebody was killed with the message in hand

	visitors int // larger messages that others tried to send meanwhile, in vain
}

// maxMessages is how many messages a history may have.
const maxMessages = 256

// set is a set of the messages of a history.
type set [maxMessages / 64]uint64

func (s *set) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *set) has(i int) bool { return s[i/64]>>(i%64)&1 == 1 }
func (s *set) includes(o *set) bool {
	for i := range s {
		if o[i]&^s[i] != 0 {
			return false
		}
	}
	return true
}
func (s *set) size() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// rules are those of a queue: whoever is asked for a message gives the first
// one, and there are never more than there are places. Each field leaves one
// thing more open; doc.go says why.
type rules struct {
	circle    bool // full: a message may be in the way of free places
	behind    bool // what comes back may be behind what was sent meanwhile
	oldPlace  bool // what comes back may be behind what was being sent when it was
	missed    bool // what comes back may be missed by a receiver that is looking already
	stranded  bool // what TrySend sends at capacity zero may wait for the next receive
	uncounted bool // a receipt under way when a message came back may not count that
	forgotten bool // what was given back at capacity zero may be gone with a sender that was told nil
	aside     bool // a Deliver that is out of time may be nil for what was only put aside
}

// state is the messages that are in the queue, in their order, each with what
// is to be known of it; and those that were received, and whose senders wait to
// be told. It is a string so that states compare fast.
type state struct {
	live string // entryBytes each
	gone string // 2 bytes each
	put  set    // all that were sent so far; it follows from the steps taken
}

// entry is one message in the queue.
type entry struct {
	m     int
	held  bool
	late  bool // it came back, and may have any place before what was sent since
	gift  bool
	again uint8
}

const entryBytes = 4

func (e entry) String() string {
	s := fmt.Sprint(e.m)
	if e.held {
		s += "*"
	}
	if e.late {
		s += "~"
	}
	return s
}

func (s state) entry(i int) entry {
	b := s.live[i*entryBytes:]
	return entry{m: int(b[0]) | int(b[1])<<8, held: b[2]&1 != 0, late: b[2]&2 != 0, gift: b[2]&4 != 0, again: b[3]}
}

func (e entry) bytes() string {
	flags := byte(0)
	for i, f := range []bool{e.held, e.late, e.gift} {
		if f {
			flags |= 1 << i
		}
	}
	return string([]byte{byte(e.m), byte(e.m >> 8), flags, e.again})
}

func (s state) count() int { return len(s.live) / entryBytes }

func (s state) find(m int) int {
	for i := range s.count() {
		if s.entry(i).m == m {
			return i
		}
	}
	return -1
}

// with is the state with entry i replaced, by nothing if by is "".
func (s state) with(i int, by string) state {
	s.live = s.live[:i*entryBytes] + by + s.live[(i+1)*entryBytes:]
	return s
}

func goneKey(m int) string { return string([]byte{byte(m), byte(m >> 8)}) }

var hashSeed = maphash.MakeSeed()

func (r rules) model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{} },
		Step: func(s, in, _ any) (bool, any) {
			next, ok := r.step(s.(state), in.(*step))
			return ok, next
		},
		Equal: func(a, b any) bool { return a.(state) == b.(state) },
		Hash:  func(s any) uint64 { return maphash.Comparable(hashSeed, s.(state)) },
		DescribeOperation: func(in, _ any) string {
			s := in.(*step)
			return fmt.Sprintf("%s %d [%v]", deedNames[s.do], s.m, s.call)
		},
		DescribeState: func(s any) string {
			var words []string
			for i := range s.(state).count() {
				words = append(words, s.(state).entry(i).String())
			}
			return "[" + strings.Join(words, " ") + "]"
		},
	}
}

// step is the sequential queue.
func (r rules) step(s state, in *step) (state, bool) {
	if i := s.count() - 1; i >= 0 && !r.stranded && s.entry(i).gift && !((in.do == dequeue || in.do == hold) && in.m == s.entry(i).m) {
		return s, false // a gift changes hands at once
	}
	switch in.do {
	case enqueue:
		if n := in.places(); n > 0 && s.count() >= n {
			return s, false
		}
		if !s.put.includes(&in.first) {
			return s, false
		}
		s.put.add(in.m)
		s.live += entry{m: in.m, gift: in.gift}.bytes()
		return s, true
	case dequeue, hold:
		return r.take(s, in)
	case drop, restore, withdraw:
		return r.settle(s, in)
	case seeReceived:
		for i := 0; i < len(s.gone); i += 2 {
			if s.gone[i:i+2] == goneKey(in.m) {
				s.gone = s.gone[:i] + s.gone[i+2:]
				return s, true
			}
		}
		i := s.find(in.m)
		return s, in.call.Outcome == late && i >= 0 && (s.entry(i).held || in.aside && r.aside)
	case seeFull:
		return s, r.mayBeFull(s, in)
	}
	for i := range s.count() {
		if e := s.entry(i); !e.held && in.wants(e.m) && !e.gift {
			return s, false
		}
	}
	return s, true
}

// wants tells whether a receiver wants a message of this sender.
func (in *step) wants(m int) bool { return in.from == 0 || senderOf(in.sent[m].id)%players == in.from }

// places is how many messages the queue holds, 0 if there is no bound.
func (in *step) places() int { return in.of.h.shape.places() }

// take is a receipt: of the first message.
func (r rules) take(s state, in *step) (state, bool) {
	at := s.find(in.m)
	if at < 0 || s.entry(at).held || !in.wants(in.m) {
		return s, false
	}
	e := s.entry(at)
	if !r.counts(e, in) {
		return s, false
	}
	if e.gift && !r.stranded && in.call.Call > in.sent[in.m].sent.end() {
		return s, false // it did not wait yet
	}
	for i := range at {
		if before := s.entry(i); !before.held && in.wants(before.m) && !e.late && !r.overtakes(in, before) {
			return s, false
		}
	}
	if in.do == hold {
		e.held, e.late, e.gift = true, false, false
		return s.with(at, e.bytes()), true
	}
	return in.received(s.with(at, "")), true
}

// counts tells whether Redelivered may be what the receiver was told.
func (r rules) counts(e entry, in *step) bool {
	switch told, is := in.again, uint64(e.again); {
	case told > is:
		return in.died
	case told < is:
		return r.uncounted && in.do == dequeue && in.around.has(in.m) && in.of.h.shape.lifts(in.sent[in.m].id)
	}
	return true
}

// overtakes tells whether a message may be received before another one that is
// in the queue before it.
func (r rules) overtakes(in *step, before entry) bool {
	switch {
	case before.gift:
		return true // it is another's
	case before.again == 0:
		return false
	case r.missed && in.around.has(before.m):
		return true
	}
	mine, its := in.sent[in.m].sent, in.sent[before.m].sent
	return r.oldPlace && overlap(mine.Call, mine.end(), its.Call, its.end())
}

// received notes that a message is received, if its sender waits to be told.
func (in *step) received(s state) state {
	if in.sent[in.m].sent.waited(in.of.h.shape) {
		s.gone += goneKey(in.m)
	}
	return s
}

// settle ends a claim, or takes a message back.
func (r rules) settle(s state, in *step) (state, bool) {
	at := s.find(in.m)
	if at < 0 {
		// What is withdrawn may have been received meanwhile.
		return s, in.do == withdraw && in.maybe
	}
	e := s.entry(at)
	if e.held != (in.do != withdraw) {
		return s, in.do == withdraw && in.maybe
	}
	if in.do != restore {
		s = s.with(at, "")
		if in.do == drop {
			s = in.received(s)
		}
		return s, true
	}
	e.held = false
	e.again++
	if !r.behind || !in.moves {
		return s.with(at, e.bytes()), true
	}
	e.late = true // wherever it is among those, it is before what comes next
	s = s.with(at, "")
	s.live += e.bytes()
	return s, true
}

// mayBeFull tells whether a TrySend may find no room.
func (r rules) mayBeFull(s state, in *step) bool {
	switch {
	case in.of.h.shape.zero():
		return true // no receiver waits: nobody can prove that one did
	case in.places() == 0:
		return false
	case s.count() >= in.places():
		return true
	case !r.circle:
		return false
	}
	taken := in.around
	for i := range s.count() {
		taken.add(s.entry(i).m)
	}
	if taken.size()+in.visitors >= in.places() {
		return true
	}
	for m := range in.sent {
		if taken.has(m) && in.of.inTheWay(m, taken, in.before) >= in.places() {
			return true
		}
	}
	return false
}

// inTheWay counts the places that are taken, or that cannot be used again
// before message m is received.
func (b *builder) inTheWay(m int, taken, before set) int {
	sent := b.order[m].sent
	restored := false
	for _, t := range b.order[m].takes {
		restored = restored || t.Verb.claims() && !t.final()
	}
	all := taken
	after := b.after(m)
	for k, o := range b.order {
		if after.has(k) && before.has(k) && (restored || o.sent.Call <= sent.end() || o.sent.Outcome == expired) {
			all.add(k)
		}
	}
	return all.size()
}
