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
// participant:
//
//	bits   one bit a participant: set while it sleeps, or is about to
//	cells  one futex a participant, which the kernel puts it to sleep on
//
// Who makes the event happen rings:
//
//	publish; load bits; for a bit that is set: clear it, add 1 to the cell, futex_wake
//
// Who waits for it:
//
//	look; load the cell; set the bit; look again; futex_wait on the cell's value
//
// Publishing and setting the bit are both sequentially consistent
// read-modify-writes, so one of the two sees the other (Dekker's argument):
// either the waiter's second look finds the event or the ringer finds the bit.
// A bit that the ringer has cleared costs the next ringer nothing: nobody
// makes a system call for a waiter who is already being woken.
//
// A ringer that dies between clearing the bit and the futex_wake, and a waiter
// that dies after it was chosen, swallow a wake-up. Whoever repairs after a
// death therefore rouses everybody, whatever the bits say.
type Bell struct {
	bits  []atomic.Uint64
	cells []Cell
}

// Cell is one participant's futex, on a cache line of its own.
type Cell struct {
	word atomic.Uint32
	_    [60]byte
}

// NewBell makes a bell of its arrays in shared memory: a bit and a cell for
// each of len(cells) participants.
func NewBell(bits []atomic.Uint64, cells []Cell) Bell { return Bell{bits, cells} }

// BellWords is how many words of bits n participants need.
func BellWords(n int) int { return (n + 63) / 64 }

// Waiting tells whether participant i sleeps.
func (b *Bell) Waiting(i int) bool { return b.bits[i/64].Load()&(1<<(i%64)) != 0 }

// Any tells whether anybody sleeps.
func (b *Bell) Any() bool {
	for i := range b.bits {
		if b.bits[i].Load() != 0 {
			return true
		}
	}
	return false
}

// maxLost bounds how often Ring tries to take a bit of one word and comes
// second. Each time another ringer woke somebody, unless a scribbler is at it.
const maxLost = 1 << 16

// Ring wakes one of the participants that sleep, if there is one. Successive
// values of turn spread the wake-ups over them.
//
// The one that is chosen may not sleep yet, or may have been stopped in its
// sleep (then it is not asleep for the kernel). So if the kernel finds nobody to
// wake, the next one is chosen, too.
func (b *Bell) Ring(turn uint64) {
	n := len(b.bits)
	for k := range n {
		i := k
		if n > 1 {
			i = int((turn>>6 + uint64(k)) % uint64(n))
		}
		for range maxLost {
			set := b.bits[i].Load()
			if set == 0 {
				break
			}
			r := bits.RotateLeft64(set, -int(turn%64))
			at := (bits.TrailingZeros64(r) + int(turn%64)) % 64
			if b.take(i, at) {
				return
			}
		}
	}
}

// RingEach wakes every participant that sleeps.
func (b *Bell) RingEach() {
	for i := range b.bits {
		for set := b.bits[i].Load(); set != 0; set &= set - 1 {
			b.take(i, bits.TrailingZeros64(set))
		}
	}
}

// RingTo wakes participant i if it sleeps.
func (b *Bell) RingTo(i int) {
	if b.Waiting(i) {
		b.take(i/64, i%64)
	}
}

// Rouse wakes participant i, whatever its bit says, and leaves the bit as it
// is: if this process dies or is stopped here nobody's wake-up is lost with it.
func (b *Bell) Rouse(i int) { b.wake(i) }

func (b *Bell) take(word, bit int) bool {
	i := word*64 + bit
	if i >= len(b.cells) { // only a scribbler sets such a bit
		b.bits[word].And(^(uint64(1) << bit))
		return false
	}
	if !b.clear(i) {
		return false
	}
	crash.Point("ring.chosen")
	return b.wake(i) > 0
}

// wake wakes all that sleep on cell i. They are of one participant, mostly one.
func (b *Bell) wake(i int) int {
	b.cells[i].word.Add(1)
	return sys.Wake(addr(&b.cells[i].word), math.MaxInt32)
}

func (b *Bell) set(i int) { b.bits[i/64].Or(1 << (i % 64)) }

// clear clears bit i and tells whether it was set.
func (b *Bell) clear(i int) bool { return b.bits[i/64].And(^(uint64(1)<<(i%64)))&(1<<(i%64)) != 0 }

// Forget clears the bit of participant i, who is dead or has left.
func (b *Bell) Forget(i int) { b.clear(i) }
