package model

// What a repairer does next.
const (
	mendSlots = iota
	seekReady
	moveBack
	mendSegs
	freeLoans
	giveUpPlace
)

// repair yields the steps of whoever repairs, or the ways to begin.
func (q *Queue) repair(s queueState, n int, yield func(l Label, to queueState, broken error)) {
	r := &s.reps[n]
	if !r.on {
		q.beginRepair(s, n, yield)
		return
	}
	who := repairNames[r.dead][r.by]
	out := func(what string) {
		q.witness(&s)
		yield(Label{Who: who, What: what}, s, nil)
	}
	switch r.pc {
	case mendSlots:
		q.mendSlot(&s, r, out)
	case seekReady:
		q.seekReady(&s, r, out)
	case moveBack:
		if r.low != 0 && !q.Breaks.RepairStays {
			q.goBack(&s, r.low-1)
		}
		r.low, r.pc = 0, mendSegs
		out("moves the head back")
	case mendSegs:
		q.mendSegments(s, n, yield)
	case freeLoans:
		if int(r.i) == q.Units || q.Breaks.LoansLeak {
			r.i, r.pc = 0, giveUpPlace
			q.repair(s, n, yield)
			return
		}
		if u := &s.units[r.i]; u.kind == unitLoan && u.owner == r.dead {
			*u = unitWord{}
		}
		r.i++
		out("looks at a unit")
	case giveUpPlace:
		d := &s.actors[r.dead]
		d.life, d.back = gone, 0
		*r = repairer{}
		yield(Label{Who: who, What: "is done"}, s, nil)
	}
}

func (q *Queue) beginRepair(s queueState, n int, yield func(l Label, to queueState, broken error)) {
	begin := func(dead, by int) {
		to := s
		to.reps[n] = repairer{on: true, by: uint8(by), dead: uint8(dead)}
		yield(Label{Who: repairNames[dead][by], What: "begins"}, to, nil)
	}
	for d := range q.Scripts {
		if s.actors[d].life != dead || q.atIt(&s, d) {
			continue
		}
		found := false
		for by := range q.Scripts {
			if s.actors[by].life == alive && !s.sweeping(by) && (!found || int(s.deaths) < q.Deaths) {
				found = true
				begin(d, by)
			}
		}
		if !found || q.Repairs > 1 {
			begin(d, nobody)
		}
	}
}

// atIt tells whether somebody is just repairing d, whose token it has.
func (q *Queue) atIt(s *queueState, d int) bool {
	for n := range s.reps {
		if s.reps[n].on && int(s.reps[n].dead) == d {
			return true
		}
	}
	return false
}

// sweeping tells whether an actor is just repairing somebody: it does so one
// after the other.
func (s *queueState) sweeping(by int) bool {
	for n := range s.reps {
		if s.reps[n].on && int(s.reps[n].by) == by {
			return true
		}
	}
	return false
}

// mendSlot looks at one slot, and repairs it if it was the dead one's.
func (q *Queue) mendSlot(s *queueState, r *repairer, out func(string)) {
	if int(r.i) == q.Slots {
		r.i, r.pc = 0, seekReady
		q.seekReady(s, r, out)
		return
	}
	sl := &s.slots[r.i]
	switch {
	case q.Fine && !r.load:
		r.seen, r.load = sl.word, true
		if !q.touches(s, sl, r.dead) {
			r.seen, r.load = word{}, false
			r.i++
		}
		out("loads a slot")
		return
	case q.Fine && r.seen != sl.word:
		r.seen, r.load = word{}, false
		out("must look at the slot again")
		return
	}
	if q.touches(s, sl, r.dead) {
		q.mend(s, sl, r.dead)
	}
	r.seen, r.load = word{}, false
	r.i++
	out("repairs a slot")
}

// touches tells whether repair changes the slot.
func (q *Queue) touches(s *queueState, sl *slot, dead uint8) bool {
	switch sl.phase {
	case writing, offered:
		return sl.owner == dead
	case claimed:
		return sl.owner == dead && !q.Breaks.ForgetClaims
	case ready:
		return q.Zero && senderOf(sl.id) == int(dead) && sl.flags&flagGift == 0
	}
	return false
}

func (q *Queue) mend(s *queueState, sl *slot, dead uint8) {
	switch {
	case sl.phase == claimed, sl.phase == writing && q.Breaks.PublishForgotten && sl.id != 0:
		q.readyAgain(sl)
		s.actors[dead].back |= bit(sl.id)
	case sl.phase == ready:
		s.fate[sl.id-1] = withdrawn
		fallthrough
	default:
		q.free(s, sl, sl.pos+uint8(q.Slots))
	}
}

// seekReady finds the first message that is there: the head must not be past it.
//
// The epoch moves on even if the shared head is not past that message. Some
// private head may be, or some slow receiver's compare-and-swap may still come.
func (q *Queue) seekReady(s *queueState, r *repairer, out func(string)) {
	if r.low != 0 && q.Breaks.RepairIfPast {
		if s.head.pos > r.low-1 {
			q.goBack(s, r.low-1)
		}
		r.low = 0
		out("compares the head")
		return
	}
	if int(r.i) == q.Slots {
		r.i, r.pc = 0, moveBack
		if r.low == 0 {
			r.pc = mendSegs
		}
		out("has looked at all slots")
		return
	}
	if sl := s.slots[r.i]; sl.phase == ready && (r.low == 0 || sl.pos < r.low-1) {
		r.low = sl.pos + 1
	}
	r.i++
	out("looks for messages")
}
