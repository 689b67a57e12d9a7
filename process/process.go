package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"sync"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/ring"
)

const mechanism = "process"

// Config says how a process joins: what its inbox is like, and how it waits.
// The zero value, and nil, are useful: an inbox for 1,024 messages of up to
// 64 KiB each, as far as 4 MiB go.
type Config struct {
	// Capacity is the inbox's: isthmus.Zero, Bounded(n) or Unbounded.
	// Default: Bounded(1024).
	Capacity isthmus.Capacity
	// MaxMessage is the size of the largest message, in bytes. Default: 64 KiB.
	MaxMessage int
	// Memory is for the payloads of messages of more than 72 bytes, in bytes.
	// Default: as package mailbox has it.
	Memory int64
	// Senders is how many others can hold on to the inbox at a time, up to 511.
	// Default: 63.
	Senders int
	// Mode is the permission of the inbox's file. Default: 0600.
	Mode fs.FileMode
	// Group is the number of the group that the file is given to. Default: the
	// process's own.
	Group int
	// Policy is how this process waits. Default: isthmus.Balanced.
	Policy isthmus.Policy
	// Dir is the directory of the processes. Default: $ISTHMUS_DIR, or
	// /dev/shm/isthmus-UID.
	Dir string
}

func (c *Config) orDefault() Config {
	if c == nil {
		return Config{}
	}
	return *c
}

func (c Config) ring() ring.Config {
	rc := ring.Config{Kind: region.Inbox, Capacity: c.Capacity, MaxMessage: c.MaxMessage, Memory: c.Memory, Mode: c.Mode, Group: c.Group}
	if c.Senders != 0 {
		rc.Participants = c.Senders + 1
	}
	return rc
}

func wrap(op, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, isthmus.ErrPeerDied):
		err = fmt.Errorf("%w: the process of that name is dead", err)
	case err == isthmus.ErrRemoved:
		err = fmt.Errorf("%w: the process of that name has left", err)
	}
	return &isthmus.Error{Op: op, Mechanism: mechanism, Name: name, Err: err}
}

// Process is this process, as others know it: it has a name, and an inbox. Its
// methods may be called from several goroutines at once.
type Process struct {
	name  string
	cfg   Config
	inbox *ring.Queue

	mu     sync.Mutex
	peers  map[string]*Peer
	closed bool
}

var _ isthmus.Receiver = (*Process)(nil)

// Join gives this process a name and an inbox. It is an fs.ErrExist if a living
// process has the name. What a dead one left in its inbox is gone.
func Join(name string, c *Config) (*Process, error) {
	cfg := c.orDefault()
	opts := ring.Options{Policy: cfg.Policy, Name: name, Owner: true}
	for {
		inbox, err := ring.Create(cfg.Dir, name, cfg.ring(), opts)
		if errors.Is(err, fs.ErrExist) {
			if err = bury(name, cfg); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, wrap("join", name, err)
		}
		announce(cfg)
		return &Process{name: name, cfg: cfg, inbox: inbox, peers: map[string]*Peer{}}, nil
	}
}

// bury removes the inbox of a dead process, so that its name can be taken.
func bury(name string, cfg Config) error {
	r, err := region.Open(cfg.Dir, name, region.Inbox)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	dead, err := r.Take(0)
	if err != nil {
		return err
	}
	if !dead {
		return fmt.Errorf("a living process (%d) has this name: %w", r.Geometry().Creator, fs.ErrExist)
	}
	return r.Remove(nil)
}

// Name is the name under which this process joined.
func (p *Process) Name() string { return p.name }

// Close leaves: the inbox and what is in it are gone, and the name is free.
func (p *Process) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return wrap("close", p.name, isthmus.ErrClosed)
	}
	p.closed = true
	peers := p.peers
	p.peers = nil
	p.mu.Unlock()
	for _, peer := range peers {
		_ = peer.Close()
	}
	err := p.inbox.Remove()
	return wrap("close", p.name, errors.Join(err, p.inbox.Close()))
}

// Receive waits for a message from anyone. Its Data is the caller's.
func (p *Process) Receive(ctx context.Context) (isthmus.Message, error) {
	return p.receive(ctx, ring.Anyone)
}

// ReceiveFrom waits for a message from the process that joined under the name
// source. Messages of others stay where they are, in their order. They count
// towards the inbox's capacity: if they fill it source must wait, too.
func (p *Process) ReceiveFrom(ctx context.Context, source string) (isthmus.Message, error) {
	if err := region.CheckName(source); err != nil {
		return isthmus.Message{}, wrap("receive", p.name, err)
	}
	return p.receive(ctx, ring.Source{Name: source})
}

// ReceiveFromPID is ReceiveFrom for a process that is known by its number.
func (p *Process) ReceiveFromPID(ctx context.Context, pid int) (isthmus.Message, error) {
	return p.receive(ctx, ring.Source{PID: pid})
}

func (p *Process) receive(ctx context.Context, from ring.Source) (msg isthmus.Message, err error) {
	err = p.inbox.Receive(ctx, from, nil, true, &msg)
	return msg, wrap("receive", p.name, err)
}

// TryReceive returns a message from anyone if there is one, and is ErrEmpty
// otherwise.
func (p *Process) TryReceive() (msg isthmus.Message, err error) {
	err = p.inbox.TryReceive(ring.Anyone, nil, true, &msg)
	return msg, wrap("receive", p.name, err)
}

// TryReceiveFrom is TryReceive for the messages of one source.
func (p *Process) TryReceiveFrom(source string) (msg isthmus.Message, err error) {
	if err := region.CheckName(source); err != nil {
		return msg, wrap("receive", p.name, err)
	}
	err = p.inbox.TryReceive(ring.Source{Name: source}, nil, true, &msg)
	return msg, wrap("receive", p.name, err)
}

// ReceiveInto is Receive into buf, of which the message's Data is a part. It is
// ErrTooLarge if buf is too small; the message stays where it is. It allocates
// nothing.
func (p *Process) ReceiveInto(ctx context.Context, buf []byte) (msg isthmus.Message, err error) {
	err = p.inbox.Receive(ctx, ring.Anyone, buf, false, &msg)
	return msg, wrap("receive", p.name, err)
}

// Messages receives until ctx ends or there is an error, which comes last. The
// end of ctx is the end of the messages, and no error.
func (p *Process) Messages(ctx context.Context) iter.Seq2[isthmus.Message, error] {
	return func(yield func(isthmus.Message, error) bool) {
		for {
			msg, err := p.Receive(ctx)
			if err != nil && ctx.Err() != nil {
				return
			}
			if !yield(msg, err) || err != nil {
				return
			}
		}
	}
}

// Send sends msg to the process that joined under the name to, and waits for
// room in its inbox; at capacity zero until it has received msg. It is an
// fs.ErrNotExist if there is no such process, and ErrPeerDied if it is dead.
func (p *Process) Send(ctx context.Context, to string, msg isthmus.Message) error {
	return p.with("send", to, func(peer *Peer) error { return peer.q.Send(ctx, &msg) })
}

// TrySend sends msg if the inbox has room; at capacity zero, if the process
// waits for a message. It is ErrFull otherwise.
func (p *Process) TrySend(to string, msg isthmus.Message) error {
	return p.with("send", to, func(peer *Peer) error { return peer.q.TrySend(&msg) })
}

// Deliver sends msg and waits until the process has received it. If ctx ends
// first msg is taken back, unless the process has it in its hands, or has put it
// aside while it looked for messages of another sender: then Deliver is nil.
func (p *Process) Deliver(ctx context.Context, to string, msg isthmus.Message) error {
	return p.with("deliver", to, func(peer *Peer) error { return peer.q.Deliver(ctx, &msg) })
}

// with does something with the peer of a name. If the peer turns out to be one
// that has left or died, and another has joined under its name, it is done with
// that one: a call that fails so has sent nothing.
func (p *Process) with(op, to string, do func(*Peer) error) error {
	for again := true; ; again = false {
		peer, err := p.To(to)
		if err != nil {
			return err
		}
		err = do(peer)
		if err == nil {
			return nil
		}
		lost := err == isthmus.ErrRemoved || errors.Is(err, isthmus.ErrPeerDied) || err == isthmus.ErrClosed
		if !lost || !again {
			return wrap(op, to, err)
		}
		p.forget(to, peer)
	}
}

func (p *Process) forget(name string, peer *Peer) {
	p.mu.Lock()
	if p.peers[name] == peer {
		delete(p.peers, name)
	}
	p.mu.Unlock()
	_ = peer.Close()
}

// To is the process that joined under a name, to send to it often. It stays
// open until this process leaves. Its errors are those of Dial.
func (p *Process) To(name string) (*Peer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, wrap("send", name, isthmus.ErrClosed)
	}
	if peer := p.peers[name]; peer != nil {
		return peer, nil
	}
	peer, err := dial(name, p.name, p.cfg)
	if err == nil {
		p.peers[name] = peer
	}
	return peer, err
}

// ToPID is To for a process that is known by its number.
func (p *Process) ToPID(pid int) (*Peer, error) {
	name, err := NameOf(pid, &p.cfg)
	if err != nil {
		return nil, err
	}
	return p.To(name)
}

// Stat describes the inbox.
func (p *Process) Stat() (Stat, error) { return describe(p.name, p.inbox) }
