package ring

import (
	"fmt"
	"iter"
	"math/bits"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/crash"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// An unbounded queue is a ring like any other, only so large that it is never
// full: its file is as long as its byte limit demands, but most of it has no
// memory behind it. The slots come in segments, and the arena in chunks; each
// gets memory when it is first needed and gives it back when it is drained.
//
// One word a segment, {tag: 50 bits, owner: 11, state: 3}. The tag is 1 + the
// number of the segment in the endless row of positions, of which those with
// the same remainder share a place in the file; T is how many places there are.
//
//	0, or hole(v−T)  no memory
//	ready(v)         the slots for positions v·k … v·k+k−1 are there
//	leaving(v, o)    every message is gone; o gives the memory back
//	hole(v)          the memory is back
//
//	who                        moves                               after a death there
//	sender       installs      0, hole(v−T)    → ready(v)          anyone installs it
//	sender       passes over   ready(v−T)      → ready(v)
//	sender       skips         leaving(v−T, o) → leaving(v, o)
//	who drains   retires       ready(v)        → leaving(v, me)    repair: ends it
//	             punches       leaving(v, me)  → hole(v)
//	             punches again hole(v) → leaving(v, me) → hole(v)  repair: ends it
//
// To install is to announce it, to load the word, to reserve the memory, to make
// each slot 0 → Free(p), and to move the word. Several may be at it at once: each
// step can be repeated, and does nothing when it was done.
//
// The slots' states are the truth, and the word says only whether they are
// there. When the tail comes round to a segment in which somebody still holds a
// slot, the segment is passed over in one move, and its slots one by one, as
// reserve passes over those of any ring. Until it comes to them they are where
// they were: so a receiver looks at the slots of ready(v) also for messages of v−T.
//
// A slot must not be Free twice at one position (turn.go): who had decided on
// the first time could take it the second time, in a segment that has gone. And a
// slot must not lose its state to a punch that was decided on before. So:
//
//	Nobody punches a place at which somebody is installing. Who installs
//	announces the place in its participant's line before it loads the word; who
//	punches looks at all those lines after it moved the word, or for the first
//	time before that, when an installer that sees hole(v−T) cannot come any more.
//	Who is done installing retires what others could not.
//
//	Only the owner punches, or who repairs after its death: a late punch would
//	destroy what came after. If it was stopped there, and the tail comes round
//	to the place, that segment is skipped: it has been and gone, and never was.
//
// A chunk has two bits: its unit words have memory (for ever), and its units
// have. Whoever borrows units makes sure of the latter when it has them in
// hand; whoever takes a chunk's memory back has all its units in hand.
const (
	segHole phase = 1 + iota
	segReady
	segLeaving

	minSegment  = 256     // slots
	maxSegments = 1 << 14 // unless they would be huge
	chunkUnits  = pageSize / 8

	chunkWords  = 1 << 0
	chunkMemory = 1 << 1
)

// errLimit is the ErrFull of an unbounded queue.
var errLimit = fmt.Errorf("%w: the byte limit (Memory, at creation) is reached", isthmus.ErrFull)

func isFull(err error) bool { return err == isthmus.ErrFull || err == errLimit }

// grow lays out an unbounded queue of at most limit bytes, or a little more, if
// that is less than one message takes: memory comes in chunks.
func (s *shape) grow(limit uint64) {
	if s.maxMessage > inlineBytes {
		s.unit = 1 << 10
		if s.maxMessage > 1<<20 {
			s.unit = pageSize
		}
		chunks := (s.maxMessage + s.unit*chunkUnits - 1) / (s.unit * chunkUnits)
		limit = max(limit, chunks*(s.unit*chunkUnits+pageSize)+4*minSegment*slotSize)
		s.units = roundUp(limit/s.unit+1, chunkUnits)
	}
	s.mode, s.limit = modeUnbounded, limit
	s.segment = max(minSegment, ceilPow2((limit/slotSize+maxSegments-1)/maxSegments))
	segments := max(4, ceilPow2(limit/slotSize/s.segment+1))
	s.slots = segments * s.segment
}

func ceilPow2(n uint64) uint64 {
	if n <= 1 {
		return 1
	}
	return 1 << bits.Len64(n-1)
}

// there tells whether the slot of a position has memory.
func (q *Queue) there(pos uint64) bool {
	if len(q.segs) == 0 {
		return true
	}
	v := pos / q.shape.segment
	return q.segs[v&q.segMask].Load() == word(v+1, 0, segReady)
}

// visible tells whether the slot of a position has memory in which there may be
// something for that position, as a receiver sees it. If not, next is where to
// look next; it is pos itself if nobody has sent there yet.
func (q *Queue) visible(pos uint64) (next uint64, ok bool) {
	if len(q.segs) == 0 {
		return pos, true
	}
	v := pos / q.shape.segment
	s := q.segs[v&q.segMask].Load()
	switch d := ahead(posOf(s), v+1); {
	case phaseOf(s) == segReady && (d == 0 || d == int64(len(q.segs))):
		return pos, true // a lap ahead it has been passed over, and holds what somebody held on to
	case d >= 0:
		return (v + 1) * q.shape.segment & posMask, false
	}
	return pos, false
}

// install gives the segment of position t memory. It returns where to look for
// the tail if t is far behind it.
func (q *Queue) install(t uint64) (uint64, error) {
	k := q.shape.segment
	v := t / k
	seg := &q.segs[v&q.segMask]
	s := seg.Load()
	switch {
	case ahead(posOf(s), v+1) > 0:
		return (posOf(s) - 1) * k & posMask, nil
	case posOf(s) == v+1 && phaseOf(s) == segReady:
		return t, nil
	case posOf(s) == v+1: // it has been and gone
		return (v + 1) * k & posMask, nil
	case s == q.lapBefore(v, segReady):
		if seg.CompareAndSwap(s, word(v+1, 0, segReady)) {
			crash.Point("grow.passed")
		}
		return t, nil
	case s == word(posOf(q.lapBefore(v, 0)), ownerOf(s), segLeaving):
		if seg.CompareAndSwap(s, word(v+1, ownerOf(s), segLeaving)) {
			crash.Point("grow.skipped")
		}
		return t, nil
	case s != 0 && s != q.lapBefore(v, segHole):
		return t, errLimit // only a scribbler writes that
	}
	return t, q.installHere(v)
}

// lapBefore is the word of the segment that had the place of segment v before.
func (q *Queue) lapBefore(v uint64, state phase) uint64 {
	return word((v+1-uint64(len(q.segs)))&posMask, 0, state)
}

// installHere announces that this handle installs segment v, and does it if
// nobody else did. The lock lets one goroutine of a handle announce at a time.
func (q *Queue) installHere(v uint64) error {
	q.installs.Lock()
	defer q.installs.Unlock()
	at := v & q.segMask
	mine := &q.parts[q.me].growing
	defer func() {
		mine.Store(0)
		if s := q.segs[at].Load(); phaseOf(s) == segReady {
			q.drained((posOf(s) - 1) * q.shape.segment) // others could not, because of the announcement
		}
	}()
	mine.Store(at + 1)
	crash.Point("grow.announced")
	return q.installNow(v)
}

func (q *Queue) installNow(v uint64) error {
	k := q.shape.segment
	at := v & q.segMask
	seg := &q.segs[at]
	s := seg.Load()
	if s != 0 && s != q.lapBefore(v, segHole) {
		return nil // it is not what it was: the caller looks again
	}
	if err := q.commit1(int64(q.shape.slotsAt+at*k*slotSize), int64(k*slotSize)); err != nil {
		return err
	}
	crash.Point("grow.reserved")
	for i := range k {
		sl := &q.slots[at*k+i]
		for range maxTries {
			old := sl.state.Load()
			if old != 0 && (phaseOf(old) != free || ahead(posOf(old), v*k+i) >= 0) {
				break
			}
			sl.state.CompareAndSwap(old, word(v*k+i, 0, free))
		}
	}
	crash.Point("grow.filled")
	seg.CompareAndSwap(s, word(v+1, 0, segReady))
	crash.Point("grow.ready")
	return nil
}

// installing tells whether somebody has announced that it installs a segment at
// a place.
func (q *Queue) installing(at uint64) bool {
	for i := range q.parts {
		if q.parts[i].growing.Load() == at+1 {
			return true
		}
	}
	return false
}

// commit1 puts memory behind a part of the file, within the limit.
func (q *Queue) commit1(off, n int64) error {
	if !q.within(n) {
		return errLimit
	}
	err := sys.Reserve(q.r.File(), off, n)
	if sys.IsNoSpace(err) {
		return fmt.Errorf("%w: the file system is full (%w): receive some, or set %s to a larger one", region.ErrNoSpace, err, region.EnvDir)
	}
	return err
}

// drained is called when the slot of a position became Free for the next lap.
func (q *Queue) drained(pos uint64) {
	if len(q.segs) == 0 || !q.there(pos) {
		return // others have drained it meanwhile: to look would give its memory back to it
	}
	k := q.shape.segment
	v := pos / k
	last := v*k + k - 1
	if q.at(last).state.Load() != word((last+uint64(len(q.slots)))&posMask, 0, free) {
		return
	}
	// The straight paths have not entered, and Close must not free this handle's
	// place as long as it has memory to give back.
	if q.enter() == nil {
		q.retire(v)
		q.left()
	}
}

// retire gives a segment's memory back if all its messages are gone.
func (q *Queue) retire(v uint64) {
	k, n := q.shape.segment, uint64(len(q.slots))
	seg := &q.segs[v&q.segMask]
	if seg.Load() != word(v+1, 0, segReady) {
		return
	}
	for p := v * k; p < v*k+k; p++ {
		if q.at(p).state.Load() != word((p+n)&posMask, 0, free) {
			return
		}
	}
	// Who has not announced itself yet will find no hole(v−T).
	if q.installing(v&q.segMask) || !seg.CompareAndSwap(word(v+1, 0, segReady), word(v+1, q.me, segLeaving)) {
		return
	}
	crash.Point("shrink.leaving")
	q.punchSegment(v)
	q.punchAgain(v - 1)
	q.ringRoom(v)
}

// punchAgain gives back what has come back of a segment since its memory went:
// to look at a slot that is not there any more puts a page behind it, and who
// asked whether it is there may look a moment too late.
func (q *Queue) punchAgain(v uint64) {
	seg := &q.segs[v&q.segMask]
	if seg.CompareAndSwap(word(v+1, 0, segHole), word(v+1, q.me, segLeaving)) {
		crash.Point("shrink.again")
		q.punchAlone(v)
	}
}

// punchAlone is punchSegment where somebody may have begun to install the next
// segment at the place: then the memory stays.
func (q *Queue) punchAlone(v uint64) {
	if at := v & q.segMask; q.installing(at) {
		q.emptied(at)
		return
	}
	q.punchSegment(v)
}

// punchSegment ends what retire began.
func (q *Queue) punchSegment(v uint64) {
	bytes := q.shape.segment * slotSize
	at := v & q.segMask
	_ = sys.Punch(q.r.File(), int64(q.shape.slotsAt+at*bytes), int64(bytes))
	crash.Point("shrink.punched")
	q.emptied(at)
}

// emptied ends a segment's leaving. Senders may have skipped the place meanwhile,
// and nobody else moves a leaving word.
func (q *Queue) emptied(at uint64) {
	for range maxTries {
		s := q.segs[at].Load()
		if phaseOf(s) != segLeaving || q.segs[at].CompareAndSwap(s, word(posOf(s), 0, segHole)) {
			return
		}
	}
}

// repairSegments ends what participant d had begun, and retires what its death
// has emptied.
func (q *Queue) repairSegments(d int) {
	q.parts[d].growing.Store(0)
	for i := range q.segs {
		s := q.segs[i].Load()
		switch {
		case phaseOf(s) == segLeaving && ownerOf(s) == d:
			q.punchAlone(posOf(s) - 1)
		case phaseOf(s) == segReady:
			q.retire(posOf(s) - 1)
		}
	}
}

// spans are the slots that are there, in the order of the file.
func (q *Queue) spans() iter.Seq2[uint64, []slot] {
	return func(yield func(uint64, []slot) bool) {
		if len(q.segs) == 0 {
			yield(0, q.slots)
			return
		}
		k := q.shape.segment
		for i := range uint64(len(q.segs)) {
			if phaseOf(q.segs[i].Load()) == segReady && !yield(i*k, q.slots[i*k:(i+1)*k]) {
				return
			}
		}
	}
}

// The chunks.

func (q *Queue) chunkReady(unit uint64) bool {
	return len(q.chunks) == 0 || q.chunks[unit/chunkUnits].Load()&chunkMemory != 0
}

// commitWords gives a chunk's unit words memory.
func (q *Queue) commitWords(c uint64) error {
	if q.chunks[c].Load()&chunkWords != 0 {
		return nil
	}
	if err := q.commit1(int64(q.shape.unitsAt+c*pageSize), pageSize); err != nil {
		return err
	}
	q.chunks[c].Or(chunkWords)
	return nil
}

// commitChunk gives a chunk memory, of which the caller has units in hand.
func (q *Queue) commitChunk(c uint64) error {
	s := q.shape
	if q.chunks[c].Load()&chunkMemory != 0 {
		return nil
	}
	bytes := chunkUnits * s.unit
	err := q.commit1(int64(s.arenaAt+c*bytes), int64(bytes))
	if err == errLimit && q.othersIn(c) {
		// One of them may have been stopped when it had just done this: then the
		// memory is there, and counts already.
		err = sys.Reserve(q.r.File(), int64(s.arenaAt+c*bytes), int64(bytes))
	}
	if err != nil {
		return err
	}
	crash.Point("grow.chunk")
	q.chunks[c].Or(chunkMemory)
	return nil
}

// othersIn tells whether another handle has units of a chunk on loan.
func (q *Queue) othersIn(c uint64) bool {
	for i := range uint64(chunkUnits) {
		if w := q.units[c*chunkUnits+i].Load(); w&unitLoan != 0 && w != loanWord(q.me) {
			return true
		}
	}
	return false
}

// commitRun makes sure of the memory of a run that this handle has in hand.
func (q *Queue) commitRun(r run) error {
	if len(q.chunks) == 0 {
		return nil
	}
	for c := uint64(r.first) / chunkUnits; c <= (uint64(r.first)+uint64(r.count)-1)/chunkUnits; c++ {
		if err := q.commitChunk(c); err != nil {
			return err
		}
	}
	return nil
}

// expand makes room for a run of need units in chunks that have no memory yet.
func (q *Queue) expand(need uint64) (run, error) {
	chunks := (need + chunkUnits - 1) / chunkUnits
	for c := uint64(0); c+chunks <= uint64(len(q.chunks)); c++ {
		if chunks == 1 && q.chunks[c].Load()&chunkMemory != 0 {
			continue
		}
		for i := c; i < c+chunks; i++ {
			if err := q.commitWords(i); err != nil {
				return run{}, err
			}
		}
		// Not only at its beginning: somebody may have been stopped who took units
		// there, and has not yet said that the chunk has memory.
		for at := c * chunkUnits; at+need <= (c+chunks)*chunkUnits && q.affords(at, need); {
			r, next := q.takeRun(at, need)
			if next == 0 {
				return r, q.commitTaken(r)
			}
			at = next
		}
	}
	return run{}, errLimit
}

// affords tells whether the limit leaves memory for all that a run lacks. To ask
// before the units are taken keeps those who wait for memory from waking each
// other all the time, each with the units that it had to give back.
func (q *Queue) affords(at, need uint64) bool {
	if len(q.chunks) == 0 {
		return true
	}
	lacks := uint64(0)
	for c := at / chunkUnits; c <= (at+need-1)/chunkUnits; c++ {
		if q.chunks[c].Load()&chunkMemory == 0 && !(q.wordsReady(c*chunkUnits) && q.othersIn(c)) {
			lacks += chunkUnits * q.shape.unit
		}
	}
	return lacks == 0 || q.within(int64(lacks))
}

// within tells whether n more bytes are within the limit.
func (q *Queue) within(n int64) bool { return uint64(q.r.Blocks()+n) <= q.shape.limit+q.shape.slotsAt }

// commitTaken is commitRun for a run that was just taken: without memory it is
// given back, and whoever found it taken is told.
func (q *Queue) commitTaken(r run) error {
	err := q.commitRun(r)
	if err != nil {
		q.giveBack(r)
		q.ringRoom(0)
	}
	return err
}

// shrink gives the memory of all chunks but the first back that have no
// message, when there is nothing to receive.
func (q *Queue) shrink() {
	for c := uint64(1); c < uint64(len(q.chunks)); c++ {
		if q.chunks[c].Load()&chunkMemory == 0 {
			continue
		}
		r, next := q.takeRun(c*chunkUnits, chunkUnits)
		if next != 0 {
			continue
		}
		q.chunks[c].And(^uint32(chunkMemory))
		crash.Point("shrink.chunk")
		bytes := chunkUnits * q.shape.unit
		_ = sys.Punch(q.r.File(), int64(q.shape.arenaAt+c*bytes), int64(bytes))
		q.giveBack(r)
		q.ringRoom(0) // a sender may have found the units taken, or the limit reached
	}
}

// repairChunks deals with chunks whose memory participant d was just giving
// back, or just taking: there may be some that no bit tells of. Who has all
// units in hand is alone there, and the memory goes; otherwise others may be
// taking it too, and it stays.
func (q *Queue) repairChunks(d int) {
	bytes := chunkUnits * q.shape.unit
	for c := range uint64(len(q.chunks)) {
		if q.chunks[c].Load() != chunkWords {
			continue
		}
		mine := 0
		for i := range uint64(chunkUnits) {
			if q.units[c*chunkUnits+i].Load() == loanWord(d) {
				mine++
			}
		}
		at := int64(q.shape.arenaAt + c*bytes)
		switch {
		case mine == chunkUnits:
			_ = sys.Punch(q.r.File(), at, int64(bytes))
		case mine > 0 && sys.Reserve(q.r.File(), at, int64(bytes)) == nil:
			q.chunks[c].Or(chunkMemory)
		}
	}
}
