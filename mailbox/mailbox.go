package mailbox

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/ring"
)

const mechanism = "mailbox"

// Capacity is how many messages a mailbox holds.
type Capacity = isthmus.Capacity

var (
	// Zero is a rendezvous: a send returns when a receiver has the message.
	Zero = isthmus.Zero
	// Unbounded grows as far as Config.Memory, or the file system, goes.
	Unbounded = isthmus.Unbounded
)

// Bounded is room for n messages.
func Bounded(n int) Capacity { return isthmus.Bounded(n) }

// Config says what mailbox to create, and how this handle uses it. The zero
// value, and nil, are useful: room for 1,024 messages of up to 64 KiB each, as
// far as 4 MiB go.
//
// For a mailbox that exists already, only Dir and Policy matter.
type Config struct {
	// Capacity is Zero, Bounded(n) or Unbounded. Default: Bounded(1024).
	Capacity Capacity
	// MaxMessage is the size of the largest message, in bytes, up to 2 GiB.
	// Default: 64 KiB.
	MaxMessage int
	// Memory is for the payloads of messages of more than 72 bytes, in bytes;
	// smaller ones need none. It is reserved when the mailbox is created,
	// and shared by all messages, whatever their sizes. Default: enough for as
	// many of the largest messages as Capacity says, so MaxMessage: 1 << 20
	// alone reserves 1 GiB; 4 MiB if MaxMessage is left at its default, too.
	// Of an Unbounded mailbox it is the limit, raised to what one message of
	// MaxMessage takes; default: half the file system.
	Memory int64
	// Participants is how many handles the mailbox can have at a time, up to
	// 512. Default: 64.
	Participants int
	// Mode is the permission of the mailbox's file. Default: 0600.
	Mode fs.FileMode
	// Group is the number of the group that the file is given to. Default: the
	// process's own.
	Group int
	// Policy is how this handle waits. Default: isthmus.Balanced.
	Policy isthmus.Policy
	// Dir is the directory of the mailboxes. Default: $ISTHMUS_DIR, or
	// /dev/shm/isthmus-UID.
	Dir string
}

func (c *Config) ring() (ring.Config, ring.Options, string) {
	if c == nil {
		c = &Config{}
	}
	return ring.Config{
		Kind: region.Mailbox, Capacity: c.Capacity, MaxMessage: c.MaxMessage, Memory: c.Memory,
		Participants: c.Participants, Mode: c.Mode, Group: c.Group,
	}, ring.Options{Policy: c.Policy}, c.Dir
}

// Mailbox is a handle on a mailbox. Its methods may be called from several
// goroutines at once.
type Mailbox struct {
	q    *ring.Queue
	name string
}

var (
	_ isthmus.Sender    = (*Mailbox)(nil)
	_ isthmus.Receiver  = (*Mailbox)(nil)
	_ isthmus.Deliverer = (*Mailbox)(nil)
)

func wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &isthmus.Error{Op: op, Mechanism: mechanism, Name: name, Err: err}
}

func opened(op, name string, q *ring.Queue, err error) (*Mailbox, error) {
	if err != nil {
		return nil, wrap(op, name, err)
	}
	return &Mailbox{q, name}, nil
}

// Open opens the mailbox of this name, and creates it as c says if there is none.
func Open(name string, c *Config) (*Mailbox, error) {
	cfg, opts, dir := c.ring()
	for {
		q, err := ring.Open(dir, name, region.Mailbox, opts)
		if errors.Is(err, fs.ErrNotExist) {
			q, err = ring.Create(dir, name, cfg, opts)
			if errors.Is(err, fs.ErrExist) {
				continue // another process was faster
			}
		}
		return opened("open", name, q, err)
	}
}

// Create creates a mailbox. It is an fs.ErrExist if there is one of this name.
func Create(name string, c *Config) (*Mailbox, error) {
	cfg, opts, dir := c.ring()
	q, err := ring.Create(dir, name, cfg, opts)
	return opened("create", name, q, err)
}

// Attach opens a mailbox that exists. It is an fs.ErrNotExist if there is none.
func Attach(name string, c *Config) (*Mailbox, error) {
	_, opts, dir := c.ring()
	q, err := ring.Open(dir, name, region.Mailbox, opts)
	return opened("attach", name, q, err)
}

// Anonymous creates a mailbox without a name, for this process and its
// children; it is gone with the last handle. No peer can shrink its memory.
func Anonymous(c *Config) (*Mailbox, error) {
	cfg, opts, _ := c.ring()
	q, err := ring.Anonymous("isthmus", cfg, opts)
	return opened("create", "", q, err)
}

// File is a descriptor of an anonymous mailbox, to hand to a child process
// (exec.Cmd.ExtraFiles), which calls FromFile with it. The caller closes it.
func (m *Mailbox) File() (*os.File, error) {
	f, err := m.q.File()
	return f, wrap("file", m.name, err)
}

// FromFile opens the anonymous mailbox behind a descriptor from File. The
// caller keeps f, and may close it.
func FromFile(f *os.File, c *Config) (*Mailbox, error) {
	_, opts, _ := c.ring()
	q, err := ring.FromFile(f, region.Mailbox, opts)
	return opened("attach", "", q, err)
}

// Remove removes the mailbox of this name and what is in it, and ends every
// call on it, in all processes, with ErrRemoved.
//
// A file that is no mailbox of this version is removed, too.
func Remove(name string, c *Config) error {
	_, _, dir := c.ring()
	return wrap("remove", name, ring.Remove(dir, name, region.Mailbox))
}

// Inspect describes the mailbox of this name. Unlike Stat of a handle it wakes
// nobody, and changes nothing.
func Inspect(name string, c *Config) (Stat, error) {
	_, opts, dir := c.ring()
	opts.Inspect = true
	q, err := ring.Open(dir, name, region.Mailbox, opts)
	if err != nil {
		return Stat{}, wrap("inspect", name, err)
	}
	m := &Mailbox{q, name}
	defer m.Close()
	return m.Stat()
}

// List lists the names of the mailboxes in the directory.
func List(c *Config) ([]string, error) {
	_, _, dir := c.ring()
	names, err := region.List(dir, region.Mailbox)
	return names, wrap("list", "", err)
}

// Name is the mailbox's name, "" if it is anonymous.
func (m *Mailbox) Name() string { return m.name }

// Remove removes the mailbox, as the function Remove does.
func (m *Mailbox) Remove() error { return wrap("remove", m.name, m.q.Remove()) }

// Close gives the handle up: its claims go to other receivers, and whoever
// waits on it gets ErrClosed. The mailbox and its messages remain. What claims
// and loans lent must not be used any more.
func (m *Mailbox) Close() error { return wrap("close", m.name, m.q.Close()) }

// Send waits for room and sends msg; at capacity Zero it waits until a receiver
// has received it. If ctx ends first msg was not sent.
func (m *Mailbox) Send(ctx context.Context, msg isthmus.Message) error {
	return wrap("send", m.name, m.q.Send(ctx, &msg))
}

// TrySend sends msg if there is room; at capacity Zero, if a receiver waits.
// It is ErrFull otherwise. It allocates nothing.
func (m *Mailbox) TrySend(msg isthmus.Message) error {
	return wrap("send", m.name, m.q.TrySend(&msg))
}

// Deliver sends msg and waits until a receiver has received it. If the receiver
// dies before that, msg is given to another. If ctx ends first msg is taken
// back, unless a receiver has it in its hands: then Deliver is nil. The error
// is also an ErrPeerDied if a receiver died with msg before it was taken back.
func (m *Mailbox) Deliver(ctx context.Context, msg isthmus.Message) error {
	return wrap("deliver", m.name, m.q.Deliver(ctx, &msg))
}

// Receive waits for a message. Its Data is the caller's.
func (m *Mailbox) Receive(ctx context.Context) (msg isthmus.Message, err error) {
	err = m.q.Receive(ctx, ring.Anyone, nil, true, &msg)
	return msg, wrap("receive", m.name, err)
}

// TryReceive returns a message if there is one, and is ErrEmpty otherwise. Its
// Data is the caller's.
func (m *Mailbox) TryReceive() (msg isthmus.Message, err error) {
	err = m.q.TryReceive(ring.Anyone, nil, true, &msg)
	return msg, wrap("receive", m.name, err)
}

// ReceiveInto is Receive into buf, of which the message's Data is a part. It is
// ErrTooLarge if buf is too small; the message stays where it is. It allocates
// nothing.
func (m *Mailbox) ReceiveInto(ctx context.Context, buf []byte) (msg isthmus.Message, err error) {
	err = m.q.Receive(ctx, ring.Anyone, buf, false, &msg)
	return msg, wrap("receive", m.name, err)
}

// TryReceiveInto is TryReceive into buf, as ReceiveInto is Receive.
func (m *Mailbox) TryReceiveInto(buf []byte) (msg isthmus.Message, err error) {
	err = m.q.TryReceive(ring.Anyone, buf, false, &msg)
	return msg, wrap("receive", m.name, err)
}

// Messages receives until ctx ends or there is an error, which comes last. The
// end of ctx is the end of the messages, and no error.
func (m *Mailbox) Messages(ctx context.Context) iter.Seq2[isthmus.Message, error] {
	return func(yield func(isthmus.Message, error) bool) {
		for {
			msg, err := m.Receive(ctx)
			if err != nil && ctx.Err() != nil {
				return
			}
			if !yield(msg, err) || err != nil {
				return
			}
		}
	}
}
