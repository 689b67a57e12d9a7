package ring

import (
	"sync"
)

// Source says whose messages a receiver wants. The zero value wants anyone's.
type Source struct {
	Name string // of the participant
	PID  int
}

// Anyone is the source of all messages.
var Anyone Source

func (q *Queue) wants(f Source, sl *slot) bool {
	switch {
	case f.PID != 0:
		return q.whoIs(senderOf(loadID(sl)), sl).PID == f.PID
	case f.Name != "":
		return q.whoIs(senderOf(loadID(sl)), sl).Name == f.Name
	}
	return true
}

// keep is what the owner of an inbox has claimed while it was looking for
// messages of somebody else, in the order of the ring. It claims them, rather
// than leave them Ready, because a Ready slot holds the ring up when the tail
// comes round, and a claimed one does not. They count towards the capacity all
// the same. Nothing of this need survive a death: an inbox dies with its owner.
type keep struct {
	mu    sync.Mutex
	slots []*slot
}

// pick serves r from what was kept, or else from the ring, where it keeps what
// r does not want. The lock makes claiming and keeping one step, so that two
// goroutines cannot turn one sender's messages round.
func (q *Queue) pick(r *request) error {
	q.kept.mu.Lock()
	defer q.kept.mu.Unlock()
	for i, sl := range q.kept.slots {
		if q.wants(r.f, sl) {
			q.kept.slots = append(q.kept.slots[:i], q.kept.slots[i+1:]...)
			r.sl = sl
			return nil
		}
	}
	for {
		sl, err := q.claim()
		if err != nil {
			return err
		}
		if q.wants(r.f, sl) {
			r.sl = sl
			return nil
		}
		q.kept.slots = append(q.kept.slots, sl)
		q.ringRoom(0)               // a sender may pass over it now
		q.gates[bellMessage].Kick() // another goroutine may want it
	}
}

// putBack keeps a message again that pick gave out, before all others.
func (q *Queue) putBack(sl *slot) {
	q.kept.mu.Lock()
	q.kept.slots = append([]*slot{sl}, q.kept.slots...)
	q.kept.mu.Unlock()
	q.gates[bellMessage].Kick()
}
