//go:build linux

package hostile

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/ring"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// user is somebody who works with a mailbox as any program does, and takes
// whatever comes.
type user struct {
	m   *mailbox.Mailbox
	cfg mailbox.Config
	rng *rand.Rand
	buf []byte
	max int
}

func newUser(m *mailbox.Mailbox, cfg mailbox.Config, seed uint64) *user {
	return &user{m: m, cfg: cfg, rng: rand.New(rand.NewPCG(seed, 7)), buf: make([]byte, cfg.MaxMessage), max: cfg.MaxMessage}
}

func (u *user) size() int { return u.rng.IntN(len(u.buf) + 1) }

func (u *user) message() isthmus.Message {
	return isthmus.Message{Data: u.buf[:u.size()], Type: 1}
}

// acts are all that a user can do.
var acts = []struct {
	name string
	do   func(u *user, ctx context.Context) error
}{
	{"send", func(u *user, ctx context.Context) error { return u.m.Send(ctx, u.message()) }},
	{"try send", func(u *user, _ context.Context) error { return u.m.TrySend(u.message()) }},
	{"deliver", func(u *user, ctx context.Context) error { return u.m.Deliver(ctx, u.message()) }},
	{"receive", func(u *user, ctx context.Context) error { return u.got(u.m.Receive(ctx)) }},
	{"try receive", func(u *user, _ context.Context) error { return u.got(u.m.TryReceive()) }},
	{"receive into", func(u *user, ctx context.Context) error {
		return u.got(u.m.ReceiveInto(ctx, u.buf[:u.size()]))
	}},
	{"try receive into", func(u *user, _ context.Context) error { return u.got(u.m.TryReceiveInto(u.buf)) }},
	{"claim", func(u *user, ctx context.Context) error { return u.hold(u.m.Claim(ctx)) }},
	{"try claim", func(u *user, _ context.Context) error { return u.hold(u.m.TryClaim()) }},
	{"loan", func(u *user, ctx context.Context) error {
		l, err := u.m.Loan(ctx, u.size())
		return u.fill(ctx, l, err)
	}},
	{"try loan", func(u *user, ctx context.Context) error {
		l, err := u.m.TryLoan(u.size())
		return u.fill(ctx, l, err)
	}},
	{"attach", func(u *user, _ context.Context) error { return u.visit() }},
	{"stat", func(u *user, _ context.Context) error { return u.stat() }},
}

// inline is the size of a message that lies in its slot, whatever the mailbox
// was made for: there is room, and a forger may use it.
const inline = 72

func (u *user) got(m isthmus.Message, err error) error {
	if err == nil && len(m.Data) > max(u.max, inline) {
		return fmt.Errorf("a message of %d bytes came out of a mailbox for %d", len(m.Data), u.max)
	}
	return err
}

func (u *user) hold(c mailbox.Claim, err error) error {
	if err != nil {
		return err
	}
	if n := len(c.Bytes()); n > max(u.max, inline) {
		return fmt.Errorf("a claim of %d bytes came out of a mailbox for %d", n, u.max)
	}
	touch(func() {
		for _, b := range c.Bytes() { // it must all be there to read
			u.buf[0] ^= b
		}
	})
	if u.rng.IntN(2) == 0 {
		return c.Return()
	}
	return c.Ack()
}

// touch uses memory that was lent. When the file was truncated it is not there
// any more; that is for the user of the zero-copy calls to survive, or to avoid
// with an anonymous mailbox, whose size is sealed.
func touch(fn func()) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if _, fault := p.(interface{ Addr() uintptr }); !fault {
				panic(p)
			}
		}
	}()
	fn()
}

func (u *user) fill(ctx context.Context, l mailbox.Loan, err error) error {
	if err != nil {
		return err
	}
	touch(func() { copy(l.Bytes(), u.buf) })
	switch u.rng.IntN(4) {
	case 0:
		err = l.Send(ctx)
	case 1:
		err = l.TrySend()
	case 2:
		err = l.Deliver(ctx)
	}
	if c := l.Cancel(); err == nil && c != nil && typed("cancel", c) != nil {
		return c // sent or not, cancelling is allowed to say that it is settled
	}
	return err
}

// visit comes and goes.
func (u *user) visit() error {
	m, err := mailbox.Attach("box", &u.cfg)
	if err != nil {
		return err
	}
	_ = m.TrySend(u.message())
	_, _ = m.TryReceive()
	return m.Close()
}

func (u *user) stat() error {
	q, err := ring.Open(u.cfg.Dir, "box", region.Mailbox, ring.Options{})
	if err != nil {
		return &isthmus.Error{Err: err}
	}
	_, err = q.Stat()
	if e := q.Sweep(); err == nil {
		err = e
	}
	if e := q.Close(); err == nil {
		err = e
	}
	if err != nil {
		return &isthmus.Error{Err: err}
	}
	return nil
}

// act does one thing, with a deadline, and complains if it breaks a promise.
func (u *user) act(i int, patience time.Duration) error {
	a := acts[i%len(acts)]
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	within(patience+bound, a.name, func() { err = typed(a.name, a.do(u, ctx)) })
	return err
}

// crowd is several users at once, until stop is called.
type crowd struct {
	stopping atomic.Bool
	wg       sync.WaitGroup
	acts     atomic.Int64
}

func (c *crowd) add(t *testing.T, u *user, only ...int) {
	c.wg.Go(func() {
		for !c.stopping.Load() {
			i := u.rng.IntN(len(acts))
			if len(only) > 0 {
				i = only[u.rng.IntN(len(only))]
			}
			if err := u.act(i, 5*time.Millisecond); err != nil {
				t.Error(err)
				return
			}
			c.acts.Add(1)
		}
	})
}

func (c *crowd) stop() {
	c.stopping.Store(true)
	within(2*bound, "the users' going home", c.wg.Wait)
}
