package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/ring"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Peer is another process, to send to. Its methods may be called from several
// goroutines at once.
type Peer struct {
	name string
	q    *ring.Queue
}

var (
	_ isthmus.Sender    = (*Peer)(nil)
	_ isthmus.Deliverer = (*Peer)(nil)
)

// Dial is the process of a name, for a sender that has not joined and so has no
// name itself. It is an fs.ErrNotExist if no process has joined under the name,
// and ErrPeerDied if the one that did is dead. The caller closes the Peer.
func Dial(name string, c *Config) (*Peer, error) { return dial(name, "", c.orDefault()) }

func dial(name, self string, cfg Config) (*Peer, error) {
	q, err := ring.Open(cfg.Dir, name, region.Inbox, ring.Options{Policy: cfg.Policy, Name: self})
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("no process has joined under this name: %w", err)
	}
	if err != nil {
		return nil, wrap("dial", name, err)
	}
	return &Peer{name, q}, nil
}

// Name is the name under which the process joined.
func (p *Peer) Name() string { return p.name }

// Identity says who the process is.
func (p *Peer) Identity() isthmus.Identity { return p.q.Owner() }

// Send sends msg, as Process.Send does.
func (p *Peer) Send(ctx context.Context, msg isthmus.Message) error {
	return wrap("send", p.name, p.q.Send(ctx, &msg))
}

// TrySend sends msg, as Process.TrySend does. It allocates nothing.
func (p *Peer) TrySend(msg isthmus.Message) error {
	return wrap("send", p.name, p.q.TrySend(&msg))
}

// Deliver sends msg, as Process.Deliver does.
func (p *Peer) Deliver(ctx context.Context, msg isthmus.Message) error {
	return wrap("deliver", p.name, p.q.Deliver(ctx, &msg))
}

// Gone waits until the process dies or leaves: the error is ErrPeerDied or an
// fs.ErrNotExist then, and the context's if that ends first.
func (p *Peer) Gone(ctx context.Context) error {
	return wrap("watch", p.name, p.q.Until(ctx, func() bool { return false }))
}

// Stat describes the process's inbox.
func (p *Peer) Stat() (Stat, error) { return describe(p.name, p.q) }

// Close gives the peer up, and wakes whoever waits on it with ErrClosed.
func (p *Peer) Close() error { return wrap("close", p.name, p.q.Close()) }

// registry is the region whose bell is rung when a process joins. It exists
// while somebody waits for one.
const registry = "joins"

// Wait waits until a living process has joined under a name, and returns it.
func Wait(ctx context.Context, name string, c *Config) (*Peer, error) {
	cfg := c.orDefault()
	for {
		peer, err := dial(name, "", cfg)
		if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, isthmus.ErrPeerDied) {
			return peer, err
		}
		err = awaitJoin(ctx, cfg, func() bool { return present(name, cfg) })
		if err != nil && !errors.Is(err, isthmus.ErrRemoved) {
			return nil, wrap("wait", name, err)
		}
	}
}

// present tells whether a living process has the name.
func present(name string, cfg Config) bool {
	r, err := region.Open(cfg.Dir, name, region.Inbox)
	if err != nil {
		return false
	}
	defer r.Close()
	return r.Held(0)
}

func awaitJoin(ctx context.Context, cfg Config, joined func() bool) error {
	opts := ring.Options{Policy: isthmus.LowPower}
	q, err := ring.Open(cfg.Dir, registry, region.Registry, opts)
	if errors.Is(err, fs.ErrNotExist) {
		q, err = ring.Create(cfg.Dir, registry, ring.Config{Kind: region.Registry, Capacity: isthmus.Bounded(1), MaxMessage: 1, Participants: 256}, opts)
		if errors.Is(err, fs.ErrExist) {
			return nil // another one was faster: look again
		}
	}
	if err != nil {
		return err
	}
	defer q.Close()
	defer func() {
		if q.Alone() {
			_ = q.Remove() // whoever has just opened it opens it anew
		}
	}()
	return q.Until(ctx, joined)
}

// announce tells those who wait for a process that one has joined.
func announce(cfg Config) {
	q, err := ring.Open(cfg.Dir, registry, region.Registry, ring.Options{Policy: isthmus.LowPower})
	if err != nil {
		return // nobody waits
	}
	_ = q.Announce()
	_ = q.Close()
}

// List lists the names that processes joined under, those of dead ones, which
// nobody has taken over, included.
func List(c *Config) ([]string, error) {
	names, err := region.List(c.orDefault().Dir, region.Inbox)
	sort.Strings(names)
	return names, wrap("list", "", err)
}

// NameOf is the name under which the living process with a number (its PID)
// joined. It is an fs.ErrNotExist if there is none.
func NameOf(pid int, c *Config) (string, error) {
	names, err := List(c)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		r, err := region.Open(c.orDefault().Dir, name, region.Inbox)
		if err != nil {
			continue
		}
		found := r.Geometry().Creator == pid && r.Held(0)
		r.Close()
		if found {
			return name, nil
		}
	}
	return "", wrap("find", fmt.Sprint(pid), fmt.Errorf("no process of this number has joined: %w", fs.ErrNotExist))
}

// Remove removes the inbox that a dead process left. A living one's is an
// fs.ErrExist: end the process, or have it leave.
func Remove(name string, c *Config) error {
	cfg := c.orDefault()
	r, err := region.Open(cfg.Dir, name, region.Inbox)
	if err != nil {
		return wrap("remove", name, err)
	}
	r.Close()
	return wrap("remove", name, bury(name, cfg))
}

// Stat is what a process's inbox looks like at one moment.
type Stat struct {
	Name  string           `json:"name"`
	Owner isthmus.Identity `json:"owner"`
	Alive bool             `json:"alive"`
	// Mode is the permission of the inbox's file.
	Mode     fs.FileMode `json:"mode"`
	Capacity string      `json:"capacity"`
	// MaxMessage is the size of the largest message, in bytes.
	MaxMessage int       `json:"max_message"`
	Depth      int       `json:"depth"` // messages
	Bytes      int64     `json:"bytes"` // in them
	Senders    []Sender  `json:"senders"`
	Sent       uint64    `json:"sent"`
	Received   uint64    `json:"received"`
	Reserved   int64     `json:"reserved"` // bytes of memory
	Created    time.Time `json:"created"`
}

// Sender is who holds on to an inbox.
type Sender struct {
	PID     int    `json:"pid"`
	UID     int    `json:"uid"`
	Name    string `json:"name,omitempty"`
	Alive   bool   `json:"alive"`
	Waiting bool   `json:"waiting"` // for room, or for a receipt
	Sent    uint64 `json:"sent"`
}

func describe(name string, q *ring.Queue) (Stat, error) {
	st, err := q.Stat()
	if err != nil {
		return Stat{}, wrap("stat", name, err)
	}
	f, err := sys.Fstat(q.Region().File())
	if err != nil {
		return Stat{}, wrap("stat", name, err)
	}
	s := Stat{Name: name, Owner: q.Owner(), Mode: fs.FileMode(f.Mode).Perm(), Capacity: st.Capacity.String(),
		MaxMessage: st.MaxMessage, Depth: st.Depth, Bytes: st.Bytes, Sent: st.Sent, Received: st.Received,
		Reserved: st.Reserved, Created: st.Created, Senders: []Sender{}}
	for _, p := range st.Participants {
		if p.Place == 0 {
			s.Alive = p.Alive
			continue
		}
		s.Senders = append(s.Senders, Sender{PID: p.PID, UID: p.UID, Name: p.Name, Alive: p.Alive,
			Waiting: p.WaitsForRoom || p.WaitsForReceipt, Sent: p.Sent})
	}
	return s, nil
}

// Inspect describes the inbox of a name, whether its process is alive or not.
func Inspect(name string, c *Config) (Stat, error) {
	cfg := c.orDefault()
	q, err := ring.Open(cfg.Dir, name, region.Inbox, ring.Options{Inspect: true})
	if err != nil {
		return Stat{}, wrap("stat", name, err)
	}
	defer q.Close()
	return describe(name, q)
}
