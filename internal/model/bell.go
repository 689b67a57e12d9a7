package model

import (
	"errors"
	"fmt"
)

const (
	maxWaiters = 4
	maxBells   = 3 // processes with a place at the bell
	maxRingers = 2
)

var (
	waiterNames  = [maxWaiters]string{"waiter 0", "waiter 1", "waiter 2", "waiter 3"}
	ringerNames  = [maxRingers]string{"ringer 0", "ringer 1"}
	processNames = [maxBells]string{"process 0", "process 1", "process 2"}
)

// Bell is the model of waiting: Ringers publish messages and ring, Waiters,
// goroutines of some processes, wait for one message each. A process is a
// place at the bell with one bit and one cell.
type Bell struct {
	Ringers  int
	Messages int   // that each ringer publishes
	Waiters  []int // the process of each
	Deaths   int
	Stops    int // ringers and processes that are stopped, and not continued
	Cancels  int
	// Own makes each waiter wait for a message of its own, as senders wait for
	// receipts: message k is for waiter k, of whatever ringer.
	Own bool
	// Gift makes what ringer 0 publishes gifts to process 0: while that one's bit
	// is set nobody else may take them.
	Gift bool
	// Inbox makes process 0 an inbox's owner: the others watch it, and want no
	// message.
	Inbox bool
	// Shared makes the ringers goroutines of one handle: what one remembers of
	// the count the others do, too.
	Shared bool
	// Leaves lets a process that holds a message leave, as Queue.Close does,
	// instead of acknowledging it.
	Leaves bool
	Breaks BellBreaks
}

type bellPC uint8

// What a waiter does next.
const (
	wLook     bellPC = iota // look without having announced itself
	wCell                   // make the cell asleep, within arm
	wBit                    // set the bit, within arm
	wCount                  // count, within arm
	wAgain                  // look again
	wPark                   // become the leader or a follower
	wSleep                  // call futex_wait
	wAsleep                 // in the kernel
	wFollow                 // on the channel
	wHandOver               // woken: let the next goroutine look
	wRetry                  // look after a sleep
	wHold                   // acknowledge
	wLeave                  // Stop: take the node out of the gate; the last one clears the bit
	wAwake                  // the last one makes the cell awake
	wMore                   // is there more?
	wRing                   // ring on
	wGone                   // leaving for good: see Leaves
	wDone
)

// What a ringer does next.
const (
	rPublish bellPC = iota
	rRing
	rDone
)

// Each process is alive, dead and to be repaired, gone, or stopped.
const (
	alive = iota
	dead
	gone
	stopped
)

// The states of a cell.
const (
	awake = iota
	asleep
	waking
)

// call is somebody's way through Ring.
type call struct {
	pc     callPC
	set    uint8 // places whose bits were set and that were not tried yet
	chosen uint8
	seq    uint8 // of the chosen one's cell
	own    bool  // this one made it waking, and not another, whom it helps
	to     bool  // for process 0 alone
	woke   bool
	fresh  bool // the count is as it was when the call began
}

type callPC uint8

const (
	cCount  callPC = iota // load the count
	cBits                 // load the bits
	cChoose               // move a cell from asleep to waking, or see that another did
	cWake                 // futex_wake
	cWoke                 // move the cell from waking to awake
	cTo                   // look whether process 0 waits, for whom it is
)

// waiter is a goroutine. A node that is in the gate may be asleep, or about to be.
type waiter struct {
	pc     bellPC
	seq    uint8 // the cell's, when it was armed
	call   call
	node   bool // announced: in the gate's list
	token  bool // in its channel
	cancel bool
	holds  bool
}

type ringer struct {
	pc   bellPC
	sent uint8
	call call
	life uint8
	none bool // it has found nobody, and the count is as it was then
}

type place struct {
	life   uint8
	bit    bool
	seq    uint8 // of the cell
	cell   uint8
	leader uint8 // waiter+1
	lock   uint8 // the gate's: waiter+1
	none   bool  // as a ringer's
}

// mender is the goroutine of some survivor that repairs after a death.
type mender struct {
	on   bool
	by   uint8 // an index of persons: places, then ringers
	dead uint8
	at   uint8
	half bool // the cell is moved on, its sleepers are not yet woken
}

// bellState is comparable, and small.
type bellState struct {
	ready   [maxWaiters]uint8 // one kind for all, or one for each waiter
	waiters [maxWaiters]waiter
	ringers [maxRingers]ringer
	places  [maxBells]place
	mend    mender
	deaths  uint8
	stops   uint8
	cancels uint8
}

func (b *Bell) places() int {
	n := 0
	for _, p := range b.Waiters {
		n = max(n, p+1)
	}
	return n
}

// Start has nobody doing anything yet.
func (b *Bell) Start() (s bellState) {
	for i := range s.waiters {
		if i >= len(b.Waiters) {
			s.waiters[i].pc = wDone
		}
	}
	for i := range s.ringers {
		if i >= b.Ringers {
			s.ringers[i].pc = rDone
		}
	}
	for i := b.places(); i < maxBells; i++ {
		s.places[i].life = gone
	}
	return s
}

type bellYield func(l Label, to bellState, broken error)

// Steps yields every step of every actor.
func (b *Bell) Steps(s bellState, yield func(l Label, to bellState, broken error)) {
	for i := range b.Waiters {
		if s.places[b.Waiters[i]].life == alive {
			b.wait(s, i, yield)
		}
	}
	for i := range b.Ringers {
		if s.ringers[i].life == alive {
			b.ring(s, i, yield)
		}
	}
	b.repair(s, yield)
	if int(s.deaths) < b.Deaths {
		if m := s.mend; m.on && *b.life(&s, int(m.by)) == gone { // it left too early
			to := s
			to.deaths++
			to.mend = mender{}
			yield(Label{b.name(int(m.by)), "dies", true}, to, nil)
		}
		for i := range b.persons() {
			if *b.life(&s, i) == alive {
				to := s
				to.deaths++
				b.die(&to, i)
				yield(Label{b.name(i), "dies", true}, to, nil)
			}
		}
	}
	b.stopSomebody(s, yield)
}

func (b *Bell) stopSomebody(s bellState, yield bellYield) {
	for i := range b.persons() {
		if int(s.stops) < b.Stops && *b.life(&s, i) == alive {
			to := s
			to.stops++
			*b.life(&to, i) = stopped
			for w, p := range b.Waiters { // the signal takes it off the kernel's list
				if i == p && to.waiters[w].pc == wAsleep {
					to.waiters[w].pc = wSleep
				}
			}
			yield(Label{b.name(i), "is stopped", true}, to, nil)
		}
	}
}

func (b *Bell) persons() int { return b.places() + b.Ringers }

func (b *Bell) life(s *bellState, i int) *uint8 {
	if n := b.places(); i >= n {
		return &s.ringers[i-n].life
	}
	return &s.places[i].life
}

func (b *Bell) name(i int) string {
	if n := b.places(); i >= n {
		return ringerNames[i-n]
	}
	return processNames[i]
}

// die ends a process and all its goroutines where they are. What its waiters
// hold stays in its hands until somebody repairs.
func (b *Bell) die(s *bellState, i int) {
	*b.life(s, i) = dead
	if s.mend.on && int(s.mend.by) == i {
		s.mend = mender{}
	}
	if n := b.places(); i >= n {
		s.ringers[i-n] = ringer{pc: rDone, life: dead}
		return
	}
	s.places[i].leader, s.places[i].lock = 0, 0
	for w, p := range b.Waiters {
		if p == i {
			s.waiters[w] = waiter{pc: wDone, holds: s.waiters[w].holds}
		}
	}
}

// caller is who rings: what it is about to do, and what it remembers.
type caller func(*bellState) (c *call, none *bool)

// ringOn yields the next step of a call of Ring; done is told when it is the
// last one. The bits are tried in some order, as turn would have it: in all.
func (b *Bell) ringOn(s bellState, who caller, name string, yield bellYield, done func(*bellState)) {
	c, none := who(&s)
	step := func(to bellState, what string) {
		t, none := who(&to)
		if t.pc == cChoose && t.set == 0 {
			if !t.to {
				*none = t.fresh
			}
			t.pc = cCount
		}
		if t.pc == cCount {
			*t = call{}
			done(&to)
		}
		yield(Label{Who: name, What: what}, to, nil)
	}
	switch c.pc {
	case cTo:
		switch {
		case s.places[0].bit:
			c.set, c.to, c.pc = 1, true, cChoose
		case b.Gift && !b.Breaks.GiftToGone:
			c.pc = cCount
			yield(Label{Who: name, What: "finds that process 0 has left"}, s, nil)
			return
		default:
			c.pc = cCount
		}
		step(s, "looks whether process 0 waits")
	case cCount:
		if c.fresh, c.pc = true, cBits; *none {
			c.pc = cCount
		}
		step(s, "loads the count")
	case cBits:
		for i := range b.places() {
			if s.places[i].bit {
				c.set |= 1 << i
			}
		}
		c.pc = cChoose
		step(s, "loads the bits")
	case cChoose:
		for i := range b.places() {
			if c.set&(1<<i) == 0 {
				continue
			}
			to := s
			t, _ := who(&to)
			b.chooseOne(t, &to.places[i], i)
			step(to, "tries "+processNames[i])
		}
	case cWake:
		c.woke = b.wakeUp(&s, int(c.chosen))
		c.pc = cWoke
		step(s, "wakes "+processNames[c.chosen])
	case cWoke:
		p := &s.places[c.chosen]
		if p.cell == waking && p.seq == c.seq {
			p.cell = awake
		}
		what := "notes that " + processNames[c.chosen] + " is woken"
		pc := cChoose
		if c.own && (c.woke || b.Breaks.OneOnly) {
			pc = cCount
		}
		*c = call{pc: pc, set: c.set, fresh: c.fresh, to: c.to}
		step(s, what)
	}
}

// counted is what an armed waiter's counting does to what others remember.
func (b *Bell) counted(s *bellState) {
	for i := range s.ringers {
		s.ringers[i].none, s.ringers[i].call.fresh = false, false
	}
	for i := range s.places {
		s.places[i].none = false
	}
	for i := range s.waiters {
		s.waiters[i].call.fresh = false
	}
}

func (b *Bell) chooseOne(c *call, p *place, i int) {
	c.set &^= 1 << i
	switch {
	case p.cell == asleep:
		if p.cell = waking; !b.Breaks.WakeOnly {
			p.seq++
		}
		c.pc, c.chosen, c.seq, c.own = cWake, uint8(i), p.seq, true
	case p.cell == waking && !b.Breaks.NoHelp:
		c.pc, c.chosen, c.seq = cWake, uint8(i), p.seq
	}
}

// wakeUp ends the sleep of who sleeps on a cell, and tells whether anybody did.
func (b *Bell) wakeUp(s *bellState, place int) (woke bool) {
	for w, p := range b.Waiters {
		if p == place && s.waiters[w].pc == wAsleep {
			s.waiters[w].pc = wHandOver
			woke = true
		}
	}
	return woke
}

func (b *Bell) ring(s bellState, i int, yield bellYield) {
	r := &s.ringers[i]
	switch r.pc {
	case rPublish:
		kind := b.kind(int(r.sent))
		if b.Gift && i == 0 {
			kind = gift
		}
		s.ready[kind]++
		r.sent++
		r.pc = rRing
		r.call.pc = b.firstStep(b.Gift && i == 0)
		yield(Label{Who: ringerNames[i], What: "publishes a message"}, s, nil)
	case rRing:
		b.ringOn(s, func(s *bellState) (*call, *bool) {
			if b.Shared {
				return &s.ringers[i].call, &s.ringers[0].none
			}
			return &s.ringers[i].call, &s.ringers[i].none
		}, ringerNames[i], yield, func(s *bellState) {
			r := &s.ringers[i]
			if r.pc = rPublish; int(r.sent) == b.Messages {
				r.pc = rDone
			}
		})
	}
}

// firstStep is how a ring begins.
func (b *Bell) firstStep(gift bool) callPC {
	if gift || b.Inbox && !b.Breaks.InboxRing {
		return cTo
	}
	return cCount
}

// gift is the kind of a message for process 0.
const gift = 1

// takes is the kind of message that waiter i may take now.
func (b *Bell) takes(s *bellState, i int) (kind int, ok bool) {
	kind = b.kind(i)
	switch {
	case b.Inbox && b.Waiters[i] != 0:
	case s.ready[kind] > 0:
		return kind, true
	case b.Gift && s.ready[gift] > 0 && (b.Waiters[i] == 0 || !s.places[0].bit):
		return gift, true
	}
	return 0, false
}

// kind is what waiter i waits for.
func (b *Bell) kind(i int) int {
	if b.Own {
		return i
	}
	return 0
}

// kept is how many messages those who are stopped may keep back.
func (b *Bell) kept(s *bellState) (n int) {
	for i := range b.Ringers {
		if r := s.ringers[i]; r.life == stopped && r.pc == rRing {
			n++
		}
	}
	for i, p := range b.Waiters {
		if s.places[p].life != stopped {
			continue
		}
		switch s.waiters[i].pc {
		case wHandOver, wRetry, wLeave, wAwake, wMore, wRing:
			n++
		}
	}
	return n
}

// Final is a lost wake-up if somebody sleeps although there is a message. Who is
// stopped may keep one message back, that it has not rung for yet or that it was
// woken for, but no more than that, and none if it was asleep.
func (b *Bell) Final(s bellState) error {
	left, kept := 0, b.kept(&s)
	for i := range s.ready {
		left += int(s.ready[i])
	}
	for i, p := range b.Waiters {
		w := s.waiters[i]
		if _, ok := b.takes(&s, i); ok && left > kept && s.places[p].life == alive && (w.pc == wAsleep || w.pc == wFollow) {
			return fmt.Errorf("lost wake-up: waiter %d sleeps for ever, and %d messages are there", i, left)
		}
	}
	if left == 0 && !b.Inbox && int(s.cancels) == 0 && s.deaths == 0 && s.stops == 0 && b.Messages*b.Ringers >= len(b.Waiters) {
		for i := range b.Waiters {
			if s.waiters[i].pc != wDone {
				return errors.New("a message was taken twice, or lost")
			}
		}
	}
	return nil
}
