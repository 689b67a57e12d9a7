package mailbox

import (
	"context"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/ring"
)

// Claim is a message that was taken, but not acknowledged. Its Data lies in
// shared memory, without a copy, and is the caller's to read until the claim is
// ended. If this process dies first, or closes the mailbox, the message is
// given to another receiver.
type Claim struct {
	m *Mailbox
	c ring.Claim
}

// Message is the claimed message. Its Data is valid until Ack or Return.
func (c *Claim) Message() isthmus.Message { return c.c.Message }

// Bytes is the message's data, in shared memory.
func (c *Claim) Bytes() []byte { return c.c.Message.Data }

// Ack ends the claim: the message is received, and gone.
func (c *Claim) Ack() error { return wrap("ack", c.m.name, c.c.Ack()) }

// Return ends the claim: the message is given to another receiver, before all
// that are sent from now on (see Order, in the package's comment).
func (c *Claim) Return() error { return wrap("return", c.m.name, c.c.Return()) }

// ErrSettled is returned for a claim or loan that was ended before.
var ErrSettled = ring.ErrSettled

// Claim waits for a message and leaves it in shared memory. It allocates nothing.
func (m *Mailbox) Claim(ctx context.Context) (Claim, error) {
	c, err := m.q.Claim(ctx, ring.Anyone)
	return Claim{m, c}, wrap("claim", m.name, err)
}

// TryClaim claims a message if there is one, and is ErrEmpty otherwise.
func (m *Mailbox) TryClaim() (Claim, error) {
	c, err := m.q.TryClaim(ring.Anyone)
	return Claim{m, c}, wrap("claim", m.name, err)
}

// Loan is room for a message in shared memory, lent to be filled in place.
type Loan struct {
	m *Mailbox
	l ring.Loan
	// Type is the message's tag.
	Type int64
}

// Loan waits for room for a message of n bytes. What the room holds is not
// defined: fill it all. It allocates nothing.
func (m *Mailbox) Loan(ctx context.Context, n int) (Loan, error) {
	l, err := m.q.Loan(ctx, n)
	return Loan{m: m, l: l}, wrap("loan", m.name, err)
}

// TryLoan lends room for n bytes if there is some, and is ErrFull otherwise.
func (m *Mailbox) TryLoan(n int) (Loan, error) {
	l, err := m.q.TryLoan(n)
	return Loan{m: m, l: l}, wrap("loan", m.name, err)
}

// Bytes is the room. It is the caller's until the loan is sent or cancelled.
func (l *Loan) Bytes() []byte { return l.l.Bytes() }

// Truncate makes the message n bytes long, at most what was lent.
func (l *Loan) Truncate(n int) { l.l.Truncate(n) }

// Send sends the message, as Mailbox.Send does. Its place in the order is that
// of this call. If it fails the loan is still the caller's, to send or cancel.
func (l *Loan) Send(ctx context.Context) error { return l.send(ctx, "send", ring.Room) }

// TrySend sends the message, as Mailbox.TrySend does.
func (l *Loan) TrySend() error { return l.send(context.Background(), "send", ring.Now) }

// Deliver sends the message, as Mailbox.Deliver does. If the message was taken
// back the loan is gone with it.
func (l *Loan) Deliver(ctx context.Context) error { return l.send(ctx, "deliver", ring.Receipt) }

func (l *Loan) send(ctx context.Context, op string, how ring.How) error {
	return wrap(op, l.m.name, l.l.Send(ctx, &isthmus.Message{Type: l.Type}, how))
}

// Cancel gives the room back.
func (l *Loan) Cancel() error { return wrap("cancel", l.m.name, l.l.Cancel()) }
