package ring

import (
	"sync/atomic"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/crash"
	"github.com/isthmus-ipc/isthmus/internal/race"
)

// The straight paths: a small message, and nobody in the way. They make the
// moves of turn.go that reserve, commit, search and lift make, and no others;
// when anything is unusual they do nothing and leave it to those.

// postFast sends m if it is small and the slot at the tail is free, and tells
// whether it did.
//
// It does not enter, which would cost as much as the rest. So Close, when it
// has forbidden new calls, waits for the slots that this handle is writing; and
// who finds, having claimed a slot, that the handle was closed, lets go of it.
func (q *Queue) postFast(m *isthmus.Message) bool {
	if len(m.Data) > inlineBytes || m.Priority != 0 || q.shape.mode == modeZero || q.gone() != nil {
		return false
	}
	me := &q.parts[q.me]
	t := me.tail & posMask
	if shared := q.control.tail.Load() & posMask; ahead(shared, t) > 0 {
		t = shared
	}
	sl := q.at(t)
	if !q.there(t) || !sl.state.CompareAndSwap(word(t, 0, free), word(t, q.me, writing)) {
		return false
	}
	crash.Point("fast.claimed")
	if q.gone() != nil {
		_ = q.release(sl, writing) // not Free(t) again: others may have gone past it
		return false
	}
	q.sentAt(me, t, t, 0)
	sl.id = uint64(q.sender())
	sl.size, sl.flags, sl.attempts = uint32(len(m.Data)), 0, 0
	sl.typ, sl.priority = m.Type, 0
	sl.pid, sl.uid, sl.gid = q.pid, q.uid, q.gid
	copy(sl.inline[:], m.Data)
	crash.Point("fast.filled")
	race.Release()
	if !sl.state.CompareAndSwap(word(t, q.me, writing), word(t, 0, ready)) && q.publish(sl) != nil {
		return false
	}
	crash.Point("fast.published")
	atomic.AddUint64(&me.sent, 1)
	if q.roles.Load()&roleSender == 0 {
		q.becomes(roleSender)
	}
	q.bells[bellMessage].Ring(t)
	return true
}

// liftFast receives a small message if the slot at the head holds one, and
// tells whether it did.
func (q *Queue) liftFast(buf []byte, own bool, m *isthmus.Message) bool {
	if q.opts.Owner || q.gone() != nil {
		return false
	}
	me := &q.parts[q.me]
	hw, mine := q.control.head.Load(), me.head
	if mine>>posBits != hw>>posBits || ahead(mine&posMask, hw&posMask) < 0 {
		mine = hw
	}
	h := mine & posMask
	if !q.there(h) {
		return false
	}
	sl := q.at(h)
	if sl.state.Load() != word(h, 0, ready) {
		return false
	}
	size := loadSize(sl) // after the state: it is this message's
	if size > inlineBytes || loadFlags(sl) != 0 || !own && int(size) > len(buf) {
		return false
	}
	if own {
		buf = make([]byte, size)
	}
	m.Data = buf[:size]
	copy(m.Data, sl.inline[:size])
	q.describe(sl, m)
	if !sl.state.CompareAndSwap(word(h, 0, ready), word((h+uint64(len(q.slots)))&posMask, 0, free)) {
		return false
	}
	crash.Point("fast.lifted")
	race.Acquire()
	q.receivedUpTo(find{hw: hw, h: (h + 1) & posMask})
	atomic.AddUint64(&me.received, 1)
	if q.roles.Load()&roleReceiver == 0 {
		q.becomes(roleReceiver)
	}
	q.drained(h)
	q.ringRoom(h)
	return true
}

// liftSoon is liftFast for a message that comes within a microsecond or so,
// from a peer that is running on another CPU. Whoever parks does not get here.
func (q *Queue) liftSoon(buf []byte, own bool, m *isthmus.Message) bool {
	g := q.gates[bellMessage]
	if !g.MaySpin() {
		return false
	}
	for range soon {
		if q.glance() && q.liftFast(buf, own, m) {
			g.Spun()
			return true
		}
	}
	return false
}

const soon = 16
