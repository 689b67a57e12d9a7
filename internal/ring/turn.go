package ring

import (
	"fmt"
	"sync/atomic"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/crash"
	"github.com/isthmus-ipc/isthmus/internal/race"
)

// The protocol of the slots.
//
// Messages have positions 0, 1, 2, …; position p lies in slot p mod n. All that
// is true about a slot is in its state word:
//
//	{ position: 50 bits, owner: 11 bits, phase: 3 bits }
//
//	Free(p)        nobody's; it waits for the send at position p
//	Writing(p, o)  sender o fills it
//	Ready(p)       it holds a message; if it came back from a receiver, how many had it
//	               is in the word, too (1024 + that number in the owner's place)
//	Claimed(p, o)  receiver o has the message in its hands
//	Offered(p, o)  receiver o waits here for a TrySend (capacity zero only)
//
//	who                      moves                                 after a death there
//	sender     claims        Free(p)       → Writing(p, me)        repair: → Free(p+n)
//	sender     publishes     Writing(p,me) → Ready(p)              it is sent
//	sender     withdraws     Ready(p)      → Free(p+n)             it was not sent
//	receiver   claims        Ready(p)      → Claimed(p, me)        repair: → Ready(p)
//	receiver   acknowledges  Claimed(p,me) → Free(p+n)             it is received
//	receiver   lifts         Ready(p)      → Free(p+n)             it is received
//	receiver   returns       Claimed(p,me) → Ready(p)              it is there again
//	receiver   offers        Free(p)       → Offered(p, me)        repair: → Free(p+n)
//	receiver   withdraws     Offered(p,me) → Free(p+n)
//	sender     accepts       Offered(q, o) → Free(q+n)             while it is Writing(p, me)
//	sender     passes over   X(p, o)       → X(p+n, o)             X ∈ Writing, Claimed, Offered
//
// Every move is one compare-and-swap of the whole word, and positions only
// grow, so no move can succeed on a state other than the one that it was
// decided on, however long ago that was. There is an owner before anything
// else moves, so repair (which holds the dead participant's token, and so is
// alone) always finds what the dead one had in its hands.
//
// The tail and the head are not part of the truth. They are places to start
// looking, and anyone may help them along:
//
//	tail  no position before it is still to be claimed by a sender
//	head  no slot with a position before it is Ready
//
// Lifting. A receiver that wants a copy of a small message makes it first, and
// then takes the slot from Ready to Free in one move. If that succeeds the
// message did not change while it was being copied, since nobody writes to a
// Ready slot and no position comes twice; and there is no moment at which the
// receiver has it in its hands and could die. A message that others had in their
// hands and returned meanwhile is the same, but for how often that was; so that
// is in the word.
//
// Passing over. When the tail comes round to a slot that is still Writing,
// Claimed or Offered from the lap before, the sender moves that slot's position
// on by a lap and goes to the next. So a slow, stopped or dead process costs the
// ring one slot, and never holds up the others. A slot that is Ready is not
// passed over: then the ring is full.
//
// Whether a message is in the way depends on where it lies: a ring of n slots is
// full when the message that is n positions behind is Ready. A receiver that
// does not want the oldest message yet claims it, and keeps it aside (inbox.go).
//
// Looking past. A receiver that finds the slot at the head Writing looks at the
// slots behind it, since those sends may have taken effect already. When it
// finds one Ready it looks again at all that it had skipped: one of them may
// have become Ready meanwhile, by the same sender, who went on to send the
// message that was found. If so the earlier one is taken. So messages are
// received in the order in which they became Ready, as seen by each sender.
//
// Going back. A message that is returned, or whose receiver died, becomes Ready
// at its old position, which may be before the head. The head is a word
// {epoch: 14 bits, position: 50 bits}; whoever makes a message Ready again moves the head
// back and the epoch on, always, so that no slow helper, who decided before,
// can move the head forward over it. A death in between leaves a Ready slot
// before the head; repair looks at all slots and moves the head back.
type phase uint64

const (
	free phase = 1 + iota // 0 is no phase: memory that nobody has set up
	writing
	ready
	claimed
	offered
)

const (
	phaseBits = 3
	ownerBits = 11
	posShift  = phaseBits + ownerBits
	posBits   = 64 - posShift
	posMask   = 1<<posBits - 1

	again = 1 << (ownerBits - 1) // in the owner's place of a Ready word: receivers had it
)

func word(pos uint64, owner int, p phase) uint64 {
	return pos<<posShift | uint64(owner)<<phaseBits | uint64(p)
}

func phaseOf(s uint64) phase { return phase(s & (1<<phaseBits - 1)) }
func ownerOf(s uint64) int   { return int(s >> phaseBits & (1<<ownerBits - 1)) }
func posOf(s uint64) uint64  { return s >> posShift }

// ahead is how far position a is ahead of b, modulo 2^50.
func ahead(a, b uint64) int64 { return int64((a-b)<<posShift) >> posShift }

// maxTries bounds the loops that retry a compare-and-swap. Each lost try means
// that another process made progress; so many in a row happen only when
// somebody writes nonsense into the region.
const maxTries = 1 << 20

func (q *Queue) stuck(doing string) error {
	return fmt.Errorf("%w: no progress while %s", isthmus.ErrCorrupt, doing)
}

// at is the slot of a position.
func (q *Queue) at(pos uint64) *slot { return &q.slots[q.index(pos)] }

func (q *Queue) index(pos uint64) uint64 {
	if q.mask != 0 {
		return pos & q.mask
	}
	return pos % uint64(len(q.slots))
}

// Both ends are shared lines that every send and receive would write. So each
// handle remembers how far it has come, in its own participant's line, and
// writes to the shared word only now and then, and as long as others are at it,
// too: then they would otherwise have to walk.
const lazy = 32

// reserve claims the slot at the tail for p (writing, or offered). It is
// ErrFull if a message is in the way. Only a thorough try passes over slots
// that others hold: the receivers that are just copying out will be done soon.
func (q *Queue) reserve(p phase, thorough bool) (*slot, uint64, error) {
	n := uint64(len(q.slots))
	me := q.self
	shared := q.control.tail.Load() & posMask
	t := me.tail & posMask
	if ahead(shared, t) > 0 {
		t = shared
	}
	// Mostly it is free. To try at once, and not to look first, saves fetching
	// the cache line twice.
	if sl := q.at(t); q.there(t) && sl.state.CompareAndSwap(word(t, 0, free), word(t, q.me, p)) {
		crash.Point("send.claimed")
		q.sentAt(me, shared, t, 0)
		return sl, t, nil
	}
	passed, walked, installs := uint64(0), uint64(0), 0
	for range maxTries {
		if !q.there(t) {
			var err error
			if t, err = q.install(t); err != nil {
				return nil, 0, err
			}
			if installs++; installs > 1024+2*len(q.segs) {
				return nil, 0, errLimit // all memory is just being given back
			}
			walked++
			continue
		}
		sl := q.at(t)
		s := sl.state.Load()
		d := ahead(posOf(s), t)
		switch {
		case d == 0 && phaseOf(s) == free:
			if sl.state.CompareAndSwap(s, word(t, q.me, p)) {
				crash.Point("send.claimed")
				q.sentAt(me, shared, t, walked)
				return sl, t, nil
			}
			walked++
			continue
		case d == 0:
			t = (t + 1) & posMask
			walked++
		case d > 0: // the slot is laps ahead, so the tail is at most a lap behind it
			t = (t + max(1, uint64(d)-n+1)) & posMask
			walked++
		case d == -int64(n) && phaseOf(s) == ready:
			return nil, 0, q.full()
		case d == -int64(n) && phaseOf(s) != free && phaseOf(s) != 0 && phaseOf(s) <= offered:
			if !thorough || passed == n {
				return nil, 0, q.full()
			}
			if sl.state.CompareAndSwap(s, word(t, ownerOf(s), phaseOf(s))) {
				crash.Point("send.passed")
				passed++
			}
		case !q.there(t): // its memory has gone since it was asked about
		default:
			return nil, 0, fmt.Errorf("%w: slot %d has state %#x at position %d", isthmus.ErrCorrupt, q.index(t), s, t)
		}
	}
	return nil, 0, q.stuck("looking for a free slot")
}

// full says that a message, or what others hold, is in the way.
func (q *Queue) full() error {
	if len(q.segs) > 0 {
		return errLimit
	}
	return isthmus.ErrFull
}

// sentAt notes that position t is taken.
func (q *Queue) sentAt(me *participant, shared, t, walked uint64) {
	next := (t + 1) & posMask
	me.tail = next
	if walked > 0 || t%lazy == 0 || q.crowd.Load() > 0 {
		q.noteCrowd(walked > 0)
		for range maxTries {
			if ahead(next, shared) <= 0 || q.control.tail.CompareAndSwap(shared, next) {
				break
			}
			shared = q.control.tail.Load()
		}
	}
}

// noteCrowd remembers for a while that others are at the same end.
func (q *Queue) noteCrowd(seen bool) {
	switch c := q.crowd.Load(); {
	case seen && c < 128:
		q.crowd.Store(256)
	case !seen && c > 0:
		q.crowd.Add(-1)
	}
}

// publish makes a message that this handle was writing Ready.
func (q *Queue) publish(sl *slot) error {
	race.Release()
	_, err := q.move(sl, writing, 0, ready, 0)
	return err
}

// release makes a slot that this handle has in phase p Free for its next lap.
func (q *Queue) release(sl *slot, p phase) error {
	pos, err := q.move(sl, p, 0, free, uint64(len(q.slots)))
	if err == nil {
		q.drained(pos)
	}
	return err
}

// move moves a slot that is this handle's in phase p. Its position may change
// meanwhile, since senders pass over it, but nothing else; it returns the last.
func (q *Queue) move(sl *slot, p phase, owner int, to phase, lap uint64) (pos uint64, err error) {
	for range maxTries {
		s := sl.state.Load()
		if phaseOf(s) != p || ownerOf(s) != q.me {
			return 0, fmt.Errorf("%w: somebody took a slot away that this process was holding", isthmus.ErrCorrupt)
		}
		if sl.state.CompareAndSwap(s, word((posOf(s)+lap)&posMask, owner, to)) {
			return posOf(s), nil
		}
	}
	return 0, q.stuck("giving up a slot")
}

// find is a Ready slot that a receiver may try to take.
type find struct {
	sl     *slot
	s      uint64 // its state
	hw     uint64 // the head that the search began with
	h      uint64 // no slot before this position is Ready, the found one aside
	others bool   // others have taken slots since this handle looked last
}

// patience is how many slots a call looks at, in all its searches together,
// before it says that somebody writes nonsense: then what it saw was overtaken
// for as long as it takes to look round the ring several times.
func (q *Queue) patience() int64 { return 16*maxTries + 4*int64(len(q.slots)) }

// goneSlot is what a slot that lost its memory while it was looked at costs of a
// call's patience: a whole segment was drained for that, so it is not often.
const goneSlot = 1 << 14

// search looks for the first Ready message, as far as left goes. It is ErrEmpty
// if there is none.
func (q *Queue) search(left *int64) (find, error) {
	for *left > 0 {
		hw := q.control.head.Load()
		found, again := q.scan(hw, left)
		if found.sl != nil {
			return found, nil
		}
		if !again && q.control.head.Load()>>posBits == hw>>posBits {
			return find{}, isthmus.ErrEmpty
		}
	}
	return find{}, q.stuck("looking for a message")
}

// scan looks at one lap of slots from the head on. It asks for another scan if
// what it saw was overtaken.
func (q *Queue) scan(hw uint64, left *int64) (_ find, again bool) {
	me := q.self
	start := hw & posMask
	if mine := me.head; mine>>posBits == hw>>posBits && ahead(mine&posMask, start) > 0 {
		start = mine & posMask
	}
	h := start // slots from h to pos were skipped: they may become Ready
	for pos := start; ahead(pos, start) < int64(len(q.slots)); pos = (pos + 1) & posMask {
		if *left--; *left < 0 {
			return find{}, true
		}
		if next, ok := q.visible(pos); !ok {
			if next == pos { // nobody has sent here yet
				q.receivedUpTo(find{hw: hw, h: h})
				return find{}, false
			}
			if pos == h {
				h = next
			}
			pos = (next - 1) & posMask
			continue
		}
		sl := q.at(pos)
		s := sl.state.Load()
		d := ahead(posOf(s), pos)
		switch {
		case d == 0 && q.mayTake(s):
			if pos != h && q.overtaken(h, pos) {
				return find{}, true
			}
			return find{sl, s, hw, h, h != start}, false
		case s == 0 && len(q.segs) == 0: // nobody writes that: there is a hole in the file
			*left = 0
			return find{}, true
		case d < 0 || d == 0 && phaseOf(s) == free: // nobody has sent here yet
			if !q.there(pos) { // or its memory has gone since, and others have sent behind it
				pos = (pos - 1) & posMask
				*left -= goneSlot
				continue
			}
			q.receivedUpTo(find{hw: hw, h: h})
			return find{}, false
		case d == 0 && phaseOf(s) != claimed: // writing, or offered
		case pos == h:
			// No slot is more than two laps behind any other, however often
			// this one was passed over.
			h = (h + uint64(max(1, d-2*int64(len(q.slots))+1))) & posMask
			pos = (h - 1) & posMask
		}
	}
	q.receivedUpTo(find{hw: hw, h: h, others: true})
	return find{}, h != start
}

// surelyEmpty tells at a glance, in the common case, what search would find: that
// nobody has sent to the slot at the head yet.
func (q *Queue) surelyEmpty() bool {
	hw, mine := q.control.head.Load(), q.self.head
	if mine>>posBits != hw>>posBits || ahead(mine, hw) < 0 {
		mine = hw
	}
	h := mine & posMask
	return q.there(h) && q.at(h).state.Load() == word(h, 0, free) && q.control.head.Load()>>posBits == hw>>posBits
}

// claim takes the first Ready message, and holds it. It is ErrEmpty if there is
// none.
func (q *Queue) claim() (*slot, error) {
	for left := q.patience(); ; {
		found, err := q.search(&left)
		if err != nil {
			return nil, err
		}
		if !found.sl.state.CompareAndSwap(found.s, word(posOf(found.s), q.me, claimed)) {
			continue
		}
		crash.Point("receive.claimed")
		race.Acquire()
		q.took(found)
		return found.sl, nil
	}
}

// took notes that the found slot is taken.
func (q *Queue) took(found find) {
	if pos := posOf(found.s); pos == found.h {
		found.h = (pos + 1) & posMask
	}
	q.receivedUpTo(found)
}

// receivedUpTo notes that no slot before f.h is Ready, as of the head f.hw. An
// epoch that has changed since makes the note void.
func (q *Queue) receivedUpTo(f find) {
	me := q.self
	next := f.hw&^posMask | f.h
	if me.head == next {
		return
	}
	me.head = next
	if next != f.hw && (f.others || f.h%lazy == 0 || q.crowd.Load() > 0) {
		q.noteCrowd(f.others)
		q.control.head.CompareAndSwap(f.hw, next)
	}
}

// mayTake tells whether a slot in state s holds a message.
func (q *Queue) mayTake(s uint64) bool {
	return phaseOf(s) == ready && (ownerOf(s) == 0 || ownerOf(s) >= again)
}

// cameBack is the owner's place of the Ready word of a message that so many
// receivers had.
func cameBack(attempts uint16) int { return again | int(attempts)&(again-1) }

// overtaken tells whether a slot from h to end is Ready now.
func (q *Queue) overtaken(h, end uint64) bool {
	for pos := h; ahead(pos, end) < 0; pos = (pos + 1) & posMask {
		if next, ok := q.visible(pos); !ok { // to look would give its memory back to it
			if next == pos {
				return false
			}
			pos = (next - 1) & posMask
			continue
		}
		if s := q.at(pos).state.Load(); posOf(s) == pos && q.mayTake(s) {
			return true
		}
	}
	return false
}

// goBack moves the head back to pos, if it is further on, and its epoch on.
func (q *Queue) goBack(pos uint64) {
	for range maxTries {
		hw := q.control.head.Load()
		to := hw & posMask
		if ahead(to, pos) > 0 {
			to = pos
		}
		if (hw>>posBits+1)%(epochs/2) == 0 {
			q.renewHeads(hw)
		}
		if q.control.head.CompareAndSwap(hw, (hw>>posBits+1)<<posBits|to) {
			return
		}
	}
}

// epochs is how many there are before they begin again.
const epochs = 1 << (64 - posBits)

// renewHeads makes every handle's own head what the shared one is. A handle that
// has not looked for so long that an epoch came again would take its note for a
// new one, and start behind a message that came back. Half-way round is early
// enough, unless a handle was stopped for all that time while it made the note.
func (q *Queue) renewHeads(hw uint64) {
	for i := range q.parts {
		atomic.StoreUint64(&q.parts[i].head, hw)
	}
}

// more tells whether there is a message to receive.
func (q *Queue) more() bool {
	if q.surelyEmpty() {
		return false
	}
	left := q.patience()
	_, err := q.search(&left)
	return err == nil
}
