package wait

import (
	"math"
	"math/bits"
	"sync/atomic"

	"github.com/isthmus-ipc/isthmus/internal/crash"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Bell is the shared half of waiting: who sleeps for an event, and where to
// wake each. It is two arrays in shared memory, with a place for each
// participant, and a count:
//
//	bits   one bit a participant: set while any of its goroutines is armed
//	cells  one futex a participant, which the kernel puts it to sleep on
//	armed  how often anybody fell asleep, or was about to
//
// The bits only say where to look. What is true is in the cell's word, {number:
// 30 bits, state: 2 bits}:
//
//	awake(k)   the participant looks for itself before it sleeps
//	asleep(k)  it sleeps, or is about to, as long as the word stays asleep(k)
//	waking(k)  somebody has chosen it, and is about to wake it
//
//	who     moves                             after a death, or a stop, there
//	waiter  arms     any(k)    → asleep(k), then sets its bit, then counts
//	                                          a bit too many: repair forgets it
//	waiter  leaves   clears its bit, then asleep(k) → awake(k)
//	                                          the same
//	ringer  chooses  asleep(k) → waking(k+1)  the next ringer helps
//	ringer  wakes    futex_wake, then waking(k+1) → awake(k+1)
//	                                          a wake-up too many
//	repair  rouses   any(k)    → same(k+1), futex_wake
//	                                          the next one begins again
//
// Who makes the event happen rings:
//
//	publish; load the bits; for each that is set: choose, wake; one is enough
//
// Who waits for it:
//
//	look; arm; look again; futex_wait while the word is as it was armed
//
// Publishing and arming are both sequentially consistent read-modify-writes, so
// one of the two sees the other (Dekker's argument): either the waiter's second
// look finds the event, or the ringer finds it asleep. A ringer passes by who is
// awake: that one has been woken, or is about to look, and what it then does not
// need it rings on for. So nobody makes a system call for a waiter that was woken.
//
// The count spares ringers the search. Who has found nobody asleep remembers what
// the count was before it searched: as long as it is the same nobody has fallen
// asleep since. (Those who were woken but have not run yet have their bits set.)
//
// A ringer that meets a cell that is waking does the other's work as well as its
// own: that one may be stopped, or dead. So a process that is stopped between
// two instructions of a ring holds up nobody for longer than to the next ring.
// A death there is seen by the survivors, and whoever repairs rouses everybody.
type Bell struct {
	bits  []atomic.Uint64
	cells []Cell
	armed *atomic.Uint64
	// 1 + the count before the last search that found nobody. It is this handle's.
	none atomic.Uint64
}

// Cell is one participant's futex, on a cache line of its own.
type Cell struct {
	word atomic.Uint32
	_    [60]byte
}

// The states of a cell's word.
const (
	awake = iota
	asleep
	waking

	stateMask = 3
	nextCell  = 4 // adds one to the number
)

// Init makes a bell of its parts in shared memory: a bit and a cell for each of
// len(cells) participants, and the count.
func (b *Bell) Init(bits []atomic.Uint64, cells []Cell, armed *atomic.Uint64) {
	b.bits, b.cells, b.armed = bits, cells, armed
}

// BellWords is how many words of bits n participants need.
func BellWords(n int) int { return (n + 63) / 64 }

// Waiting tells whether participant i sleeps, or is about to.
func (b *Bell) Waiting(i int) bool { return b.bits[i/64].Load()&(1<<(i%64)) != 0 }

// Quiet tells whether nobody can be asleep: then there is no need to ring.
func (b *Bell) Quiet() bool { return b.armed.Load()+1 == b.none.Load() }

// Ring wakes one of the participants that sleep, if there is one. Successive
// values of turn spread the wake-ups over them.
//
// The one that is chosen may not sleep yet, or may have been stopped in its
// sleep (then it is not asleep for the kernel). So if the kernel finds nobody to
// wake, the next one is chosen, too.
func (b *Bell) Ring(turn uint64) {
	count := b.armed.Load()
	if count+1 == b.none.Load() {
		return
	}
	n := len(b.bits)
	for k := range n {
		i := k
		if n > 1 {
			i = int((turn>>6 + uint64(k)) % uint64(n))
		}
		first := int(turn % 64)
		for set := bits.RotateLeft64(b.bits[i].Load(), -first); set != 0; set &= set - 1 {
			at := (bits.TrailingZeros64(set) + first) % 64
			if b.ring(i*64 + at) {
				return
			}
		}
	}
	b.none.Store(count + 1)
}

// RingEach wakes every participant that sleeps.
func (b *Bell) RingEach() {
	count := b.armed.Load()
	if count+1 == b.none.Load() {
		return
	}
	for i := range b.bits {
		for set := b.bits[i].Load(); set != 0; set &= set - 1 {
			b.ring(i*64 + bits.TrailingZeros64(set))
		}
	}
	b.none.Store(count + 1)
}

// RingTo wakes participant i if it sleeps. It tells whether i was waiting: if so
// it looks from now on, if not it had looked for the last time.
func (b *Bell) RingTo(i int) bool {
	waiting := b.Waiting(i)
	if waiting {
		b.ring(i)
	}
	return waiting
}

// maxMoves bounds how often a cell may change while somebody wants to move it.
// Each change is a waiter's that arms, or a ringer's that wakes it; so many in a
// row are a scribbler's.
const maxMoves = 1 << 10

// ring chooses participant i, if it is asleep, and wakes it. It tells whether
// this call has woken somebody.
func (b *Bell) ring(i int) bool {
	if i >= len(b.cells) { // only a scribbler sets such a bit
		b.clear(i)
		return false
	}
	c := &b.cells[i].word
	for range maxMoves {
		switch v := c.Load(); v & stateMask {
		case asleep:
			to := v - asleep + waking + nextCell
			if !c.CompareAndSwap(v, to) {
				continue
			}
			crash.Point("ring.chosen")
			return b.wake(i, to)
		case waking: // another's choice, for another event
			b.wake(i, v)
			return false
		default:
			return false
		}
	}
	return false
}

// wake wakes who was chosen with v, and tells whether the kernel found anybody.
func (b *Bell) wake(i int, v uint32) bool {
	woken := sys.Wake(addr(&b.cells[i].word), math.MaxInt32) > 0
	crash.Point("ring.woken")
	b.cells[i].word.CompareAndSwap(v, v-waking+awake)
	return woken
}

// Rouse wakes all that sleep on cell i, whatever its state, and leaves that as
// it is: if this process dies or is stopped here nobody's wake-up is lost with it.
func (b *Bell) Rouse(i int) {
	b.cells[i].word.Add(nextCell)
	sys.Wake(addr(&b.cells[i].word), math.MaxInt32)
}

// arm makes cell i asleep, sets its bit, and returns the word to sleep on. The
// caller excludes leave.
func (b *Bell) arm(i int) (v uint32) {
	c := &b.cells[i].word
	for range maxMoves {
		old := c.Load()
		v = old&^stateMask | asleep
		if v == old || c.CompareAndSwap(old, v) {
			break
		}
	}
	crash.Point("wait.asleep")
	if !b.Waiting(i) {
		b.bits[i/64].Or(1 << (i % 64))
	}
	b.armed.Add(1)
	return v
}

// leave ends what arm began. The caller excludes arm.
func (b *Bell) leave(i int) {
	b.clear(i)
	c := &b.cells[i].word
	if v := c.Load(); v&stateMask == asleep {
		c.CompareAndSwap(v, v-asleep+awake)
	}
}

func (b *Bell) clear(i int) { b.bits[i/64].And(^(uint64(1) << (i % 64))) }

// Forget makes participant i, who is dead or has left, awake.
func (b *Bell) Forget(i int) {
	b.clear(i)
	b.cells[i].word.And(^uint32(stateMask))
}
