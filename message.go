package isthmus

import "context"

// Message is what a [Sender] sends and a [Receiver] receives.
//
// A mechanism carries the fields that it can. Asking it to carry one that it
// cannot (a Priority over a pipe, say) is [errors.ErrUnsupported]; it is never
// dropped in silence.
type Message struct {
	// Data is the payload, 0 bytes or more. A sender may reuse it as soon as
	// the call returns. A receiver owns what it was given, unless the call
	// says otherwise.
	Data []byte
	// Type is the user's own tag, carried as it is.
	Type int64
	// Priority orders messages where the mechanism does so. The mechanisms in
	// shared memory refuse a priority other than 0.
	Priority uint32
	// From tells who sent the message, as far as the mechanism knows. Senders
	// leave it empty: it is filled in on the way.
	From Identity
	// Redelivered counts the receivers that had the message before and died
	// or returned it. A receiver that must not act twice looks here.
	Redelivered int
}

// Identity names a process. What of it can be trusted depends on the
// mechanism; SECURITY.md says how far.
type Identity struct {
	// PID is the process, numbered in its own PID namespace.
	PID int
	// UID and GID are its effective user and group.
	UID, GID int
	// Name is the name under which the process joined (package process), or "".
	Name string
	// Verified says that the kernel confirmed, while the process was there,
	// that this process of this user has the place in the shared memory that
	// the message names as its sender's. What it cannot confirm (a process that
	// has ended already, or of another PID namespace) is as the sender wrote it.
	Verified bool
}

// Sender sends messages to an endpoint. Its methods may be called from several
// goroutines at once.
type Sender interface {
	// Send waits until there is room, and then sends m. It returns the
	// context's error if that comes first; then m was not sent.
	Send(ctx context.Context, m Message) error
	// TrySend sends m if that needs no waiting, and is ErrFull otherwise.
	TrySend(m Message) error
	// Close gives the endpoint up and wakes whoever waits on it with ErrClosed.
	Close() error
}

// Receiver receives messages from an endpoint. Its methods may be called from
// several goroutines at once.
type Receiver interface {
	// Receive waits for a message. It returns the context's error if that
	// comes first; then no message was taken.
	Receive(ctx context.Context) (Message, error)
	// TryReceive returns a message if one is there, and is ErrEmpty otherwise.
	TryReceive() (Message, error)
	// Close gives the endpoint up and wakes whoever waits on it with ErrClosed.
	Close() error
}

// Deliverer is a Sender whose mechanism can tell when a message was received.
type Deliverer interface {
	// Deliver sends m and waits until a receiver has received it. If the
	// context ends first, m is withdrawn and the context's error returned,
	// unless a receiver already had m in its hands: then it is nil.
	Deliver(ctx context.Context, m Message) error
}
