package ring

import (
	"fmt"
	"sync"
	"sync/atomic"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/crash"
)

// The arena holds the payloads that do not fit into a slot. It is divided into
// units; a message has a run of them. One word a unit says whose it is:
//
//	0                          free
//	{loan: 1, participant: 16} a sender fills it, or waits to send it
//	{slot: 34, check: 28}      the message in that slot has it, as long as the
//	                           slot holds a message whose id has that check
//
//	0, or a message's that is gone → loan    by compare-and-swap
//	loan → slot                              by the owner, once the slot is Writing and has the id
//	loan → 0                                 by the owner, or by who repairs after its death
//
// So a receiver does nothing to give a payload's memory back: with the slot's
// state the units become free, all at once, and a death cannot leak them. The
// check can be the same by chance (2^-28): then a unit looks taken for as long
// as that other message is in the slot, and no harm is done.
const (
	unitLoan = 1 << 63
	unitSlot = 1 << 62

	checkBits = 28
	checkMask = 1<<checkBits - 1
)

func loanWord(owner int) uint64 { return unitLoan | uint64(owner) }

func slotWord(slot uint64, id uint64) uint64 { return unitSlot | slot<<checkBits | check(id) }

// check mixes an id down to 28 bits.
func check(id uint64) uint64 { return (id * 0x9e3779b97f4a7c15) >> (64 - checkBits) }

// run is a row of units.
type run struct{ first, count uint32 }

func (q *Queue) unitsFor(size int) uint64 { return (uint64(size) + q.shape.unit - 1) / q.shape.unit }

// bytes is the memory of a run, of which the message has size bytes.
func (q *Queue) bytes(r run, size uint32) ([]byte, error) {
	first, count := uint64(r.first), uint64(r.count)
	if first+count > uint64(len(q.units)) || uint64(size) > count*q.shape.unit {
		return nil, fmt.Errorf("%w: a message of %d bytes claims units %d to %d of %d", isthmus.ErrCorrupt, size, first, first+count, len(q.units))
	}
	at := first * q.shape.unit
	return q.arena[at : at+uint64(size) : at+uint64(size)], nil
}

// borrow takes a run for size bytes. It is ErrFull if there is none.
func (q *Queue) borrow(size int) (run, error) {
	need, total := q.unitsFor(size), uint64(len(q.units))
	at := q.hint.Load() % total
	for seen := uint64(0); seen < total+need; {
		if at+need > total { // a run does not go round the end
			seen += total - at
			at = 0
			continue
		}
		if !q.chunkReady(at) {
			next := (at/chunkUnits + 1) * chunkUnits
			seen += next - at
			at = next
			continue
		}
		if !q.affords(at, need) { // it would reach into a chunk that has no memory
			next := ((at+need-1)/chunkUnits + 1) * chunkUnits
			seen += next - at
			at = next
			continue
		}
		r, next := q.takeRun(at, need)
		if next == 0 {
			q.hint.Store((at + need) % total)
			return r, q.commitTaken(r)
		}
		seen += next - at
		at = next
	}
	if len(q.chunks) > 0 {
		return q.expand(need)
	}
	return run{}, isthmus.ErrFull
}

// takeRun takes units from at on. If it cannot it returns where to go on.
func (q *Queue) takeRun(at, need uint64) (r run, next uint64) {
	// Looking before taking: a run that is taken in part, and given back, may
	// have made another sender believe that there is no room.
	for n := range need {
		if !q.wordsReady(at+n) || q.unitInUse(q.units[at+n].Load()) {
			return run{}, at + n + 1
		}
	}
	n := uint64(0)
	for n < need && q.takeUnit(&q.units[at+n]) {
		n++
	}
	r = run{uint32(at), uint32(n)}
	if n < need {
		q.giveBack(r)
		if n > 0 {
			q.ringRoom(at)
		}
		return run{}, at + n + 1
	}
	return r, 0
}

func (q *Queue) wordsReady(unit uint64) bool {
	return len(q.chunks) == 0 || q.chunks[unit/chunkUnits].Load()&chunkWords != 0
}

func (q *Queue) takeUnit(u *atomic.Uint64) bool {
	w := u.Load()
	if q.unitInUse(w) {
		return false
	}
	if !u.CompareAndSwap(w, loanWord(q.me)) {
		return false
	}
	crash.Point("loan.unit")
	return true
}

// unitInUse tells whether a unit with word w still belongs to somebody.
func (q *Queue) unitInUse(w uint64) bool {
	if w&unitSlot == 0 {
		return w != 0
	}
	i := (w &^ unitSlot) >> checkBits
	if i >= uint64(len(q.slots)) {
		return false // only a scribbler writes that
	}
	if len(q.segs) > 0 && phaseOf(q.segs[i/q.shape.segment].Load()) != segReady {
		return false
	}
	sl := &q.slots[i]
	return check(loadID(sl)) == w&checkMask && phaseOf(sl.state.Load()) != free
}

// giveBack frees a run that this handle borrowed.
func (q *Queue) giveBack(r run) {
	for i := range uint64(r.count) {
		q.units[uint64(r.first)+i].CompareAndSwap(loanWord(q.me), 0)
	}
}

// bind gives a borrowed run to the message in a slot that this handle is writing.
func (q *Queue) bind(r run, slot, id uint64) {
	for i := range uint64(r.count) {
		q.units[uint64(r.first)+i].Store(slotWord(slot, id))
		crash.Point("send.bound")
	}
}

// unbind frees the units of a message that is gone. It only helps: they are free
// by the slot's state anyway, but a chunk whose words say so is quickly found.
func (q *Queue) unbind(r run, slot, id uint64) {
	if uint64(r.first)+uint64(r.count) > uint64(len(q.units)) {
		return
	}
	for i := range uint64(r.count) {
		q.units[uint64(r.first)+i].CompareAndSwap(slotWord(slot, id), 0)
	}
}

// freeLoans frees what participant d had borrowed.
func (q *Queue) freeLoans(d int) {
	w := loanWord(d)
	for i := 0; i < len(q.units); i++ {
		if !q.wordsReady(uint64(i)) {
			i += chunkUnits - 1
			continue
		}
		if q.units[i].Load() == w {
			q.units[i].CompareAndSwap(w, 0)
		}
	}
}

// loanPool keeps the small private buffers of loans that fit into a slot.
type loanPool struct {
	mu   sync.Mutex
	free []*[inlineBytes]byte
}

func (p *loanPool) get() *[inlineBytes]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		return b
	}
	return new([inlineBytes]byte)
}

func (p *loanPool) put(b *[inlineBytes]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, b)
}
