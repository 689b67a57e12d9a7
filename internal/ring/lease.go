package ring

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/crash"
	"github.com/isthmus-ipc/isthmus/internal/region"
)

// ErrSettled is returned by a call on a claim or loan that was already ended.
var ErrSettled = errors.New("already settled")

// Claim is a message that this handle has in its hands.
type Claim struct {
	q      *Queue
	sl     *slot
	serial uint32
	// Message's Data lies in shared memory, until the claim is ended.
	isthmus.Message
}

// Claim waits for a message that f wants and leaves it where it lies.
func (q *Queue) Claim(ctx context.Context, f Source) (c Claim, err error) {
	if err := q.enter(); err != nil {
		return c, err
	}
	defer q.exit(region.Faults(), &err)
	r := request{f: f}
	if err := q.await(ctx, &r); err != nil {
		return c, err
	}
	return q.hold(r.sl)
}

// TryClaim claims a message that f wants if there is one.
func (q *Queue) TryClaim(f Source) (c Claim, err error) {
	if err := q.enter(); err != nil {
		return c, err
	}
	defer q.exit(region.Faults(), &err)
	r := request{f: f}
	if err := q.serve(&r); err != nil {
		return c, err
	}
	return q.hold(r.sl)
}

func (q *Queue) hold(sl *slot) (c Claim, err error) {
	mem, err := q.payload(sl)
	if err != nil {
		_ = q.release(sl, claimed)
		return c, err
	}
	c = Claim{q: q, sl: sl, serial: q.serial.Add(1)}
	q.describe(sl, &c.Message)
	c.Message.Data = mem
	atomic.StoreUint32(&sl.serial, c.serial)
	q.ringRoom(uint64(c.serial)) // a sender may pass over it now
	return c, nil
}

// settle makes sure that a claim is ended once, whatever copies of it there are.
// Serials are each handle's own, so the slot must be this handle's, too:
// another one's claim of a later message there may have the same.
func (c *Claim) settle() error {
	if s := c.sl.state.Load(); phaseOf(s) != claimed || ownerOf(s) != c.q.me || !atomic.CompareAndSwapUint32(&c.sl.serial, c.serial, 0) {
		return ErrSettled
	}
	c.Message.Data = nil
	return nil
}

// Ack ends the claim: the message is received.
func (c *Claim) Ack() (err error) {
	if c.q == nil {
		return ErrSettled
	}
	if err := c.q.enter(); err != nil {
		return err
	}
	defer c.q.exit(region.Faults(), &err)
	if err := c.settle(); err != nil {
		return err
	}
	crash.Point("ack.settled")
	return c.q.acknowledge(c.sl)
}

// Return ends the claim: the message goes to another receiver.
func (c *Claim) Return() (err error) {
	if c.q == nil {
		return ErrSettled
	}
	if err := c.q.enter(); err != nil {
		return err
	}
	defer c.q.exit(region.Faults(), &err)
	if err := c.settle(); err != nil {
		return err
	}
	return c.q.restore(c.sl, true)
}

// Loan is room for a message, lent to a sender.
type Loan struct {
	q     *Queue
	data  []byte
	run   run
	small *[inlineBytes]byte
}

// Loan waits for room for a message of n bytes.
func (q *Queue) Loan(ctx context.Context, n int) (l Loan, err error) {
	l, err = q.TryLoan(n)
	if !isFull(err) {
		return l, err
	}
	if err := q.enter(); err != nil {
		return l, err
	}
	defer q.exit(region.Faults(), &err)
	w := q.gates[bellRoom].Start(ctx)
	defer w.Stop() // after a fault; else stop does it
	for {
		l, err = q.lend(n)
		if !isFull(err) {
			break
		}
		if err = q.next(&w); err != nil {
			break
		}
	}
	q.stop(&w, bellRoom)
	return l, err
}

// TryLoan lends room for n bytes if there is some.
func (q *Queue) TryLoan(n int) (l Loan, err error) {
	if err := q.enter(); err != nil {
		return l, err
	}
	defer q.exit(region.Faults(), &err)
	return q.lend(n)
}

func (q *Queue) lend(n int) (l Loan, err error) {
	if n < 0 || uint64(n) > q.shape.maxMessage {
		return l, fmt.Errorf("%w: a loan of %d bytes, at most %d are allowed (MaxMessage, at creation)", isthmus.ErrTooLarge, n, q.shape.maxMessage)
	}
	if n <= inlineBytes {
		b := q.small.get()
		return Loan{q: q, data: b[:n], small: b}, nil
	}
	r, err := q.borrow(n)
	if err != nil {
		return l, err
	}
	mem, err := q.bytes(r, uint32(n))
	return Loan{q: q, data: mem, run: r}, err
}

// Bytes is the room. It is the caller's until the loan is sent or cancelled.
func (l *Loan) Bytes() []byte { return l.data }

// Cancel gives the room back.
func (l *Loan) Cancel() (err error) {
	t := *l
	q := t.q
	if q == nil {
		return ErrSettled
	}
	*l = Loan{}
	if t.small != nil {
		q.small.put(t.small)
		return nil
	}
	if err := q.enter(); err != nil {
		return err
	}
	defer q.exit(region.Faults(), &err)
	q.giveBack(t.run)
	q.ringRoom(0)
	return nil
}

// Truncate makes the loan n bytes long, at most what it is.
func (l *Loan) Truncate(n int) {
	if n >= 0 && n <= len(l.data) {
		l.data = l.data[:n]
	}
}

// How a loan is sent.
type How int

// Now never waits, Room waits for room, Receipt waits for the receipt.
const (
	Now How = iota
	Room
	Receipt
)

// Send sends the loan with what m says besides the data. If that fails the
// loan is still the caller's. A context is not needed for Now.
func (l *Loan) Send(ctx context.Context, m *isthmus.Message, how How) (err error) {
	q := l.q
	if q == nil {
		return ErrSettled
	}
	if err := q.enter(); err != nil {
		return err
	}
	defer q.exit(region.Faults(), &err)
	m.Data = l.data
	flags := uint16(0)
	if how == Receipt || how == Room && q.shape.mode == modeZero {
		how, flags = Receipt, flagDeliver
	}
	o, err := q.outgoing(m, flags)
	if err != nil {
		return err
	}
	if l.small == nil {
		// However short it has become, it lies in the arena already.
		o.flags |= flagExternal
		o.id, o.run, o.lent = q.newID(), l.run, true
	}
	switch how {
	case Now:
		err = q.trySend(&o)
	case Room:
		if _, err = q.post(&o, false); isFull(err) {
			_, err = q.postWhenRoom(ctx, &o)
		}
	case Receipt:
		err = q.deliverOut(ctx, &o)
	}
	if o.lent && o.run.count == 0 || err == nil {
		// It is in the ring, or was: withdrawn, its room is gone with it.
		if l.small != nil {
			q.small.put(l.small)
		}
		*l = Loan{}
	}
	return err
}
