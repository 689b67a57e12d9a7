package model

import (
	"errors"
	"fmt"
)

// The segments of an unbounded queue, as in ring's grow.go. A place of the file
// has room for the slots of one segment; what has no memory is all zeros.

type segState uint8

const (
	segHole segState = 1 + iota // 0: it never had memory
	segReady
	segLeaving
)

// segment is a segment's word. The tag is 1 + its number.
type segment struct {
	tag   uint8
	owner uint8
	state segState
}

func (q *Queue) places() int { return q.Slots / max(1, q.Segment) }

// place is where segment v lies.
func (q *Queue) place(v uint8) uint8 { return v % uint8(q.places()) }

func (q *Queue) segmentOf(pos uint8) uint8 { return pos / uint8(q.Segment) }

// slotsAt are the slots at a place.
func (q *Queue) slotsAt(s *queueState, place uint8) []slot {
	return s.slots[int(place)*q.Segment : (int(place)+1)*q.Segment]
}

func (q *Queue) installing(s *queueState, actor int, place uint8) bool {
	return s.actors[actor].growing == place+1
}

// visible is what a receiver sees of the slot of a position.
func (q *Queue) visible(s *queueState, pos uint8) (next uint8, ok bool) {
	v := q.segmentOf(pos)
	w := s.segs[q.place(v)]
	d := ahead(w.tag, v+1)
	switch {
	case w.state == segReady && (d == 0 || d == q.places() && !q.Breaks.PassMoves):
		return pos, true
	case w.state != 0 && d >= 0:
		return (v + 1) * uint8(q.Segment), false
	}
	return pos, false
}

// standing is a slot's word, or what it would be if its segment had memory.
func (q *Queue) standing(s *queueState, i int) word {
	if q.Segment == 0 || s.segs[i/q.Segment].state == segReady {
		return s.slots[i].word
	}
	lap := 0
	if tag := s.segs[i/q.Segment].tag; tag != 0 {
		lap = int(tag-1)/q.places() + 1
	}
	return word{uint8(lap*q.Slots + i), 0, free}
}

// scanning is how a receiver goes on to the next slot.
func (t *turn) scanning() pc {
	if t.q.Segment > 0 {
		return seeNext
	}
	return loadNext
}

// look is how a sender goes on to the slot at the tail.
func (t *turn) look(what string) {
	if t.q.Segment > 0 {
		t.a().pc = seeSeg
	}
	t.out(what)
}

// see looks, for scan, whether the slot at pos is there, or is there still.
func (t *turn) see() {
	a := t.a()
	at := &a.at
	next, ok := t.q.visible(&t.s, at.pos)
	v := t.q.segmentOf(at.pos)
	there := t.s.segs[t.q.place(v)] == segment{v + 1, 0, segReady}
	if t.q.Breaks.RecheckLoosely {
		there = ok
	}
	switch {
	case a.pc == seeAgain && !there:
		a.pc = seeNext
		t.out("sees that the slot has gone")
	case a.pc == seeAgain, !ok && next == at.pos:
		at.cont = checkEmpty
		t.note(at.h, false, "comes to where nobody has sent")
	case ok:
		a.pc = loadNext
		t.out("sees a segment that is there")
	default:
		if at.pos == at.h {
			at.h = next
		}
		at.pos = next
		t.out("sees a segment that has gone")
	}
}

// segments is a step of install, or of drained.
func (t *turn) segments() {
	a := t.a()
	at := &a.at
	switch a.pc {
	case seeSeg:
		t.seeSegment()
	case announce:
		if t.q.Breaks.AnnounceLate && at.seg.tag == 0 && at.k == 0 {
			at.seg, at.k = t.s.segs[t.place()], 1
			t.out("loads the segment before it announces itself")
			return
		}
		a.growing, at.k = t.place()+1, 0
		if a.pc = installNow; t.q.Breaks.AnnounceLate {
			a.pc = t.mayInstall(at.seg)
		}
		t.out("announces that it installs")
	case installNow:
		at.seg = t.s.segs[t.place()]
		a.pc = t.mayInstall(at.seg)
		t.out("loads the segment")
	case fillSlot:
		p := t.q.segmentOf(at.t)*uint8(t.q.Segment) + at.k
		sl := t.at(p)
		t.own(sl.word, "makes a slot", func() {
			if sl.phase == 0 || sl.phase == free && sl.pos < p {
				*sl = slot{word: word{p, 0, free}}
				if w := t.s.segs[t.place()]; w.tag > t.q.segmentOf(at.t) {
					t.bad("position %d is Free for the second time", p)
					return
				}
			}
			if at.k++; int(at.k) == t.q.Segment {
				at.k, a.pc = 0, setReady
			}
			t.out("makes a slot")
		})
	case setReady:
		t.setReady()
	case unannounce:
		a.growing, at.seg = 0, segment{}
		if a.pc = seeSeg; t.q.Breaks.ForgetRetire {
			t.out("is done installing")
			return
		}
		at.sh = shrinker{pc: seeLast, place: t.place(), whatever: true}
		a.pc, at.cont = drain, seeSeg
		t.out("is done installing")
	case drain:
		t.drain()
	}
}

func (t *turn) place() uint8 { return t.q.place(t.q.segmentOf(t.a().at.t)) }

// seeSegment is there, and the beginning of install.
func (t *turn) seeSegment() {
	a := t.a()
	at := &a.at
	v := t.q.segmentOf(at.t)
	w := t.s.segs[t.place()]
	before := int(w.tag) == int(v+1)-t.q.places()
	switch {
	case w.tag > v+1:
		at.t, at.walked = (w.tag-1)*uint8(t.q.Segment), true
		t.out("goes on to a later segment")
	case w == segment{v + 1, 0, segReady}:
		a.pc = loadSlot
		t.out("sees that the segment is there")
	case w.tag == v+1:
		at.t, at.walked = (v+1)*uint8(t.q.Segment), true
		t.out("goes on to the next segment")
	case before && w.state == segReady:
		t.pass(v)
	case w.state == 0, before && w.state == segHole:
		a.pc = announce
		t.out("sees that the segment has no memory")
	case before && !t.q.Breaks.NeverSkip:
		t.s.segs[t.place()] = segment{v + 1, w.owner, segLeaving}
		t.out("skips a segment")
	default:
		t.full()
	}
}

// pass passes over the segment of the lap before.
func (t *turn) pass(v uint8) {
	q := t.q
	if q.Breaks.PassMoves {
		for i, sl := range q.slotsAt(&t.s, q.place(v)) {
			p := v*uint8(q.Segment) + uint8(i)
			switch {
			case sl.pos >= p:
			case sl.phase == ready:
				t.full()
				return
			default:
				t.at(p).pos = p
			}
		}
	}
	t.s.segs[q.place(v)] = segment{v + 1, 0, segReady}
	t.out("passes over a segment")
}

// mayInstall is what an installer does that has seen the segment's word.
func (t *turn) mayInstall(w segment) pc {
	before := int(w.tag) == int(t.q.segmentOf(t.a().at.t)+1)-t.q.places()
	if w.state == 0 || before && w.state == segHole {
		return fillSlot
	}
	return unannounce
}

func (t *turn) setReady() {
	a := t.a()
	v := t.q.segmentOf(a.at.t)
	w := &t.s.segs[t.place()]
	a.pc = unannounce
	if *w != a.at.seg {
		t.out("finds that others have installed it")
		return
	}
	*w = segment{v + 1, 0, segReady}
	for _, sl := range t.q.slotsAt(&t.s, t.place()) {
		if sl.phase == 0 {
			t.bad("segment %d is there, and has slots without memory", v)
			return
		}
	}
	t.out("installs the segment")
}

// drained ends a call whose slot, at pos, became Free for the next lap.
func (t *turn) drained(pos uint8, what string) {
	if t.q.Segment == 0 {
		t.end(what)
		return
	}
	a := t.a()
	v := t.q.segmentOf(pos)
	a.at = local{begun: true, sh: shrinker{pc: seeThere, v: v, place: t.q.place(v)}}
	a.pc, a.at.cont = drain, done
	t.out(what)
}

func (t *turn) drain() {
	a := t.a()
	what, over, broken := t.q.shrink(&t.s, &a.at.sh, uint8(t.i))
	switch {
	case broken != nil:
		t.outWith(what, broken)
	case over && a.at.cont == seeSeg:
		a.pc, a.at.cont, a.at.sh = seeSeg, 0, shrinker{}
		t.out(what)
	case over:
		t.end(what)
	default:
		t.out(what)
	}
}

// shrinker is who gives memory back: drained, retire, punchAgain, punchAlone.
type shrinker struct {
	pc       uint8
	v        uint8
	place    uint8
	i        uint8
	whatever bool // whatever segment is at the place now
	again    bool // for the second time, or after a death
}

const (
	seeThere = 1 + iota // drained
	seeLast
	seeReady // retire
	seeFree
	seeInstallers
	swapLeaving
	punchSlot
	setHole
	swapAgain
)

// shrink is one step, and tells whether it was the last one.
func (q *Queue) shrink(s *queueState, k *shrinker, me uint8) (what string, over bool, broken error) {
	w := &s.segs[k.place]
	slots := q.slotsAt(s, k.place)
	goneBy := func(i int) bool { // Free for the next lap
		return slots[i].word == word{k.v*uint8(q.Segment) + uint8(i+q.Slots), 0, free}
	}
	switch k.pc {
	case seeThere:
		k.pc = seeLast
		return "sees the segment", *w != segment{k.v + 1, 0, segReady}, nil
	case seeLast:
		if k.whatever {
			if k.whatever, k.v = false, w.tag-1; w.state != segReady {
				return "sees no segment to retire", true, nil
			}
			return "sees a segment to retire", false, nil
		}
		if k.pc = seeReady; q.Breaks.RetireByLast {
			k.pc = seeInstallers
		}
		return "sees the last slot", !goneBy(q.Segment - 1), nil
	case seeReady:
		k.pc, k.i = seeFree, 0
		return "sees the segment again", *w != segment{k.v + 1, 0, segReady}, nil
	case seeFree:
		ok := goneBy(int(k.i))
		if k.i++; int(k.i) == q.Segment {
			k.pc, k.i = seeInstallers, 0
		}
		return "sees a slot", !ok, nil
	case seeInstallers:
		return q.seeInstallers(s, k)
	case swapLeaving:
		if *w != (segment{k.v + 1, 0, segReady}) {
			return "comes too late to retire", true, nil
		}
		*w = segment{k.v + 1, me, segLeaving}
		k.pc = punchSlot
		return "retires the segment", false, nil
	case punchSlot:
		sl := &slots[k.i]
		if sl.phase == writing || sl.phase == ready || sl.phase == claimed {
			return "punches", true, fmt.Errorf("message %d is destroyed: %v", sl.id, sl.word)
		}
		*sl = slot{}
		if k.i++; int(k.i) == q.Segment {
			k.pc, k.i = setHole, 0
		}
		return "punches a slot", false, nil
	case setHole:
		*w = segment{w.tag, 0, segHole} // it may have been skipped meanwhile
		if q.Breaks.HoleByStore {
			w.tag = k.v + 1
		}
		if k.again || k.v == 0 {
			return "is done", true, nil
		}
		k.v--
		k.place, k.pc, k.again = q.place(k.v), swapAgain, true
		return "has given the memory back", false, nil
	default:
		if *w != (segment{k.v + 1, 0, segHole}) {
			return "has nothing to give back again", true, nil
		}
		*w = segment{k.v + 1, me, segLeaving}
		k.pc = seeInstallers
		return "gives back again", false, nil
	}
}

// seeInstallers looks at one announcement.
func (q *Queue) seeInstallers(s *queueState, k *shrinker) (what string, over bool, broken error) {
	blind := q.Breaks.PunchUnasked && !k.again || q.Breaks.PunchAgainBlind && k.again
	busy := !blind && int(k.i) < len(q.Scripts) && q.installing(s, int(k.i), k.place)
	switch {
	case busy && k.again:
		k.pc, k.i = setHole, 0
		return "sees that somebody installs there", false, nil
	case busy:
		return "sees that somebody installs there", true, nil
	}
	if k.i++; int(k.i) >= len(q.Scripts) {
		if k.i, k.pc = 0, swapLeaving; k.again {
			k.pc = punchSlot
		}
	}
	return "sees no announcement", false, nil
}

// mendSegments is a step of repairSegments.
func (q *Queue) mendSegments(s queueState, n int, yield func(l Label, to queueState, broken error)) {
	r := &s.reps[n]
	out := func(what string, broken error) {
		q.witness(&s)
		yield(Label{Who: repairNames[r.dead][r.by], What: what}, s, broken)
	}
	if q.Segment == 0 || int(r.i) > q.places() {
		r.i, r.pc = 0, freeLoans
		q.repair(s, n, yield)
		return
	}
	if r.i == 0 {
		r.i++
		if !q.Breaks.AnnouncedStays {
			s.actors[r.dead].growing = 0
		}
		out("ends the announcement", nil)
		return
	}
	me := r.by
	if me == nobody {
		me = r.dead // a newcomer has the dead one's place
	}
	if r.sh.pc != 0 {
		what, over, broken := q.shrink(&s, &r.sh, me)
		if over {
			r.sh = shrinker{}
			r.i++
		}
		out(what, broken)
		return
	}
	place := r.i - 1
	switch w := s.segs[place]; {
	case w.state == segLeaving && w.owner == r.dead && !q.Breaks.LeavingStays:
		r.sh = shrinker{pc: seeInstallers, v: w.tag - 1, place: place, again: true}
	case w.state == segReady:
		r.sh = shrinker{pc: seeReady, v: w.tag - 1, place: place}
	default:
		r.i++
	}
	out("looks at a segment", nil)
}

// shrunk checks that no memory is left behind messages that are gone.
func (q *Queue) shrunk(s *queueState) error {
	if q.Segment == 0 {
		return nil
	}
	for i := range q.places() {
		w := s.segs[i]
		switch w.state {
		case segLeaving:
			return errors.New("a segment is leaving, and nobody ends that")
		case segReady:
			gone := 0
			for k, sl := range q.slotsAt(s, uint8(i)) {
				if sl.phase == free && int(sl.pos) == int(w.tag-1)*q.Segment+k+q.Slots {
					gone++
				}
			}
			if gone == q.Segment {
				return fmt.Errorf("segment %d is drained, and has its memory", w.tag-1)
			}
		}
	}
	return nil
}
