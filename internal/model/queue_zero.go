package model

// accept looks for a receiver's offer: the one at the lowest position, of those
// past the sender's last message. Else a receiver that comes by could find two
// gifts of a sender in the wrong order.
func (t *turn) accept() {
	a := t.a()
	at := &a.at
	if a.pc == acceptSwap {
		sl := t.at(at.seen.pos)
		if sl.word != at.seen {
			at.seen, at.k, a.pc = word{}, 0, accept
			t.out("loses the offer")
			return
		}
		sl.word = word{sl.pos, uint8(t.i), writing}
		at.hold = t.q.index(sl.pos)
		at.seen, at.k = word{}, 0
		a.pc = fill
		t.out("accepts the offer")
		return
	}
	if int(at.k) == t.q.Slots {
		if a.pc = acceptSwap; at.seen.phase != offered {
			t.full()
			return
		}
		t.accept()
		return
	}
	if at.k == 0 {
		at.start = t.s.head.pos
	}
	w := t.at(at.start + at.k).word
	switch byIndex := t.q.Breaks.OfferByIndex; {
	case w.phase != offered || !byIndex && w.pos < a.tail:
	case byIndex:
		at.seen, at.k = w, uint8(t.q.Slots-1)
	case at.seen.phase != offered || w.pos < at.seen.pos:
		at.seen = w
	}
	at.k++
	t.out("looks for an offer")
}

// offer is what a receiver does that has a slot on offer: it looks what has
// become of it, goes to look for messages, and in the end takes it back.
func (t *turn) offer() {
	a := t.a()
	at := &a.at
	sl := &t.s.slots[at.hand-1]
	mine := sl.phase == offered && int(sl.owner) == t.i
	switch {
	case a.pc == given && t.q.Breaks.GiftOutOfTurn && sl.phase == ready:
		t.takeGift(sl)
	case a.pc == given:
		quit := *t
		quit.a().pc = unoffer
		quit.out("gives up waiting")
		if a.pc = loadHead; !mine && sl.phase != writing {
			if at.stale = t.q.Breaks.StaleHand && sl.phase == free; !at.stale {
				at.hand = 0
			}
		}
		t.out("looks at its offer")
	default:
		t.own(sl.word, "takes its offer back", func() { t.takeBack(sl, mine) })
	}
}

func (t *turn) takeBack(sl *slot, mine bool) {
	a := t.a()
	at := &a.at
	if mine {
		t.q.free(&t.s, sl, sl.pos+uint8(t.q.Slots))
	}
	held := t.s.slots[at.hold].word
	claims := held.phase == claimed && int(held.owner) == t.i
	*at = local{begun: true, hold: at.hold, last: true}
	switch {
	case claims:
		a.pc = acknowledge
		t.out("is done with its offer")
	case mine:
		t.end("takes its offer back")
	default:
		a.pc = loadHead
		t.out("has had its offer taken")
	}
}

// takeGift claims what a sender put into the slot, whatever lies before it.
func (t *turn) takeGift(sl *slot) {
	a := t.a()
	sl.word = word{sl.pos, uint8(t.i), claimed}
	a.at = local{begun: true, hold: a.at.hand - 1}
	a.pc = acknowledge
	t.outWith("takes the gift", t.q.taken(&t.s, t.i, sl.id))
}
