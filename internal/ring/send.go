package ring

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/crash"
	"github.com/isthmus-ipc/isthmus/internal/race"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/wait"
)

// outgoing is a message on its way into the ring.
type outgoing struct {
	m     *isthmus.Message
	size  int
	flags uint16
	run   run  // of a larger message, once there is one
	lent  bool // the run is a loan's, filled already
	id    uint64
	at    uint64 // the slot's index, once it is posted
}

func (q *Queue) outgoing(m *isthmus.Message, flags uint16) (outgoing, error) {
	o := outgoing{m: m, size: len(m.Data), flags: flags, id: uint64(q.sender())}
	switch {
	case uint64(o.size) > q.shape.maxMessage:
		return o, fmt.Errorf("%w: the message has %d bytes, at most %d are allowed (MaxMessage, at creation)", isthmus.ErrTooLarge, o.size, q.shape.maxMessage)
	case m.Priority != 0:
		return o, fmt.Errorf("priority %d: %w: messages are received in the order in which they were sent", m.Priority, errors.ErrUnsupported)
	}
	if o.size > inlineBytes {
		o.flags |= flagExternal
		o.id = q.newID()
	} else if flags&flagDeliver != 0 {
		o.id = q.newID()
	}
	q.becomes(roleSender)
	return o, nil
}

// becomes notes, for Stat, what this handle does.
func (q *Queue) becomes(role uint32) {
	if q.roles.Load()&role == 0 {
		q.roles.Or(role)
		q.self.roles.Or(role)
	}
}

// store puts a larger message's payload into the arena. It is ErrFull if there
// is no room there.
func (q *Queue) store(o *outgoing) error {
	if o.flags&flagExternal == 0 || o.run.count != 0 {
		return nil
	}
	r, err := q.borrow(o.size)
	if err != nil {
		return err
	}
	o.run = r
	mem, err := q.bytes(r, uint32(o.size))
	if err != nil {
		return err
	}
	copy(mem, o.m.Data)
	crash.Point("send.stored")
	return nil
}

// drop gives back what store took, of a message that was not sent.
func (q *Queue) drop(o *outgoing) {
	if o.run.count != 0 && !o.lent {
		q.giveBack(o.run)
		o.run = run{}
		q.ringRoom(0)
	}
}

// post puts a message into the ring. It is ErrFull if there is no room.
func (q *Queue) post(o *outgoing, thorough bool) (*slot, error) {
	if err := q.store(o); err != nil {
		return nil, err
	}
	sl, pos, err := q.reserve(writing, thorough)
	if err != nil {
		return nil, err
	}
	o.at = q.index(pos)
	if err := q.commit(sl, o); err != nil {
		return nil, err
	}
	q.ringMessage(pos)
	return sl, nil
}

// commit fills a slot that this handle is writing, and makes it Ready.
func (q *Queue) commit(sl *slot, o *outgoing) error {
	sl.id = o.id
	sl.size, sl.flags, sl.attempts = uint32(o.size), o.flags, 0
	sl.typ, sl.priority = o.m.Type, o.m.Priority
	sl.pid, sl.uid, sl.gid = q.pid, q.uid, q.gid
	if o.flags&flagExternal == 0 {
		copy(sl.inline[:], o.m.Data)
	} else {
		setRun(sl, o.run)
		q.bind(o.run, q.index(posOf(sl.state.Load())), o.id)
		o.run = run{}
	}
	crash.Point("send.filled")
	race.Release()
	if _, err := q.move(sl, writing, 0, ready, 0); err != nil {
		return err
	}
	crash.Point("send.published")
	atomic.AddUint64(&q.self.sent, 1)
	return nil
}

// TrySend sends m if there is room, or at capacity zero if a receiver waits.
func (q *Queue) TrySend(m *isthmus.Message) (err error) {
	defer q.r.Guard(region.Faults(), &err)
	if q.postFast(m) {
		return nil
	}
	if err := q.enter(); err != nil {
		return err
	}
	defer q.left()
	o, err := q.outgoing(m, 0)
	if err != nil {
		return err
	}
	return q.trySend(&o)
}

func (q *Queue) trySend(o *outgoing) error {
	if q.shape.mode == modeZero {
		return q.give(o)
	}
	_, err := q.post(o, false)
	if isFull(err) {
		q.peers.sync(q)
		_, err = q.post(o, true)
	}
	if err != nil {
		q.drop(o)
	}
	return err
}

// Send waits for room and sends m; at capacity zero it waits for the receipt.
func (q *Queue) Send(ctx context.Context, m *isthmus.Message) (err error) {
	defer q.r.Guard(region.Faults(), &err)
	if q.postFast(m) {
		return nil
	}
	if err := q.enter(); err != nil {
		return err
	}
	defer q.left()
	if q.shape.mode == modeZero {
		return q.deliver(ctx, m)
	}
	o, err := q.outgoing(m, 0)
	if err != nil {
		return err
	}
	if _, err = q.post(&o, false); isFull(err) {
		_, err = q.postWhenRoom(ctx, &o)
	}
	return err
}

// postWhenRoom waits for room and posts.
func (q *Queue) postWhenRoom(ctx context.Context, o *outgoing) (sl *slot, err error) {
	w := q.gates[bellRoom].Start(ctx)
	defer w.Stop() // after a fault; else stop does it
	for {
		sl, err = q.post(o, w.Parked())
		if !isFull(err) {
			break
		}
		if err = q.next(&w); err != nil {
			break
		}
		if !w.Parked() {
			q.glanceAhead()
		}
	}
	if err != nil {
		q.drop(o)
	}
	q.stop(&w, bellRoom)
	return sl, err
}

// stop ends a wait for a bell, and rings on: this goroutine may have been
// chosen for something that it did not take.
func (q *Queue) stop(w *wait.Waiter, bell int) {
	parked := w.Parked()
	w.Stop()
	if !parked {
		return
	}
	switch {
	case bell == bellMessage && q.more():
		q.ringMessage(uint64(q.me) + 1)
	case bell == bellRoom && q.room():
		q.ringRoom(uint64(q.me) + 1)
	}
}

// room tells whether the slot at the tail is free, roughly.
func (q *Queue) room() bool {
	t := q.control.tail.Load() & posMask
	if !q.there(t) {
		return true // whether there is memory is known when one tries
	}
	s := q.at(t).state.Load()
	return ahead(posOf(s), t) >= 0 || phaseOf(s) != ready
}

// ringMessage wakes a receiver that waits for a message. Of an inbox that is its
// owner: others may wait at the same bell, for its end, and want no message.
func (q *Queue) ringMessage(turn uint64) {
	if q.inbox() {
		q.bells[bellMessage].RingTo(0)
	} else {
		q.bells[bellMessage].Ring(turn)
	}
}

// ringRoom wakes a sender that waits for room; all of them if they may need
// different amounts of it.
func (q *Queue) ringRoom(turn uint64) {
	if len(q.units) > 0 {
		q.bells[bellRoom].RingEach()
	} else {
		q.bells[bellRoom].Ring(turn)
	}
}

// Deliver sends m and waits for the receipt.
func (q *Queue) Deliver(ctx context.Context, m *isthmus.Message) (err error) {
	if err := q.enter(); err != nil {
		return err
	}
	defer q.exit(region.Faults(), &err)
	return q.deliver(ctx, m)
}

func (q *Queue) deliver(ctx context.Context, m *isthmus.Message) error {
	o, err := q.outgoing(m, flagDeliver)
	if err != nil {
		return err
	}
	return q.deliverOut(ctx, &o)
}

func (q *Queue) deliverOut(ctx context.Context, o *outgoing) error {
	sl, err := q.post(o, false)
	if isFull(err) {
		sl, err = q.postWhenRoom(ctx, o)
	}
	if err != nil {
		return err
	}
	w := q.gates[bellReceipt].Start(ctx)
	defer w.Stop()
	for !q.settled(sl, o) {
		err := q.next(&w)
		if err == nil {
			continue
		}
		died := loadAttempts(sl) > 0
		if !q.withdraw(sl, o.id) {
			return nil // a receiver has it in its hands, or had it
		}
		if died {
			err = fmt.Errorf("%w: %w: a receiver that had the message died or returned it, and no other came", err, isthmus.ErrPeerDied)
		}
		return err
	}
	return nil
}

// settled tells whether the message with this id has left its slot. After it
// was published its slot was never Writing, Offered or Free while it was there.
func (q *Queue) settled(sl *slot, o *outgoing) bool {
	if len(q.segs) > 0 && phaseOf(q.segs[o.at/q.shape.segment].Load()) != segReady {
		return true // to look would give its memory back to it
	}
	switch phaseOf(sl.state.Load()) {
	case ready, claimed:
		return loadID(sl) != o.id
	}
	return true
}

// withdraw takes a message that no receiver has back out of the ring.
func (q *Queue) withdraw(sl *slot, id uint64) bool {
	s := sl.state.Load()
	if phaseOf(s) != ready || loadID(sl) != id {
		return false
	}
	if !sl.state.CompareAndSwap(s, word((posOf(s)+uint64(len(q.slots)))&posMask, 0, free)) {
		return false
	}
	crash.Point("deliver.withdrawn")
	atomic.AddUint64(&q.self.sent, ^uint64(0))
	q.drained(posOf(s))
	q.ringRoom(uint64(q.me))
	return true
}

// give sends a message for which a receiver waits, at capacity zero. It takes a
// place of its own at the tail, not the offer's, so that a sender's messages
// keep their order; and it takes up an offer only when it has that place. The
// message is for whoever comes to it first, which need not be the one who made
// the offer: if it were kept for that one, others would meet later messages of
// the same sender before.
func (q *Queue) give(o *outgoing) error {
	if !q.offered() {
		return isthmus.ErrFull
	}
	if err := q.store(o); err != nil {
		return err
	}
	o.flags |= flagGift
	sl, _, err := q.reserve(writing, true)
	if err != nil {
		q.drop(o)
		return err
	}
	to, ok := q.accept()
	if !ok {
		q.drop(o)
		_ = q.release(sl, writing)
		return isthmus.ErrFull
	}
	crash.Point("give.accepted")
	return q.gift(sl, o, to)
}

// gift sends the message for which receiver to has waited, and may wait still:
// that one is rung first. If it has left, served by another sender, others wait.
func (q *Queue) gift(sl *slot, o *outgoing, to int) error {
	if err := q.commit(sl, o); err != nil {
		return err
	}
	q.ringMessage(uint64(to))
	return nil
}

// offered tells whether a receiver offers to take a gift.
func (q *Queue) offered() bool {
	for i := range q.slots {
		if phaseOf(q.slots[i].state.Load()) == offered {
			return true
		}
	}
	return false
}

// accept takes up an offer, and tells whose it was.
func (q *Queue) accept() (to int, ok bool) {
	n := uint64(len(q.slots))
	h := q.control.head.Load() & posMask
	for i := range n {
		sl := q.at(h + i)
		s := sl.state.Load()
		to := ownerOf(s)
		if phaseOf(s) == offered && to < len(q.parts) && sl.state.CompareAndSwap(s, word((posOf(s)+n)&posMask, 0, free)) {
			return to, true
		}
	}
	return 0, false
}

// setRun notes where the payload lies, in the place of an inline one.
func setRun(sl *slot, r run) {
	binary.LittleEndian.PutUint32(sl.inline[0:], r.first)
	binary.LittleEndian.PutUint32(sl.inline[4:], r.count)
}
