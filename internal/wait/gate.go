package wait

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/crash"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Gate is the private half of waiting: where the goroutines of one handle wait
// for one bell. One of them at a time, the leader, watches the handle's cell:
// in the kernel itself while few do, through a shared poller when many do. The
// others sleep on channels and follow when the leader comes back.
//
// A goroutine is armed (the cell is asleep, and its node has the cell's word)
// before it looks for the last time, and only then queues up behind the leader.
// Every ring changes the word; so one who finds it changed since looks again.
type Gate struct {
	bell   *Bell
	me     int
	policy isthmus.Policy
	// each makes every waiter of the gate look when one is woken: they wait
	// for different things (a process's messages from different sources).
	each bool

	closed atomic.Bool
	spin   spinner

	mu     sync.Mutex
	leader *node
	nodes  []*node
}

// NewGate makes the gate of participant me at a bell.
func NewGate(bell *Bell, me int, policy isthmus.Policy, each bool) *Gate {
	return &Gate{bell: bell, me: me, policy: policy, each: each}
}

// node is a goroutine that is about to sleep, or does.
type node struct {
	cancel atomic.Uint32 // a private futex: not 0 ends the wait
	ch     chan struct{} // a token here ends the wait
	seq    uint32        // the cell's word when the node was armed
}

var nodes = sync.Pool{New: func() any { return &node{ch: make(chan struct{}, 1)} }}

func (n *node) poke() {
	n.cancel.Store(1)
	sys.WakePrivate(addr(&n.cancel), 1)
	n.signal()
}

func (n *node) signal() {
	select {
	case n.ch <- struct{}{}:
	default:
	}
}

// Waiter is one wait at a gate:
//
//	w := g.Start(ctx)
//	for !try() {
//		if err := w.Next(); err != nil { … }
//	}
//	w.Stop()
//
// Next returns nil when it is time to try again: at first at once, to spin,
// then after announcing itself, and then after sleeping.
type Waiter struct {
	g      *Gate
	ctx    context.Context
	n      *node
	stop   func() bool // ends the context's watch
	state  state
	spins  int
	budget time.Duration
	began  time.Time
}

type state uint8

const (
	fresh state = iota
	spinning
	arming
	armed
)

// Start begins a wait. It costs nothing until Next is called.
func (g *Gate) Start(ctx context.Context) Waiter { return Waiter{g: g, ctx: ctx} }

// Parked tells whether the waiter announced itself, so that a ringer may have
// chosen it.
func (w *Waiter) Parked() bool { return w.n != nil }

// Next waits for the next occasion to try.
func (w *Waiter) Next() error {
	if w.g.closed.Load() {
		return isthmus.ErrClosed
	}
	switch w.state {
	case fresh:
		if err := w.ctx.Err(); err != nil {
			return err
		}
		w.budget = w.g.spin.budget(w.g.policy)
		w.state = spinning
		if w.budget == 0 {
			return w.arm()
		}
		return nil
	case spinning:
		return w.spinOnce()
	case arming:
		return w.arm()
	default:
		w.state = arming
		return w.park()
	}
}

// spinOnce burns a little time. The first looks are as close together as the
// memory allows, since a peer on another CPU answers in a tenth of a microsecond.
func (w *Waiter) spinOnce() error {
	w.spins++
	Pause()
	if w.spins%8 != 0 {
		return nil
	}
	if w.began.IsZero() {
		w.began = time.Now()
		return nil
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if time.Since(w.began) < w.budget {
		return nil
	}
	w.g.spin.failed()
	return w.arm()
}

// arm announces that this goroutine is about to sleep. The caller tries once
// more before it does.
func (w *Waiter) arm() error {
	g := w.g
	if err := w.ctx.Err(); err != nil {
		return err
	}
	first := w.n == nil
	if first {
		w.n = nodes.Get().(*node)
		if w.ctx.Done() != nil {
			w.stop = context.AfterFunc(w.ctx, w.n.poke)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if first {
		g.nodes = append(g.nodes, w.n)
	}
	w.n.seq = g.bell.arm(g.me)
	crash.Point("wait.armed")
	w.state = armed
	return nil
}

// park sleeps until the bell rings for this handle, the leader hands over, the
// context ends or the gate closes.
func (w *Waiter) park() error {
	g, n := w.g, w.n
	lead, late := g.queueUp(n)
	switch {
	case g.closed.Load():
		return isthmus.ErrClosed
	case late:
		return nil
	}

	var err error
	if lead {
		err = n.sleep(addr(&g.bell.cells[g.me].word))
		g.handOver(n)
	} else {
		<-n.ch
	}
	if err == nil {
		err = w.ctx.Err()
	}
	if err == nil && g.closed.Load() {
		err = isthmus.ErrClosed
	}
	return err
}

// queueUp makes n the leader, if there is none. If there is, it tells whether
// the bell has rung since n was armed: the leader watches the cell as it was
// when the leader was armed, and cannot see what was before.
func (g *Gate) queueUp(n *node) (lead, late bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed.Load() {
		return false, false
	}
	if g.leader == nil {
		g.leader = n
		return true, false
	}
	return false, g.bell.cells[g.me].word.Load() != n.seq
}

// handOver ends n's lead and lets the next goroutine look, and lead.
func (g *Gate) handOver(n *node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leader = nil
	for _, o := range g.nodes {
		if o != n {
			o.signal()
			if !g.each {
				return
			}
		}
	}
}

// Stop ends the wait. A waiter who was Parked may have been chosen by a ringer
// although it leaves with something else, or with nothing: its caller looks
// whether there is more, and rings on.
func (w *Waiter) Stop() {
	if w.n == nil {
		if w.state == spinning && w.spins > 0 {
			w.g.spin.worked()
		}
		return
	}
	n := w.n
	w.n = nil
	w.g.leave(n)
	if w.stop != nil && !w.stop() {
		return // the context's goroutine may still hold n
	}
	n.reset()
	nodes.Put(n)
}

func (g *Gate) leave(n *node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, o := range g.nodes {
		if o == n {
			g.nodes = append(g.nodes[:i], g.nodes[i+1:]...)
			break
		}
	}
	if len(g.nodes) == 0 {
		g.bell.leave(g.me)
	} else if g.leader == nil {
		// The token may have been n's; the next one looks for itself.
		g.nodes[0].signal()
	}
}

// Close wakes every waiter with ErrClosed, and those to come.
func (g *Gate) Close() {
	g.closed.Store(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range g.nodes {
		n.poke()
	}
}

// Kick makes every waiter of this gate look again.
func (g *Gate) Kick() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.nodes) > 0 {
		g.bell.Rouse(g.me)
		for _, n := range g.nodes {
			n.signal()
		}
	}
}

// Waiting is the number of goroutines that sleep here.
func (g *Gate) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.nodes)
}

// spinner learns how long to spin.
//
// The ski-rental rule: who spins for as long as a wake-up costs, and only then
// sleeps, never pays more than twice what the best choice would have cost. But
// where the peer cannot run while we spin, or answers late as a rule, each such
// spin is lost. So after two failures in a row it spins only every 2nd, 4th, …,
// 64th time, until a spin works again.
type spinner struct {
	fails atomic.Int32
	skip  atomic.Int32
}

const (
	wakeCost   = 50 * time.Microsecond // of a futex wake-up, at both ends, where an idle CPU must be woken, too
	longSpin   = time.Millisecond
	maxBackoff = 6 // 2^6 waits
)

func (s *spinner) budget(p isthmus.Policy) time.Duration {
	switch {
	case p == isthmus.LowPower:
		return 0
	case oneCPU():
		return 0
	case p == isthmus.LowLatency:
		return longSpin
	case s.skip.Load() > 0:
		s.skip.Add(-1)
		return 0
	}
	return wakeCost
}

// MaySpin tells whether a spin may work now, without counting it as one.
func (g *Gate) MaySpin() bool {
	return g.policy != isthmus.LowPower && (g.policy == isthmus.LowLatency || g.spin.skip.Load() == 0) && !oneCPU()
}

// Spun notes that a spin worked.
func (g *Gate) Spun() {
	if g.spin.fails.Load() != 0 {
		g.spin.worked()
	}
}

func (s *spinner) worked() { s.fails.Store(0) }

func (s *spinner) failed() {
	f := s.fails.Add(1)
	if f >= 2 {
		s.skip.Store(1 << min(f-1, maxBackoff))
	}
}

var cpus struct {
	count atomic.Int32 // 0: ask
	parks atomic.Uint32
}

// oneCPU tells whether this process has one CPU only, so that nobody can answer
// while it spins. Its mask may change, so it asks again now and then.
func oneCPU() bool {
	n := cpus.count.Load()
	if n == 0 {
		n = int32(min(sys.CPUs(), runtime.GOMAXPROCS(0)))
		cpus.count.Store(n)
	}
	return n == 1
}

// parked counts a sleep; every so many of them oneCPU asks again.
func parked() {
	if cpus.parks.Add(1)%1024 == 0 {
		cpus.count.Store(0)
	}
}
