package model

// receive is a step of claim, or of what comes after it.
func (t *turn) receive() {
	a := t.a()
	at := &a.at
	switch a.pc {
	case loadHead:
		t.loadHead()
	case loadNext, seeNext, seeAgain:
		t.scan()
	case lookAgain:
		t.lookAgain()
	case swapClaim:
		if sl := t.at(at.pos); sl.word == at.seen {
			t.claim(sl)
			return
		}
		t.rescan("loses the slot")
	case copyOut, swapLift, fastHead, fastCopy, fastState:
		t.lift()
	case noteHead:
		if t.s.head == at.hw {
			t.s.head = at.next
		}
		t.afterNote("moves the head")
	case checkEmpty:
		if t.s.head.epoch != at.hw.epoch {
			t.rescan("finds another epoch")
			return
		}
		t.empty()
	case acknowledge, restoreSlot, goBack:
		t.settle()
	default:
		t.offer()
	}
}

func (t *turn) loadHead() {
	a := t.a()
	at := &a.at
	if at.must == 0 && at.cont != loadHead {
		at.must = t.q.there(&t.s)
	}
	at.cont = loadHead // so that what must be seen is set once
	at.hw, at.start = t.s.head, t.s.head.pos
	if a.head.epoch == at.hw.epoch || t.q.Breaks.HintOutlives {
		at.start = max(at.start, a.head.pos)
	}
	at.h, at.pos = at.start, at.start
	a.pc = t.scanning()
	t.out("loads the head")
}

func (t *turn) rescan(what string) {
	a := t.a()
	at := a.at
	a.at = local{begun: true, must: at.must, hand: at.hand, last: at.last, stale: at.stale, cont: loadHead}
	a.pc = loadHead
	t.out(what)
}

// scan looks at the slot at pos.
func (t *turn) scan() {
	a := t.a()
	at := &a.at
	if ahead(at.pos, at.start) >= t.q.Slots {
		at.cont = checkEmpty
		if at.h != at.start {
			at.cont = loadHead
		}
		t.note(at.h, true, "comes to the end of the lap")
		return
	}
	if a.pc != loadNext {
		t.see()
		return
	}
	sl := t.at(at.pos)
	switch d := ahead(sl.pos, at.pos); {
	case t.q.Segment > 0 && !t.q.Breaks.NoRecheck && (d < 0 || sl.phase == 0 || d == 0 && sl.phase == free):
		a.pc = seeAgain
		t.out("sees no message in the slot")
		return
	case d < 0 || d == 0 && (sl.phase == free || sl.phase == 0):
		at.cont = checkEmpty
		t.note(at.h, false, "comes to where nobody has sent")
		return
	case d == 0 && sl.phase == ready:
		at.seen, at.k = sl.word, at.h
		if a.pc = lookAgain; t.q.Breaks.NoSecondLook || at.h == at.pos {
			t.found()
			return
		}
		t.out("sees a message")
		return
	case d == 0 && sl.phase != claimed:
	case at.pos == at.h:
		at.h++
	}
	at.pos++
	a.pc = t.scanning()
	t.out("looks at a slot")
}

// lookAgain is overtaken, slot by slot.
func (t *turn) lookAgain() {
	a := t.a()
	at := &a.at
	if sl := t.at(at.k); sl.pos == at.k && sl.phase == ready {
		t.rescan("was overtaken")
		return
	}
	if at.k++; at.k == at.pos {
		t.found()
		return
	}
	t.out("looks again at a slot that it skipped")
}

// found goes on to take the message at pos. To load its state and then to
// compare-and-swap it is one step, if it was seen just now.
func (t *turn) found() {
	a := t.a()
	sl := t.at(a.at.pos)
	switch {
	case t.q.op(&t.s, t.i).lifts():
		a.pc = copyOut
	case !t.q.Fine && sl.word == a.at.seen:
		t.claim(sl)
		return
	default:
		a.pc = swapClaim
	}
	t.out("finds a message")
}

// claim takes the slot, and notes how far the head has come.
func (t *turn) claim(sl *slot) {
	a := t.a()
	at := &a.at
	sl.word = word{sl.pos, uint8(t.i), claimed}
	at.hold = uint8(t.q.index(sl.pos))
	at.must, at.seen, at.k = 0, word{}, 0
	h := at.h
	if at.pos == h {
		h++
	}
	at.cont = t.afterClaim()
	if broken := t.q.taken(&t.s, t.i, sl.id); broken != nil {
		t.outWith("claims", broken)
		return
	}
	t.note(h, at.h != at.start, "claims a message")
}

func (t *turn) afterClaim() pc {
	switch {
	case t.q.op(&t.s, t.i) == Bounce:
		return restoreSlot
	case t.a().at.hand != 0:
		return unoffer
	}
	return acknowledge
}

// note is receivedUpTo.
func (t *turn) note(h uint8, walked bool, what string) {
	a := t.a()
	at := &a.at
	next := mark{at.hw.epoch, h}
	if a.head == next {
		t.afterNote(what)
		return
	}
	a.head = next
	if next == at.hw {
		t.afterNote(what)
		return
	}
	if t.q.Lazy && !walked {
		lazy := *t
		lazy.afterNote(what + ", leaves the head")
	}
	at.next = next
	a.pc = noteHead
	t.out(what)
}

// afterNote goes on with what the scan has led to.
func (t *turn) afterNote(what string) {
	a := t.a()
	at := &a.at
	if at.cont == loadHead {
		t.rescan(what)
		return
	}
	was := at.pos
	*at = local{begun: true, must: at.must, hand: at.hand, last: at.last, stale: at.stale, hold: at.hold, hw: at.hw, cont: at.cont}
	if a.pc = at.cont; a.pc != checkEmpty {
		at.hw = mark{}
	}
	if at.cont == lifted {
		at.cont = loadHead
		t.drained(was, what)
		return
	}
	at.cont = loadHead
	t.out(what)
}

func (t *turn) empty() {
	a := t.a()
	if a.at.must != 0 {
		t.bad("ErrEmpty, although messages %b were there all the time", a.at.must)
		return
	}
	if t.q.op(&t.s, t.i) != Offer {
		t.end("ErrEmpty")
		return
	}
	hand, last, stale := a.at.hand, a.at.last, a.at.stale
	a.at = local{begun: true, hand: hand}
	switch {
	case stale && !last:
		t.bad("sleeps at capacity zero without an offer")
	case last:
		t.end("gives up")
	case hand != 0:
		a.pc = given
		t.out("finds nothing, and has an offer")
	default:
		a.pc = loadTail
		t.out("finds nothing, and will offer")
	}
}

// settle ends a claim, by acknowledging or returning it.
func (t *turn) settle() {
	a := t.a()
	at := &a.at
	sl := &t.s.slots[at.hold]
	if a.pc != goBack && (sl.phase != claimed || int(sl.owner) != t.i) {
		t.bad("its claim was taken away: %v", sl.word)
		return
	}
	switch a.pc {
	case acknowledge:
		t.own(sl.word, "acknowledges", func() {
			pos := sl.pos
			t.s.fate[sl.id-1] = received
			t.q.free(&t.s, sl, sl.pos+uint8(t.q.Slots))
			t.drained(pos, "acknowledges")
		})
	case restoreSlot:
		t.own(sl.word, "returns", func() {
			at.pos = sl.pos
			t.q.readyAgain(sl)
			a.back |= bit(sl.id)
			if a.pc = goBack; t.q.Breaks.ReturnStays {
				a.back = 0
				t.end("returns")
				return
			}
			t.out("returns")
		})
	case goBack:
		head := word{t.s.head.pos, t.s.head.epoch, 0}
		t.own(head, "moves the head back", func() {
			t.q.goBack(&t.s, at.pos)
			a.back = 0
			t.end("moves the head back")
		})
	}
}

func (q *Queue) goBack(s *queueState, pos uint8) {
	s.head.pos = min(s.head.pos, pos)
	if !q.Breaks.EpochStays {
		s.head.epoch++
	}
	if q.Breaks.EpochWraps {
		s.head.epoch %= 2
	}
}
