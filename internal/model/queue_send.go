package model

// pc is what an actor does next.
type pc uint8

const (
	done pc = iota

	takeUnit // borrow: load a unit
	unitID   // its slot's id
	unitPhase
	unitSwap
	loadTail // reserve
	loadSlot
	noteTail // sentAt
	fill
	bind
	publish
	giveBack
	abandon
	accept // give
	acceptSwap

	poll // deliver
	pollID
	withdraw
	withdrawID
	withdrawSwap

	loadHead // claim
	loadNext
	lookAgain
	swapClaim
	copyOut // lift
	swapLift
	lifted
	fastHead // liftFast
	fastCopy
	fastState
	noteHead
	checkEmpty
	acknowledge
	restoreSlot
	goBack

	seeSeg // install
	announce
	installNow
	fillSlot
	setReady
	unannounce
	drain   // drained
	seeNext // visible, in scan
	seeAgain

	given // at capacity zero
	unoffer
)

func (t *turn) step() {
	a := t.a()
	if a.pc == loadTail {
		a.at.full = false
		t.q.witness(&t.s)
	}
	a.at.begun = true
	switch a.pc {
	case takeUnit, unitID, unitPhase, unitSwap:
		t.borrow()
	case loadTail:
		a.at.shared, a.at.t = t.s.tail, max(t.s.tail, a.tail)
		if a.pc = loadSlot; t.q.Segment > 0 {
			a.pc = seeSeg
		}
		t.out("loads the tail")
	case seeSeg, announce, installNow, fillSlot, setReady, unannounce, drain:
		t.segments()
	case loadSlot:
		t.reserve()
	case noteTail:
		t.noteTail()
	case fill, bind:
		t.fill()
	case publish:
		sl := &t.s.slots[a.at.hold]
		t.own(sl.word, "publishes", func() { t.publish(sl) })
	case abandon:
		sl := &t.s.slots[a.at.hold]
		t.own(sl.word, "abandons its slot", func() {
			lap := uint8(t.q.Slots)
			if t.q.Breaks.PositionTwice {
				lap = 0
			}
			t.q.free(&t.s, sl, sl.pos+lap)
			t.end("abandons its slot")
		})
	case giveBack:
		t.s.units[a.at.unit-1] = unitWord{}
		t.end("full: gives its unit back")
	case accept, acceptSwap:
		t.accept()
	case poll, pollID, withdraw, withdrawID, withdrawSwap:
		t.deliver()
	default:
		t.receive()
	}
}

// reserve looks at one slot, and takes it, passes it over, or goes on. The
// state that a lost compare-and-swap leaves differs from the one before only in
// that it walked, which the choice in sentAt covers.
func (t *turn) reserve() {
	a, n := t.a(), t.q.Slots
	at := &a.at
	sl := t.at(at.t)
	b := &t.q.Breaks
	switch d := ahead(sl.pos, at.t); {
	case d == 0 && sl.phase == free:
		t.own(sl.word, "takes a free slot", func() { t.reserved(sl) })
	case sl.phase == 0 && t.q.Segment > 0:
		t.look("finds no slot")
	case d == 0:
		at.t++
		at.walked = true
		t.look("goes to the next slot")
	case d > 0:
		at.t += uint8(max(1, d-n+1))
		at.walked = true
		t.look("goes on by laps")
	case d == -n && sl.phase == ready && !b.PassReady:
		t.full()
	case d == -n && sl.phase != free:
		if int(at.passed) == n || b.NeverPass {
			t.full()
			return
		}
		t.own(sl.word, "passes a slot over", func() {
			sl.pos = at.t
			at.passed++
			t.out("passes a slot over")
		})
	default:
		t.bad("ErrCorrupt: slot %d is %v, and the tail is at %d", t.q.index(at.t), sl.word, at.t)
	}
}

func (t *turn) reserved(sl *slot) {
	a := t.a()
	at := &a.at
	p := writing
	if t.q.op(&t.s, t.i) == Offer {
		p = offered
	}
	if t.q.Breaks.TailFirst && t.s.tail <= at.t {
		t.s.tail = at.t + 1
		t.out("moves the tail")
		return
	}
	sl.word = word{at.t, uint8(t.i), p}
	at.hold = t.q.index(at.t)
	a.tail = at.t + 1
	walked := at.walked
	at.t, at.walked, at.passed = at.t+1, false, 0
	if t.q.Lazy && !walked {
		lazy := *t
		lazy.afterReserve()
		lazy.out("takes a free slot, leaves the tail")
	}
	a.pc = noteTail
	t.out("takes a free slot")
}

// noteTail moves the shared tail on to where this actor is.
func (t *turn) noteTail() {
	at := &t.a().at
	if t.s.tail != at.shared && t.s.tail < at.t {
		at.shared = t.s.tail
		t.out("loads the tail again")
		return
	}
	t.s.tail = max(t.s.tail, at.t)
	t.afterReserve()
	t.out("moves the tail")
}

func (t *turn) afterReserve() {
	a := t.a()
	a.at.t, a.at.shared = 0, 0
	switch a.pc = fill; t.q.op(&t.s, t.i) {
	case Abandon:
		a.pc = abandon
	case Offer:
		a.at.hand, a.at.hold = a.at.hold+1, 0
		a.pc = loadHead
	}
}

func (t *turn) full() {
	a := t.a()
	switch {
	case t.q.op(&t.s, t.i) == Offer:
		a.at.t, a.at.shared, a.at.passed, a.at.walked = 0, 0, 0, false
		a.at.last = true
		a.pc = loadHead
		t.out("finds no slot to offer")
		return
	case t.q.op(&t.s, t.i) != Give && !a.at.full:
		t.bad("ErrFull, although a slot was free all the time")
		return
	case a.at.unit != 0:
		a.pc = giveBack
		t.out("finds the queue full")
		return
	}
	t.end("ErrFull")
}

// fill writes the message into the slot, and binds the unit to it.
func (t *turn) fill() {
	a := t.a()
	sl := &t.s.slots[a.at.hold]
	early := t.q.Breaks.BindEarly && a.at.unit != 0
	switch {
	case a.pc == fill && early && sl.unit == 0, a.pc == bind:
		sl.unit = a.at.unit
		t.s.units[a.at.unit-1] = unitWord{unitSlot, a.at.hold, t.q.id(&t.s, t.i)}
		if a.pc == bind {
			a.pc, a.at.unit = publish, 0
		}
		t.out("binds its unit")
	default:
		sl.id, sl.flags, sl.had = t.q.id(&t.s, t.i), 0, 0
		switch t.q.op(&t.s, t.i) {
		case Deliver:
			sl.flags = flagDeliver
		case Give:
			sl.flags = flagGift
		}
		if a.pc = publish; a.at.unit != 0 {
			a.pc = bind
		}
		if early {
			a.pc, a.at.unit = publish, 0
		}
		t.out("fills its slot")
	}
}

func (t *turn) publish(sl *slot) {
	a := t.a()
	if sl.phase != writing || int(sl.owner) != t.i {
		t.bad("its slot was taken away: %v", sl.word)
		return
	}
	sl.word = word{sl.pos, 0, ready}
	t.s.fate[sl.id-1] = published
	if t.q.op(&t.s, t.i) == Give {
		a.tail = max(a.tail, sl.pos+1) // see accept
	}
	if t.q.op(&t.s, t.i) != Deliver {
		t.end("publishes")
		return
	}
	a.pc = poll
	t.out("publishes")
}

// deliver is settled, and withdraw for who gives up: both may happen.
func (t *turn) deliver() {
	a := t.a()
	sl := &t.s.slots[a.at.hold]
	id := t.q.id(&t.s, t.i)
	switch a.pc {
	case poll, withdraw:
		if a.pc == poll {
			quit := *t
			quit.a().pc = withdraw
			quit.out("gives up")
		}
		switch {
		case a.pc == poll && sl.phase != ready && sl.phase != claimed:
			t.settled("is settled: the slot is another's", id)
		case a.pc == poll:
			a.pc = pollID
			t.out("looks at the slot")
		case sl.phase != ready:
			t.end("cannot withdraw")
		default:
			a.at.seen, a.pc = sl.word, withdrawID
			t.out("looks at the slot, to withdraw")
		}
	case pollID:
		if a.pc = poll; sl.id != id {
			t.settled("is settled: another message is there", id)
			return
		}
		t.out("sees its message")
	case withdrawID:
		if a.pc = withdrawSwap; sl.id != id {
			t.end("cannot withdraw: another message is there")
			return
		}
		t.out("sees its message, to withdraw")
	case withdrawSwap:
		if sl.word != a.at.seen && !t.q.Breaks.StoreWithdraw {
			t.end("cannot withdraw any more")
			return
		}
		t.q.free(&t.s, sl, a.at.seen.pos+uint8(t.q.Slots))
		t.s.fate[id-1] = withdrawn
		t.drained(a.at.seen.pos, "withdraws")
	}
}

// settled checks what the sender is told.
func (t *turn) settled(what string, id uint8) {
	if t.s.fate[id-1] != received {
		t.bad("was told that message %d was received, which it was not", id)
		return
	}
	t.end(what)
}

// free gives a slot to the send a lap later.
func (q *Queue) free(s *queueState, sl *slot, pos uint8) {
	sl.word, sl.unit = word{pos, 0, free}, 0
}
