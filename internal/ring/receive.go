package ring

import (
	"context"
	"encoding/binary"
	"fmt"
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

// take claims a message that f wants, without waiting.
func (q *Queue) take(f from) (*slot, error) {
	sl, err := q.claim(f)
	if err == isthmus.ErrEmpty {
		q.peers.sync(q)
		if q.more() {
			sl, err = q.claim(f)
		}
	}
	return sl, err
}

// await claims a message that f wants, and waits for it.
func (q *Queue) await(ctx context.Context, f from) (*slot, error) {
	q.becomes(roleReceiver)
	sl, err := q.claim(f)
	if err != isthmus.ErrEmpty {
		return sl, err
	}
	var hand *slot // offered, at capacity zero
	w := q.gates[bellMessage].Start(ctx)
	for {
		if err = q.next(&w); err != nil {
			break
		}
		if hand != nil {
			if sl = q.given(hand); sl != nil {
				hand = nil
				break
			}
		}
		if sl, err = q.claim(f); err != isthmus.ErrEmpty {
			break
		}
		if hand == nil && w.Parked() && q.shape.mode == modeZero && f == anyone {
			hand, _, err = q.reserve(offered, true)
			if err != nil && err != isthmus.ErrFull {
				break
			}
			crash.Point("receive.offered")
		}
	}
	if hand != nil && !q.unoffer(hand) && sl == nil {
		// A sender took the offer up just now: that is a message after all.
		if sl = q.given(hand); sl != nil {
			err = nil
		}
	}
	q.stop(&w, bellMessage)
	return sl, err
}

// given claims the message that a sender put into the slot that this handle
// had offered; nil if there is none yet.
func (q *Queue) given(hand *slot) *slot {
	for range maxTries {
		s := hand.state.Load()
		switch {
		case phaseOf(s) == ready:
			if hand.state.CompareAndSwap(s, word(posOf(s), q.me, claimed)) {
				race.Acquire()
				return hand
			}
		case phaseOf(s) == offered && ownerOf(s) == q.me:
			return nil
		default:
			return nil
		}
	}
	return nil
}

// unoffer takes an offer back, and tells whether it still could.
func (q *Queue) unoffer(hand *slot) bool {
	for range maxTries {
		s := hand.state.Load()
		if phaseOf(s) != offered || ownerOf(s) != q.me {
			return false
		}
		if hand.state.CompareAndSwap(s, word((posOf(s)+uint64(len(q.slots)))&posMask, 0, free)) {
			q.ringRoom(posOf(s))
			return true
		}
	}
	return false
}

// payload is the message's bytes where they lie, in shared memory.
func (q *Queue) payload(sl *slot) ([]byte, error) {
	size, flags := loadSize(sl), loadFlags(sl)
	if flags&flagExternal != 0 {
		return q.bytes(run{binary.LittleEndian.Uint32(sl.inline[0:]), binary.LittleEndian.Uint32(sl.inline[4:])}, size)
	}
	if size > inlineBytes {
		return nil, fmt.Errorf("%w: a message of %d bytes in a slot", isthmus.ErrCorrupt, size)
	}
	return sl.inline[:size:size], nil
}

// describe fills in all but the data.
func (q *Queue) describe(sl *slot, m *isthmus.Message) {
	m.Type, m.Priority = sl.typ, sl.priority
	m.From = isthmus.Identity{PID: int(sl.pid), UID: int(sl.uid), GID: int(sl.gid), Name: q.nameOf(senderOf(loadID(sl)))}
	m.Redelivered = int(loadAttempts(sl))
}

// nameOf is the name of a sender, as far as it is still there to tell.
func (q *Queue) nameOf(s from) string {
	i := int(s >> 32 & 0xffff)
	if i >= len(q.parts) {
		return ""
	}
	if known := (*q.names.Load())[i]; known.sender == s {
		return known.name
	}
	p := &q.parts[i]
	n := min(p.nlen.Load(), region.MaxName)
	name := string(p.name[:n])
	if p.live.Load() == 0 || makeSender(i, p.gen.Load()) != s {
		return ""
	}
	for {
		old := q.names.Load()
		names := append([]knownName(nil), *old...)
		names[i] = knownName{s, name}
		if q.names.CompareAndSwap(old, &names) {
			return name
		}
	}
}

// acknowledge ends a claim: the message is received.
func (q *Queue) acknowledge(sl *slot) error {
	flags, id := loadFlags(sl), loadID(sl)
	crash.Point("receive.acknowledging")
	if err := q.release(sl, claimed); err != nil {
		return err
	}
	crash.Point("receive.acknowledged")
	q.parts[q.me].received = q.in.done() + 1
	if to := int(id >> 32 & 0xffff); flags&flagDeliver != 0 && to < len(q.parts) {
		q.bells[bellReceipt].RingTo(to)
	}
	q.ringRoom(id)
	return nil
}

// restore ends a claim: the message is there again, before all later ones.
func (q *Queue) restore(sl *slot, counted bool) error {
	if a := loadAttempts(sl); counted && a < 1<<16-1 {
		sl.attempts = a + 1
	}
	race.Release()
	pos := posOf(sl.state.Load())
	if err := q.move(sl, claimed, ready, 0); err != nil {
		return err
	}
	crash.Point("return.ready")
	q.goBack(pos)
	q.bells[bellMessage].Ring(pos)
	return nil
}

// finish copies a claimed message out into buf, or into memory of its own, and
// acknowledges it.
func (q *Queue) finish(sl *slot, buf []byte, own bool) (m isthmus.Message, err error) {
	mem, err := q.payload(sl)
	if err != nil {
		_ = q.release(sl, claimed) // nobody can read it
		return m, err
	}
	if own {
		m.Data = make([]byte, len(mem))
	} else if len(mem) > len(buf) {
		_ = q.restore(sl, false)
		return m, fmt.Errorf("%w: the message has %d bytes, the buffer %d: it stays where it is", isthmus.ErrTooLarge, len(mem), len(buf))
	} else {
		m.Data = buf[:len(mem)]
	}
	copy(m.Data, mem)
	q.describe(sl, &m)
	crash.Point("receive.copied")
	return m, q.acknowledge(sl)
}

// Receive waits for a message that f wants.
func (q *Queue) Receive(ctx context.Context, f Source) (m isthmus.Message, err error) {
	if err := q.enter(&q.in); err != nil {
		return m, err
	}
	defer q.exit(&q.in, region.Faults(), &err)
	sl, err := q.await(ctx, f)
	if err != nil {
		return m, err
	}
	return q.finish(sl, nil, true)
}

// ReceiveInto is Receive into the caller's buffer.
func (q *Queue) ReceiveInto(ctx context.Context, buf []byte, f Source) (m isthmus.Message, err error) {
	if err := q.enter(&q.in); err != nil {
		return m, err
	}
	defer q.exit(&q.in, region.Faults(), &err)
	sl, err := q.await(ctx, f)
	if err != nil {
		return m, err
	}
	return q.finish(sl, buf, false)
}

// TryReceive returns a message that f wants if there is one.
func (q *Queue) TryReceive(f Source) (m isthmus.Message, err error) {
	if err := q.enter(&q.in); err != nil {
		return m, err
	}
	defer q.exit(&q.in, region.Faults(), &err)
	q.becomes(roleReceiver)
	sl, err := q.take(f)
	if err != nil {
		return m, err
	}
	return q.finish(sl, nil, true)
}

// TryReceiveInto is TryReceive into the caller's buffer.
func (q *Queue) TryReceiveInto(buf []byte, f Source) (m isthmus.Message, err error) {
	if err := q.enter(&q.in); err != nil {
		return m, err
	}
	defer q.exit(&q.in, region.Faults(), &err)
	q.becomes(roleReceiver)
	sl, err := q.take(f)
	if err != nil {
		return m, err
	}
	return q.finish(sl, buf, false)
}
