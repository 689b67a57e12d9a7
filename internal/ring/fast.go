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
	if len(m.Data) > inlineBytes || m.Priority != 0 || q.shape.mode == modeZero || !q.open() {
		return false
	}
	me := q.self
	t, shared := me.tail&posMask, q.control.tail.Load()&posMask
	if ahead(shared, t) > 0 {
		t = shared
	}
	if !q.there(t) {
		return false
	}
	sl := q.at(t)
	if !sl.state.CompareAndSwap(word(t, 0, free), word(t, q.me, writing)) {
		return false
	}
	crash.Point("fast.claimed")
	if q.closed() {
		_ = q.release(sl, writing) // not Free(t) again: others may have gone past it
		return false
	}
	if t%lazy == 0 || q.crowd.Load() > 0 {
		q.sentAt(me, t, t, 0)
	} else {
		me.tail = (t + 1) & posMask
	}
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
	if !q.bells[bellMessage].Quiet() {
		q.ringMessage(t)
	}
	atomic.AddUint64(&me.sent, 1)
	if q.roles.Load()&roleSender == 0 {
		q.becomes(roleSender)
	}
	return true
}

// open tells whether the straight paths may be taken; if not, gone tells why,
// or that only they may not.
func (q *Queue) open() bool {
	return !q.closed() && q.removed.Load() == 0 && (q.ownerGen == 0 || q.gone() == nil)
}

func (q *Queue) closed() bool { return q.calls.Load()&closedBit != 0 }

// liftFast receives a small message if the slot at the head holds one, and
// tells whether it did.
func (q *Queue) liftFast(buf []byte, own bool, m *isthmus.Message) bool {
	if q.opts.Owner || !q.open() {
		return false
	}
	me := q.self
	hw, mine := q.control.head.Load(), me.head
	if mine>>posBits != hw>>posBits || ahead(mine, hw) < 0 {
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
	if h%lazy == 0 || q.crowd.Load() > 0 {
		q.receivedUpTo(find{hw: hw, h: (h + 1) & posMask})
	} else {
		me.head = mine&^posMask | (h+1)&posMask
	}
	atomic.AddUint64(&me.received, 1)
	if q.roles.Load()&roleReceiver == 0 {
		q.becomes(roleReceiver)
	}
	q.drained(h)
	if !q.bells[bellRoom].Quiet() {
		q.ringRoom(h)
	}
	return true
}

// liftSoon is liftFast for a message that comes within a microsecond or so,
// from a peer that is running on another CPU. Whoever parks does not get here.
func (q *Queue) liftSoon(buf []byte, own bool, m *isthmus.Message) bool {
	g := q.gates[bellMessage]
	if !g.MaySpin() {
		return false
	}
	q.followBehind()
	for i := range soon {
		looks, ok := q.glance()
		if ok && q.liftFast(buf, own, m) {
			q.pace.cameSoon(looks + i*glances)
			g.Spun()
			return true
		}
	}
	return false
}
