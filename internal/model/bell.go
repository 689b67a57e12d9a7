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
	Cancels  int
	// Leaves lets a process that holds a message leave, as Queue.Close does,
	// instead of acknowledging it.
	Leaves bool
	Breaks BellBreaks
}

type bellPC uint8

// What a waiter does next.
const (
	wLook     bellPC = iota // look without having announced itself
	wCell                   // load the cell, within arm
	wBit                    // set the bit, within arm
	wAgain                  // look again
	wPark                   // become the leader or a follower
	wSleep                  // call futex_wait
	wAsleep                 // in the kernel
	wFollow                 // on the channel
	wHandOver               // woken: let the next goroutine look
	wRetry                  // look after a sleep
	wHold                   // acknowledge
	wLeave                  // Stop: take the node out of the gate
	wMore                   // is there more?
	wRing                   // choose somebody
	wWake                   // wake the chosen one
	wGone                   // leaving for good: see Leaves
	wDone
)

// What a ringer does next.
const (
	rPublish bellPC = iota
	rRing
	rWake
	rDone
)

// Each process is alive, dead and to be repaired, or gone.
const (
	alive = iota
	dead
	gone
)

// waiter is a goroutine. A node that is in the gate may be asleep, or about to be.
type waiter struct {
	pc     bellPC
	seq    uint8
	chosen uint8 // the process that it is about to wake, when it rings
	node   bool  // announced: in the gate's list
	token  bool  // in its channel
	cancel bool
	holds  bool
}

type ringer struct {
	pc     bellPC
	sent   uint8
	chosen uint8
	life   uint8
}

type place struct {
	life   uint8
	bit    bool
	cell   uint8
	leader uint8 // waiter+1
}

// mender is the goroutine of some survivor that repairs after a death.
type mender struct {
	on   bool
	by   uint8 // an index of persons: places, then ringers
	dead uint8
	at   uint8
	half bool // the bit is cleared, the cell not yet moved on
}

// bellState is comparable, and small.
type bellState struct {
	ready   uint8
	waiters [maxWaiters]waiter
	ringers [maxRingers]ringer
	places  [maxBells]place
	mend    mender
	deaths  uint8
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
	s.places[i].leader = 0
	for w, p := range b.Waiters {
		if p == i {
			s.waiters[w] = waiter{pc: wDone, holds: s.waiters[w].holds}
		}
	}
}

// choose takes the bits in some order, as turn would have it: all are tried.
func (b *Bell) choose(s bellState, each func(to bellState, chosen int)) {
	any := false
	for i := range b.places() {
		if s.places[i].bit {
			any = true
			to := s
			to.places[i].bit = false
			each(to, i)
		}
	}
	if !any {
		each(s, -1)
	}
}

// wakeUp adds one to a cell and ends the sleep of who sleeps on it.
func (b *Bell) wakeUp(s *bellState, place int) {
	if !b.Breaks.WakeOnly {
		s.places[place].cell++
	}
	for w, p := range b.Waiters {
		if p == place && s.waiters[w].pc == wAsleep {
			s.waiters[w].pc = wHandOver
		}
	}
}

func (b *Bell) ring(s bellState, i int, yield bellYield) {
	r := &s.ringers[i]
	who := func(what string) Label { return Label{Who: ringerNames[i], What: what} }
	switch r.pc {
	case rPublish:
		s.ready++
		r.sent++
		r.pc = rRing
		yield(who("publishes a message"), s, nil)
	case rRing:
		b.choose(s, func(to bellState, chosen int) {
			t := &to.ringers[i]
			if chosen < 0 {
				b.rung(t)
				yield(who("finds no bit set"), to, nil)
				return
			}
			t.chosen, t.pc = uint8(chosen), rWake
			yield(who("clears the bit of "+processNames[chosen]), to, nil)
		})
	case rWake:
		b.wakeUp(&s, int(r.chosen))
		b.rung(r)
		yield(who("wakes"), s, nil)
	}
}

func (b *Bell) rung(r *ringer) {
	r.chosen, r.pc = 0, rPublish
	if int(r.sent) == b.Messages {
		r.pc = rDone
	}
}

// Final is a lost wake-up if somebody sleeps although there is a message.
func (b *Bell) Final(s bellState) error {
	for i, p := range b.Waiters {
		w := s.waiters[i]
		if s.ready > 0 && s.places[p].life == alive && (w.pc == wAsleep || w.pc == wFollow) {
			return fmt.Errorf("lost wake-up: waiter %d sleeps for ever, and %d messages are there", i, s.ready)
		}
	}
	if s.ready == 0 && int(s.cancels) == 0 && s.deaths == 0 && b.Messages*b.Ringers >= len(b.Waiters) {
		for i := range b.Waiters {
			if s.waiters[i].pc != wDone {
				return errors.New("a message was taken twice, or lost")
			}
		}
	}
	return nil
}
