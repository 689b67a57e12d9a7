package ring

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/crash"
	"github.com/isthmus-ipc/isthmus/internal/race"
	"github.com/isthmus-ipc/isthmus/internal/region"
)

// What a slot holds besides its state is written by whoever holds the slot;
// in a sane region that is this handle when it reads. Each is loaded once.
func loadSize(sl *slot) uint32 { return atomic.LoadUint32(&sl.size) }

// flags and attempts share a word with each other: two loads of 16 bits that
// the compiler may not split.
func loadFlags(sl *slot) uint16    { return sl.flags }
func loadAttempts(sl *slot) uint16 { return sl.attempts }

// request is what a receiver asks for: a claim, or a copy.
type request struct {
	f    Source
	copy bool
	buf  []byte // to copy into; nil: into memory of its own
	own  bool

	run run             // where the copied message lay
	sl  *slot           // the claim
	msg isthmus.Message // the copy
}

// get tries to serve r. It is ErrEmpty if there is no message for it.
func (q *Queue) get(r *request) (err error) {
	if !q.opts.Owner && q.surelyEmpty() {
		return isthmus.ErrEmpty
	}
	if q.opts.Owner {
		return q.pick(r)
	}
	if r.copy {
		done, err := q.lift(r)
		if done || err != nil {
			return err
		}
	}
	r.sl, err = q.claim()
	return err
}

// liftMax is the size up to which a message is copied before it is taken. The
// copies of those who come second are lost.
const liftMax = 4 << 10

// lostCopy is what a copy that came second costs of a call's patience.
const lostCopy = 64

// lift copies the first message, if it is small, and takes it.
func (q *Queue) lift(r *request) (done bool, err error) {
	for left := q.patience(); ; left -= lostCopy {
		found, err := q.search(&left)
		if err != nil {
			return false, err
		}
		sl := found.sl
		if loadSize(sl) > liftMax {
			return false, nil
		}
		flags, id := loadFlags(sl), loadID(sl)
		err = q.copyOut(sl, r)
		if err != nil && sl.state.Load() == found.s {
			return true, q.spoilt(sl, found.s, err)
		}
		to := word((posOf(found.s)+uint64(len(q.slots)))&posMask, 0, free)
		if !sl.state.CompareAndSwap(found.s, to) {
			continue
		}
		crash.Point("receive.lifted")
		race.Acquire()
		q.took(found)
		if len(q.segs) > 0 && flags&flagExternal != 0 {
			q.unbind(r.run, q.index(posOf(found.s)), id)
		}
		q.drained(posOf(found.s))
		q.received(flags, id)
		return true, nil
	}
}

// spoilt deals with a message that cannot be copied out. If it is just too
// large for the buffer it stays; if it is nonsense it goes.
func (q *Queue) spoilt(sl *slot, s uint64, err error) error {
	if errors.Is(err, isthmus.ErrCorrupt) && sl.state.CompareAndSwap(s, word((posOf(s)+uint64(len(q.slots)))&posMask, 0, free)) {
		q.drained(posOf(s))
	}
	return err
}

// copyOut copies a message out, all of it.
func (q *Queue) copyOut(sl *slot, r *request) error {
	r.run = runOf(sl)
	mem, err := q.payload(sl)
	if err != nil {
		return err
	}
	switch {
	case r.own:
		r.msg.Data = make([]byte, len(mem))
	case len(mem) > len(r.buf):
		return fmt.Errorf("%w: the message has %d bytes, the buffer %d: it stays where it is", isthmus.ErrTooLarge, len(mem), len(r.buf))
	default:
		r.msg.Data = r.buf[:len(mem)]
	}
	copy(r.msg.Data, mem)
	q.describe(sl, &r.msg)
	return nil
}

// serve serves r without waiting, thoroughly. The caller has entered.
func (q *Queue) serve(r *request) error {
	q.becomes(roleReceiver)
	err := q.get(r)
	if err == isthmus.ErrEmpty {
		q.shrink()
		q.peers.sync(q)
		if q.more() {
			err = q.get(r)
		}
	}
	return err
}

// await serves r, and waits until it can. The caller has entered.
func (q *Queue) await(ctx context.Context, r *request) (err error) {
	q.becomes(roleReceiver)
	if err := q.get(r); err != isthmus.ErrEmpty {
		return err
	}
	q.shrink()
	var hand hand // offered, at capacity zero
	w := q.gates[bellMessage].Start(ctx)
	defer w.Stop() // after a fault; else stop does it
	for {
		if err = q.next(&w); err != nil {
			break
		}
		if !w.Parked() {
			_, _ = q.glance()
		}
		if err = q.get(r); err != isthmus.ErrEmpty {
			break
		}
		if w.Parked() && q.shape.mode == modeZero && r.f == Anyone && !q.stands(hand) {
			if hand, err = q.offer(); err != nil {
				break
			}
		}
	}
	if hand.sl != nil && !q.unoffer(hand) && err != nil && q.awaitGift(r) {
		err = nil // a sender took the offer up just now: that is a message after all
	}
	q.stop(&w, bellMessage)
	return err
}

// hand is an offer to take a gift: a slot, and the id that tells this offer
// from others that the handle may make there.
type hand struct {
	sl *slot
	id uint64
}

// offer makes an offer, unless there are many already: then the slots are
// needed for messages.
func (q *Queue) offer() (hand, error) {
	offers := 0
	for i := range q.slots {
		if phaseOf(q.slots[i].state.Load()) == offered {
			offers++
		}
	}
	if offers >= len(q.slots)/2 {
		return hand{}, nil
	}
	sl, _, err := q.reserve(offered, true)
	if isFull(err) {
		return hand{}, nil
	}
	if err != nil {
		return hand{}, err
	}
	h := hand{sl, q.newID()}
	sl.id = h.id
	crash.Point("receive.offered")
	return h, nil
}

// stands tells whether an offer is still there.
func (q *Queue) stands(h hand) bool {
	if h.sl == nil {
		return false
	}
	s := h.sl.state.Load()
	return phaseOf(s) == offered && ownerOf(s) == q.me && loadID(h.sl) == h.id
}

// awaitGift takes the gift of a sender that has just taken an offer up, and is
// about to fill it in; it waits for the moment that this takes.
func (q *Queue) awaitGift(r *request) bool {
	for range 1000 {
		if q.get(r) == nil {
			return true
		}
		runtime.Gosched()
	}
	return false
}

// unoffer takes an offer back, and tells whether it still could.
func (q *Queue) unoffer(h hand) bool {
	for range maxTries {
		s := h.sl.state.Load()
		if !q.stands(h) {
			return false
		}
		if h.sl.state.CompareAndSwap(s, word((posOf(s)+uint64(len(q.slots)))&posMask, 0, free)) {
			q.ringRoom(posOf(s))
			return true
		}
	}
	return false
}

func runOf(sl *slot) run {
	return run{binary.LittleEndian.Uint32(sl.inline[0:]), binary.LittleEndian.Uint32(sl.inline[4:])}
}

// payload is the message's bytes where they lie, in shared memory.
func (q *Queue) payload(sl *slot) ([]byte, error) {
	size, flags := loadSize(sl), loadFlags(sl)
	if uint64(size) > q.shape.maxMessage {
		return nil, fmt.Errorf("%w: a message of %d bytes where %d are allowed", isthmus.ErrCorrupt, size, q.shape.maxMessage)
	}
	if flags&flagExternal != 0 {
		return q.bytes(runOf(sl), size)
	}
	if size > inlineBytes {
		return nil, fmt.Errorf("%w: a message of %d bytes in a slot", isthmus.ErrCorrupt, size)
	}
	return sl.inline[:size:size], nil
}

// describe fills in all but the data.
func (q *Queue) describe(sl *slot, m *isthmus.Message) {
	m.Type, m.Priority = sl.typ, sl.priority
	m.From = q.whoIs(senderOf(loadID(sl)), sl)
	m.Redelivered = int(loadAttempts(sl))
}

// whoIs is a sender's identity. It is told as long as nobody else has its
// place, which in an inbox is at least as long as it has messages there.
func (q *Queue) whoIs(s sender, sl *slot) isthmus.Identity {
	i := int(s >> 32 & 0xffff)
	if i < len(q.parts) {
		if known := &(*q.known.Load())[i]; known.sender == s {
			return known.id
		}
		if gen := q.parts[i].gen.Load() & genMask; makeSender(i, gen) == s {
			return q.meet(i, gen)
		}
	}
	return isthmus.Identity{PID: int(sl.pid), UID: int(sl.uid), GID: int(sl.gid)}
}

// meet finds out who participant i is, and remembers it.
func (q *Queue) meet(i int, gen uint32) isthmus.Identity {
	p := &q.parts[i]
	name := string(p.name[:min(p.nlen.Load(), region.MaxName)])
	id := isthmus.Identity{PID: int(p.pid.Load()), UID: int(p.uid.Load()), GID: int(p.gid.Load()), Name: name}
	if p.ns.Load() == q.self.ns.Load() && p.fd.Load() > 0 {
		id.Verified = q.r.HeldBy(i, id.PID, int(p.fd.Load()-1), id.UID, id.GID)
	}
	for {
		old := q.known.Load()
		known := append([]acquaintance(nil), *old...)
		known[i] = acquaintance{makeSender(i, gen), id}
		if p.gen.Load()&genMask != gen || q.known.CompareAndSwap(old, &known) {
			return id
		}
	}
}

// acknowledge ends a claim: the message is received.
func (q *Queue) acknowledge(sl *slot) error {
	flags, id, run := loadFlags(sl), loadID(sl), runOf(sl)
	crash.Point("receive.acknowledging")
	pos, err := q.move(sl, claimed, 0, free, uint64(len(q.slots)))
	if err != nil {
		return err
	}
	crash.Point("receive.acknowledged")
	if len(q.segs) > 0 && flags&flagExternal != 0 {
		q.unbind(run, q.index(pos), id)
	}
	q.drained(pos)
	q.received(flags, id)
	return nil
}

// received tells whom it concerns that a message is received.
func (q *Queue) received(flags uint16, id uint64) {
	atomic.AddUint64(&q.self.received, 1)
	if to := int(id >> 32 & 0xffff); flags&flagDeliver != 0 && to < len(q.parts) {
		q.bells[bellReceipt].RingTo(to)
	}
	q.ringRoom(id)
}

// restore ends a claim: the message is there again, before all later ones.
func (q *Queue) restore(sl *slot, counted bool) error {
	if q.opts.Owner {
		q.putBack(sl)
		return nil
	}
	a := loadAttempts(sl)
	if counted {
		a = countOne(sl)
	}
	race.Release()
	pos, err := q.move(sl, claimed, cameBack(a), ready, 0)
	if err != nil {
		return err
	}
	crash.Point("return.ready")
	q.goBack(pos)
	q.ringMessage(pos)
	return nil
}

// finish ends a request for a copy: what was claimed is copied out and acknowledged.
func (q *Queue) finish(r *request, err error) error {
	if err != nil || r.sl == nil {
		return err
	}
	if err := q.copyOut(r.sl, r); err != nil {
		if errors.Is(err, isthmus.ErrCorrupt) {
			_ = q.release(r.sl, claimed) // nobody can read it
		} else {
			_ = q.restore(r.sl, false)
		}
		return err
	}
	crash.Point("receive.copied")
	return q.acknowledge(r.sl)
}

// Receive waits for a message that f wants, and puts it into m: into buf, or
// if own is set into memory of its own.
func (q *Queue) Receive(ctx context.Context, f Source, buf []byte, own bool, m *isthmus.Message) (err error) {
	defer q.r.Guard(region.Faults(), &err)
	if f == Anyone && (q.liftFast(buf, own, m) || q.liftSoon(buf, own, m)) {
		return nil
	}
	if err := q.enter(); err != nil { // what it claims, or shrinks, is held in this handle's name
		return err
	}
	defer q.left()
	r := request{f: f, copy: true, buf: buf, own: own}
	err = q.finish(&r, q.await(ctx, &r))
	*m = r.msg
	return err
}

// TryReceive is Receive if there is a message, and ErrEmpty otherwise.
func (q *Queue) TryReceive(f Source, buf []byte, own bool, m *isthmus.Message) (err error) {
	defer q.r.Guard(region.Faults(), &err)
	if f == Anyone && q.liftFast(buf, own, m) {
		return nil
	}
	if err := q.enter(); err != nil { // what it claims, or shrinks, is held in this handle's name
		return err
	}
	defer q.left()
	r := request{f: f, copy: true, buf: buf, own: own}
	err = q.finish(&r, q.serve(&r))
	*m = r.msg
	return err
}
