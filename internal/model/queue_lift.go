package model

// lift is a step of the receipts that copy first and take afterwards.
func (t *turn) lift() {
	a := t.a()
	at := &a.at
	sl := t.at(at.pos)
	switch a.pc {
	case fastHead:
		at.must, at.cont = t.q.there(&t.s), loadHead
		at.hw, at.start = t.s.head, t.s.head.pos
		if a.head.epoch == at.hw.epoch {
			at.start = max(at.start, a.head.pos)
		}
		at.h, at.pos = at.start, at.start
		if a.pc = fastState; t.q.Breaks.SizeFirst {
			a.pc = fastCopy
		}
		t.out("loads the head, in a hurry")
	case fastCopy:
		at.copy, a.pc = sl.id, fastState
		t.out("loads the size, in a hurry")
	case fastState:
		if sl.word != (word{at.pos, 0, ready}) {
			t.rescan("sees no message, in a hurry")
			return
		}
		at.seen = sl.word
		if a.pc = copyOut; t.q.Breaks.SizeFirst {
			a.pc = swapLift
		}
		t.out("sees a message, in a hurry")
	case copyOut:
		at.copy, at.had, a.pc = sl.id, sl.had, swapLift
		t.out("copies the message")
	case swapLift:
		if sl.word != at.seen {
			t.rescan("loses the message that it copied")
			return
		}
		t.lifted(sl)
	}
}

func (t *turn) lifted(sl *slot) {
	a := t.a()
	at := &a.at
	id := sl.id
	if at.copy != id {
		t.bad("received message %d with what it had copied of %d", id, at.copy)
		return
	}
	if at.had != sl.had {
		t.bad("received message %d, which %d receivers had before, as if it had been %d", id, sl.had, at.had)
		return
	}
	h := at.h
	if at.pos == h {
		h++
	}
	t.q.free(&t.s, sl, sl.pos+uint8(t.q.Slots))
	broken := t.q.taken(&t.s, t.i, id)
	if broken != nil {
		t.outWith("lifts", broken)
		return
	}
	t.s.fate[id-1] = received
	at.must, at.seen, at.k, at.copy, at.had, at.cont = 0, word{}, 0, 0, 0, lifted
	t.note(h, at.h != at.start, "lifts the message")
}
