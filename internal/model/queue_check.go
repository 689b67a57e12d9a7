package model

import (
	"errors"
	"fmt"
)

// readyNow is the set of messages that are Ready.
func (q *Queue) readyNow(s *queueState) (set uint16) {
	for i := range q.Slots {
		if sl := &s.slots[i]; sl.phase == ready {
			set |= bit(sl.id)
		}
	}
	return set
}

// there is the set of messages that a call of TryReceive must find if nobody
// else takes them. A message on its way back is there when its return is done.
func (q *Queue) there(s *queueState) uint16 {
	set := q.readyNow(s)
	for i := range s.actors {
		set &^= s.actors[i].back
	}
	return set
}

// witness notes, for every call under way, what its answer may be.
func (q *Queue) witness(s *queueState) {
	now, full := q.readyNow(s), q.full(s)
	for i := range q.Scripts {
		a := &s.actors[i]
		a.at.must &= now
		if a.life == alive && (a.pc == loadSlot || a.pc == seeSeg) && full {
			a.at.full = true
		}
	}
}

// full tells whether a TrySend may find the queue full: all slots are held. A
// ring has one more reason. A message that was overtaken, because it was
// published or returned late, is in the way of the tail when that comes round,
// though the slots behind it may be free. The slots of a segment that is leaving
// are in the hands of who gives its memory back.
func (q *Queue) full(s *queueState) bool {
	held := 0
	for i := range q.Slots {
		sl := q.standing(s, i)
		if sl.phase != free || q.Segment > 0 && s.segs[i/q.Segment].state == segLeaving {
			held++
		}
		for k := range q.Slots {
			o := q.standing(s, k)
			if sl.phase == ready && o.phase == free && ahead(o.pos, sl.pos) > q.Slots && !q.Breaks.StrictlyFull {
				return true
			}
		}
	}
	return held == q.Slots
}

// taken checks and notes that actor i has claimed a message.
func (q *Queue) taken(s *queueState, i int, id uint8) error {
	switch s.fate[id-1] {
	case unsent:
		return fmt.Errorf("actor %d received message %d, which was never sent", i, id)
	case received:
		return fmt.Errorf("actor %d received message %d, which had been received", i, id)
	case withdrawn:
		return fmt.Errorf("actor %d received message %d, which had been withdrawn", i, id)
	case published:
		s.fate[id-1] = touched
		late := &s.actors[i].late[senderOf(id)]
		if numberOf(id) <= *late {
			return fmt.Errorf("actor %d received the messages of %d out of order: number %d after %d", i, senderOf(id), numberOf(id), *late)
		}
		*late = numberOf(id)
	}
	return nil
}

// Final lets a newcomer, and every survivor with all that it remembers, take
// what is left and fill the queue again.
func (q *Queue) Final(s queueState) error {
	if q.readyNow(&s) != 0 && !q.more(&s) {
		return errors.New("a message is there, but who looks whether there is more, to ring on, does not see it")
	}
	if err := q.shrunk(&s); err != nil {
		return err
	}
	views := []actor{{head: s.head, tail: s.tail}}
	for i := range q.Scripts {
		if a := s.actors[i]; a.life == alive {
			views = append(views, actor{head: a.head, tail: a.tail})
		}
	}
	for i, v := range views {
		if err := q.drain(s, v); err != nil {
			who := "a newcomer"
			if i > 0 {
				who = "a survivor"
			}
			return fmt.Errorf("in the end, as %s sees it: %w", who, err)
		}
	}
	return nil
}

// more tells whether a message is there. The shared head may be laps behind.
func (q *Queue) more(s *queueState) bool {
	if !q.Breaks.MoreOneLap {
		return q.readyNow(s) != 0
	}
	for i := range q.Slots {
		pos := s.head.pos + uint8(i)
		sl := s.slots[q.index(pos)]
		switch d := ahead(sl.pos, pos); {
		case d < 0 || d == 0 && sl.phase == free:
			return false
		case d == 0 && sl.phase == ready:
			return true
		}
	}
	return false
}

// drain receives all and then sends as much as fits, as one actor alone.
func (q *Queue) drain(s queueState, view actor) error {
	left := 0
	for _, f := range s.fate {
		if f == published || f == touched {
			left++
		}
	}
	for i := range s.actors {
		s.actors[i] = actor{life: gone}
	}
	s, err := q.alone(s, view, Recv, left+1)
	if err != nil {
		return err
	}
	for i, f := range s.fate {
		if f == published || f == touched {
			return fmt.Errorf("message %d is lost", i+1)
		}
	}
	for i := range q.Slots {
		if p := s.slots[i].phase; p != free && (p != 0 || q.Segment == 0) {
			return fmt.Errorf("slot %d is lost: %v", i, s.slots[i].word)
		}
	}
	// The messages to come have the ids of old ones.
	for i := range s.slots {
		s.slots[i].id += 100
	}
	for i := range s.units {
		s.units[i].id += 100
	}
	clear(s.fate[:])
	room := q.Slots
	if q.Units > 0 {
		room = min(room, q.Units)
	}
	view.head = s.actors[0].head
	if s, err = q.alone(s, view, Send, room); err != nil {
		return err
	}
	for i := range room {
		if s.fate[i] != published {
			return fmt.Errorf("the queue holds only %d of %d messages", i, room)
		}
	}
	return nil
}

// alone lets an actor make n calls with nobody else about.
func (q *Queue) alone(s queueState, who actor, op Op, n int) (queueState, error) {
	script := make([]Op, n)
	for i := range script {
		script[i] = op
	}
	one := &Queue{Slots: q.Slots, Segment: q.Segment, Units: q.Units, Scripts: [][]Op{script}, Breaks: q.Breaks}
	s.actors[0] = actor{tail: who.tail, head: who.head}
	one.begin(&s, 0)
	for range 1000 {
		if s.actors[0].pc == done {
			return s, nil
		}
		var next queueState
		var broken error
		one.Steps(s, func(_ Label, to queueState, err error) { next, broken = to, err })
		if broken != nil {
			return s, broken
		}
		s = next
	}
	return s, errors.New("a call does not come to its end")
}
