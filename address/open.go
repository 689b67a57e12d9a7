package address

import (
	"fmt"
	"io/fs"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
	"github.com/isthmus-ipc/isthmus/process"
)

// Options say what endpoint to create if there is none, and how to use it. The
// zero value is useful.
//
// Capacity and MaxMessage, where they are set, are also what an endpoint that
// exists must have: another one is an fs.ErrExist, so that nobody works on
// with less room than was asked for.
type Options struct {
	// Capacity is how many messages it holds. Default: the mechanism's.
	Capacity isthmus.Capacity
	// MaxMessage is the size of the largest message, in bytes. Default: the mechanism's.
	MaxMessage int
	// Memory is for the data of messages, in bytes. Default: the mechanism's.
	Memory int64
	// Existing keeps Sender and Receiver from creating a mailbox: it is an
	// fs.ErrNotExist if there is none. A process is never created by a Sender,
	// and a Receiver joins all the same.
	Existing bool
	// Policy is how to wait. Default: isthmus.Balanced.
	Policy isthmus.Policy
	// Dir is the directory of the objects. Default: $ISTHMUS_DIR, or
	// /dev/shm/isthmus-UID.
	Dir string
}

func (o Options) mailbox() *mailbox.Config {
	return &mailbox.Config{Capacity: o.Capacity, MaxMessage: o.MaxMessage, Memory: o.Memory, Policy: o.Policy, Dir: o.Dir}
}

// Sender opens the endpoint to send to, and creates a mailbox if there is none
// (see Options.Existing). A process must have joined: it is an fs.ErrNotExist or ErrPeerDied otherwise.
func Sender(a Address, o Options) (isthmus.Sender, error) {
	switch a.Scheme {
	case Mailbox:
		m, err := openMailbox(a, o)
		if err != nil {
			return nil, err // not a nil *Mailbox in an interface that is not nil
		}
		return m, nil
	case Process:
		return sendToProcess(a, o)
	}
	return nil, unknown("open", a)
}

// Receiver opens the endpoint to receive from, and creates a mailbox if there is
// none (see Options.Existing). For a process that is to join under the name: it
// is an fs.ErrExist if another one that lives has it, and what is in the inbox at
// Close is gone.
func Receiver(a Address, o Options) (isthmus.Receiver, error) {
	switch a.Scheme {
	case Mailbox:
		m, err := openMailbox(a, o)
		if err != nil {
			return nil, err
		}
		return m, nil
	case Process:
		return receiveAsProcess(a, o)
	}
	return nil, unknown("open", a)
}

// List lists the endpoints of a scheme.
func List(s Scheme, o Options) ([]Address, error) {
	var names []string
	var err error
	switch s {
	case Mailbox:
		names, err = mailbox.List(o.mailbox())
	case Process:
		names, err = process.List(o.process())
	default:
		err = unknown("list", Address{Scheme: s})
	}
	var all []Address
	for _, n := range names {
		all = append(all, Address{s, n})
	}
	return all, err
}

// Stat describes an endpoint that exists, and leaves it as it is.
func Stat(a Address, o Options) (Info, error) {
	switch a.Scheme {
	case Mailbox:
		return statMailbox(a, o)
	case Process:
		return statProcess(a, o)
	}
	return Info{}, unknown("stat", a)
}

// Remove removes an endpoint and the messages in it. The inbox of a process can
// be removed when the process is dead; before that it is an fs.ErrExist.
func Remove(a Address, o Options) error {
	switch a.Scheme {
	case Mailbox:
		return mailbox.Remove(a.Name, o.mailbox())
	case Process:
		return process.Remove(a.Name, o.process())
	}
	return unknown("remove", a)
}

func unknown(op string, a Address) error {
	return &isthmus.Error{Op: op, Mechanism: "address", Name: a.String(), Err: fmt.Errorf("%w: unknown scheme %q", ErrSyntax, string(a.Scheme))}
}

func fail(op string, a Address, err error) error {
	return &isthmus.Error{Op: op, Mechanism: string(a.Scheme), Name: a.Name, Err: err}
}

func openMailbox(a Address, o Options) (*mailbox.Mailbox, error) {
	open := mailbox.Open
	if o.Existing {
		open = mailbox.Attach
	}
	m, err := open(a.Name, o.mailbox())
	if err != nil {
		return nil, err
	}
	if err := o.fits(m); err != nil {
		_ = m.Close()
		return nil, fail("open", a, err)
	}
	return m, nil
}

// fits checks what an existing mailbox has against what was asked for.
func (o Options) fits(m *mailbox.Mailbox) error {
	if o.Capacity.IsDefault() && o.MaxMessage == 0 {
		return nil
	}
	st, err := m.Stat()
	if err != nil {
		return err
	}
	if !o.Capacity.IsDefault() && st.Capacity != o.Capacity {
		return fmt.Errorf("%w, with capacity %v, not %v: ask for that or for none, or remove it first", fs.ErrExist, st.Capacity, o.Capacity)
	}
	if o.MaxMessage != 0 && st.MaxMessage < o.MaxMessage {
		return fmt.Errorf("%w, for messages of up to %d bytes, not %d: ask for that or for none, or remove it first", fs.ErrExist, st.MaxMessage, o.MaxMessage)
	}
	return nil
}
