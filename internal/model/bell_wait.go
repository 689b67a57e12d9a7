package model

// wait yields the steps of waiter i, whose process lives.
func (b *Bell) wait(s bellState, i int, yield bellYield) {
	w, p := &s.waiters[i], &s.places[b.Waiters[i]]
	say := func(what string) { yield(Label{Who: waiterNames[i], What: what}, s, nil) }
	if int(s.cancels) < b.Cancels && !w.cancel && w.pc < wHold {
		to := s
		to.cancels++
		t := &to.waiters[i]
		if t.cancel, t.token = true, true; t.pc == wAsleep {
			t.pc = wHandOver
		}
		yield(Label{waiterNames[i], "is cancelled", true}, to, nil)
	}
	switch w.pc {
	case wCell, wPark, wHandOver, wLeave:
		if p.lock != 0 {
			return // they take the gate's lock
		}
	}
	switch w.pc {
	case wLook, wAgain, wRetry:
		b.look(&s, i)
		say("looks")
	case wCell:
		// arm moves the cell and sets the bit with the gate's lock held, so no
		// other goroutine of the process comes between; other processes do.
		if w.cancel {
			b.stop(w)
			say("gives up")
			return
		}
		p.cell, p.lock = asleep, uint8(i+1)
		w.node, w.seq, w.pc = true, p.seq, wBit
		say("makes its cell asleep")
	case wBit:
		p.bit = true
		w.pc = wCount
		say("sets its bit")
	case wCount:
		p.lock = 0
		if !b.Breaks.NoCount {
			b.counted(&s)
		}
		w.pc = wAgain
		if b.Breaks.NoSecondLook {
			w.pc = wPark
		}
		say("counts")
	case wPark:
		b.park(&s, i)
		say("parks")
	case wSleep:
		switch {
		case w.cancel || p.cell != asleep || p.seq != w.seq:
			w.pc = wHandOver
			say("need not sleep")
		default:
			w.pc = wAsleep
			say("falls asleep")
		}
	case wFollow:
		if w.token {
			w.token, w.pc, w.seq = false, wRetry, 0
			b.cancelled(w)
			say("is signalled")
		}
	case wHandOver:
		b.handOver(&s, i)
		say("hands the lead over")
	default:
		b.end(s, i, yield)
	}
}

// look takes a message if there is one; the claim is acknowledged later.
func (b *Bell) look(s *bellState, i int) {
	w := &s.waiters[i]
	kind, ok := b.takes(s, i)
	switch {
	case ok:
		s.ready[kind]--
		w.holds, w.seq = true, 0
		if w.pc = wHold; w.node {
			w.pc = wLeave
		}
	case w.pc == wAgain:
		w.pc = wPark
	default:
		w.pc = wCell
	}
}

func (b *Bell) park(s *bellState, i int) {
	w, p := &s.waiters[i], &s.places[b.Waiters[i]]
	if b.Breaks.CellAfterLook {
		w.seq, p.cell = p.seq, asleep
	}
	switch {
	case p.leader == 0:
		p.leader, w.pc = uint8(i+1), wSleep
	case (p.cell != asleep || p.seq != w.seq) && !b.Breaks.LateFollower:
		w.pc = wRetry
		b.cancelled(w)
	default:
		w.pc = wFollow
	}
}

// cancelled sends a waiter whose context has ended out instead of on.
func (b *Bell) cancelled(w *waiter) {
	if w.cancel {
		b.stop(w)
	}
}

// stop begins ring's stop: who had announced itself leaves, and looks on.
func (b *Bell) stop(w *waiter) {
	if w.pc = wDone; w.node {
		w.pc = wLeave
	} else {
		*w = waiter{pc: wDone}
	}
}

func (b *Bell) handOver(s *bellState, i int) {
	s.places[b.Waiters[i]].leader = 0
	s.waiters[i].pc, s.waiters[i].seq = wRetry, 0
	b.cancelled(&s.waiters[i])
	if !b.Breaks.NoHandOver {
		b.signal(s, i)
	}
}

// signal puts a token into the channel of the next node of i's process.
func (b *Bell) signal(s *bellState, i int) bool {
	any := false
	for o, p := range b.Waiters {
		if o != i && p == b.Waiters[i] && s.waiters[o].node {
			s.waiters[o].token, any = true, true
			if !b.Own {
				break
			}
		}
	}
	return any
}

// end yields the steps of a waiter that has what it wanted, or gave up.
func (b *Bell) end(s bellState, i int, yield bellYield) {
	w, p := &s.waiters[i], &s.places[b.Waiters[i]]
	say := func(what string) { yield(Label{Who: waiterNames[i], What: what}, s, nil) }
	switch w.pc {
	case wLeave:
		w.node, w.token, w.seq = false, false, 0
		w.pc = wMore
		if !b.others(&s, i) {
			p.bit, p.lock = false, uint8(i+1)
			w.pc = wAwake
		} else if p.leader == 0 && !b.Breaks.KeepLead {
			b.signal(&s, i)
		}
		b.passOn(w)
		say("leaves the gate")
	case wAwake:
		if p.lock = 0; p.cell == asleep {
			p.cell = awake
		}
		w.pc = wMore
		b.passOn(w)
		say("makes its cell awake")
	case wMore:
		w.pc, w.call.pc = wRing, b.firstStep(false)
		if _, ok := b.takes(&s, i); !ok {
			b.finish(w)
		}
		say("looks whether there is more")
	case wRing:
		b.ringOn(s, func(s *bellState) (*call, *bool) {
			return &s.waiters[i].call, &s.places[b.Waiters[i]].none
		}, waiterNames[i], yield, func(s *bellState) {
			b.finish(&s.waiters[i])
		})
	case wHold:
		if b.Leaves {
			to := s
			b.quit(&to, i)
			yield(Label{Who: waiterNames[i], What: "closes its handle"}, to, nil)
		}
		*w = waiter{pc: wDone}
		say("acknowledges")
	}
}

// passOn skips what a waiter does for others, if that is broken or not needed.
func (b *Bell) passOn(w *waiter) {
	if w.pc == wMore && (b.Breaks.NoPassOn || b.Own) {
		b.finish(w)
	}
}

func (b *Bell) others(s *bellState, i int) bool {
	for o, p := range b.Waiters {
		if o != i && p == b.Waiters[i] && s.waiters[o].node {
			return true
		}
	}
	return false
}

func (b *Bell) finish(w *waiter) {
	if *w = (waiter{pc: wDone, holds: w.holds}); w.holds {
		w.pc = wHold
	}
}

// quit begins what Close does: repair of oneself. It is explored for processes
// with one goroutine.
func (b *Bell) quit(s *bellState, i int) {
	if p := b.Waiters[i]; !s.mend.on {
		s.waiters[i] = waiter{pc: wGone, holds: true}
		s.mend = mender{on: true, by: uint8(p), dead: uint8(p)}
		b.restore(s, p)
	}
}

// restore makes what a process had in its hands Ready again.
func (b *Bell) restore(s *bellState, place int) {
	if place >= b.places() {
		return
	}
	for w, p := range b.Waiters {
		if p == place && s.waiters[w].holds {
			s.ready[b.kind(w)]++
			s.waiters[w].holds = false
		}
	}
	if b.Gift && place == 0 { // to anyone
		s.ready[0] += s.ready[gift]
		s.ready[gift] = 0
	}
	s.places[place].bit, s.places[place].cell = false, awake
}

// repair yields the steps of whoever repairs: a death is seen by every
// survivor, even in its sleep, in a goroutine of its own.
func (b *Bell) repair(s bellState, yield bellYield) {
	m := &s.mend
	if !m.on {
		b.begin(s, yield)
		return
	}
	say := func(what string) {
		yield(Label{Who: "repair by " + b.name(int(m.by)) + " for " + b.name(int(m.dead)), What: what}, s, nil)
	}
	life := b.life(&s, int(m.dead))
	if b.Breaks.LeaveFirst && *life != gone {
		*life = gone
		say("clears the place")
		return
	}
	for int(m.at) < b.places() && b.Breaks.RepairRingEach && s.places[m.at].cell != asleep && !m.half {
		m.at++
	}
	switch {
	case int(m.at) == b.places() || b.Breaks.RepairSilent:
		*life = gone
		*m = mender{}
		say("is done")
	case !m.half:
		s.places[m.at].seq++
		m.half = true
		say("moves the cell of " + processNames[m.at] + " on")
	default:
		at := m.at
		b.wakeUp(&s, int(at))
		m.at, m.half = m.at+1, false
		say("wakes " + processNames[at])
	}
}

// begin yields the ways to begin a repair.
func (b *Bell) begin(s bellState, yield bellYield) {
	for d := range b.persons() {
		if *b.life(&s, d) != dead {
			continue
		}
		for by := range b.persons() {
			if *b.life(&s, by) != alive {
				continue
			}
			to := s
			to.mend = mender{on: true, by: uint8(by), dead: uint8(d)}
			b.restore(&to, d)
			yield(Label{Who: b.name(by), What: "begins to repair after " + b.name(d)}, to, nil)
		}
	}
}
