// Package ring is the heart of message passing over shared memory: a queue of
// messages between any number of processes, each of which may be killed at any
// instruction. Packages mailbox and process give it names and verbs.
//
// turn.go has the protocol of the slots, arena.go that of the memory for larger
// messages, repair.go what happens after a death; package wait how to sleep.
package ring

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/wait"
)

// Config says what queue to create.
type Config struct {
	Kind         region.Kind
	Capacity     isthmus.Capacity
	MaxMessage   int
	Memory       int64
	Participants int
	Mode         fs.FileMode
	Group        int
}

// Options say how a handle uses a queue.
type Options struct {
	Policy isthmus.Policy
	// Name is the participant's own name.
	Name string
	// Owner makes this the handle that an inbox belongs to: its creator.
	Owner bool
	// Inspect makes this a handle that only looks: the owner may be dead.
	Inspect bool
}

// Queue is a handle on a region with a queue in it: a participant. Its methods
// may be called from several goroutines at once.
type Queue struct {
	*shared
	r       *region.Region
	shape   *shape
	mask    uint64 // slots-1 if that is a power of two
	segMask uint64
	me      int
	self    *participant // &parts[me]
	removed *atomic.Uint32
	gen     uint32
	// ownerGen is the generation of an inbox's owner, if that is somebody else.
	ownerGen uint32
	uid      uint32
	gid      uint32
	pid      uint32
	opts     Options
	gates    [bells]*wait.Gate

	calls    atomic.Int64 // under way; closedBit when closed
	idle     chan struct{}
	idleOnce sync.Once
	msgs     atomic.Uint32
	serial   atomic.Uint32
	crowd    atomic.Int32 // how long to write the tail each time
	roles    atomic.Uint32
	hint     atomic.Uint64 // where to look for free units
	small    loanPool
	sweeping sync.Mutex
	installs sync.Mutex // one announcement that it installs a segment at a time
	kept     keep       // of an inbox's owner
	pace     pace
	moved    atomic.Uint64 // how many messages this handle had sent and received when it slept last
	busy     atomic.Int32  // how often it slept since then
	known    atomic.Pointer[[]acquaintance]
	peers    peers
}

// Create makes a region with a queue, and attaches to it.
func Create(dir, name string, cfg Config, opts Options) (*Queue, error) {
	if err := probe(); err != nil {
		return nil, err
	}
	s, err := cfg.shape(dir)
	if err != nil {
		return nil, err
	}
	r, err := region.Create(dir, name, cfg.spec(s), s.init)
	if err != nil {
		return nil, err
	}
	return attach(r, s, opts)
}

// Open attaches to the queue in a region that exists.
func Open(dir, name string, kind region.Kind, opts Options) (*Queue, error) {
	if err := probe(); err != nil {
		return nil, err
	}
	r, err := region.Open(dir, name, kind)
	if err != nil {
		return nil, err
	}
	return join(r, opts)
}

// Anonymous makes a queue without a name.
func Anonymous(label string, cfg Config, opts Options) (*Queue, error) {
	if err := probe(); err != nil {
		return nil, err
	}
	s, err := cfg.shape("/dev/shm")
	if err != nil {
		return nil, err
	}
	r, err := region.Anonymous(label, cfg.spec(s), s.init)
	if err != nil {
		return nil, err
	}
	return attach(r, s, opts)
}

// FromFile attaches to the anonymous queue behind f.
func FromFile(f *os.File, kind region.Kind, opts Options) (*Queue, error) {
	if err := probe(); err != nil {
		return nil, err
	}
	r, err := region.FromFile(f, kind)
	if err != nil {
		return nil, err
	}
	return join(r, opts)
}

func join(r *region.Region, opts Options) (*Queue, error) {
	s, err := shapeOf(r.Geometry().Words)
	if err != nil {
		r.Close()
		return nil, err
	}
	return attach(r, s, opts)
}

// Defaults of Config.
const (
	DefaultCapacity     = 1024
	DefaultMaxMessage   = 64 << 10
	DefaultMemory       = 4 << 20
	DefaultParticipants = 64

	zeroSlots = 128 // senders and receivers that can wait at capacity zero without queueing for a slot
	minUnit   = 1 << 10
)

func (c Config) shape(dir string) (*shape, error) {
	invalid := func(format string, args ...any) (*shape, error) {
		return nil, fmt.Errorf("%w: %s", fs.ErrInvalid, fmt.Sprintf(format, args...))
	}
	if c.Capacity.IsDefault() {
		c.Capacity = isthmus.Bounded(DefaultCapacity)
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = DefaultMaxMessage
		if c.Memory == 0 && c.Capacity != isthmus.Unbounded {
			c.Memory = max(DefaultMemory, int64(c.MaxMessage))
		}
	}
	if c.Participants == 0 {
		c.Participants = DefaultParticipants
	}
	switch {
	case c.MaxMessage < 0 || c.MaxMessage > MaxMessage:
		return invalid("MaxMessage %d is not within 1 and %d bytes", c.MaxMessage, MaxMessage)
	case c.Participants < 1 || c.Participants > MaxParticipants:
		return invalid("Participants %d is not within 1 and %d", c.Participants, MaxParticipants)
	case c.Capacity.Messages() > MaxSlots:
		return invalid("Capacity %d is more than %d messages: take Unbounded", c.Capacity.Messages(), MaxSlots)
	case c.Memory < 0 || c.Memory > 0 && c.Memory < int64(c.MaxMessage) && c.MaxMessage > inlineBytes:
		return invalid("Memory %d is less than one message of MaxMessage %d bytes", c.Memory, c.MaxMessage)
	case c.Mode&^fs.ModePerm != 0:
		return invalid("Mode %v has more than permission bits", c.Mode)
	}
	s := &shape{mode: modeBounded, slots: uint64(c.Capacity.Messages()), maxMessage: uint64(c.MaxMessage), participants: uint64(c.Participants)}
	switch c.Capacity {
	case isthmus.Zero:
		s.mode, s.slots = modeZero, zeroSlots
	case isthmus.Unbounded:
		limit := uint64(c.Memory)
		if limit == 0 {
			limit = uint64(region.Room(dir)) / 2
		}
		s.grow(max(limit, s.maxMessage, 64<<10))
		return s, s.place()
	}
	s.divide(uint64(c.Memory))
	return s, s.place()
}

// divide chooses the units of the arena: one a message if there is memory for
// that, else small ones of which a message takes as many as it needs.
func (s *shape) divide(memory uint64) {
	if s.maxMessage <= inlineBytes {
		return
	}
	whole := roundUp(s.maxMessage, 64)
	if whole >= pageSize {
		whole = roundUp(whole, pageSize)
	}
	messages := s.slots
	if s.mode == modeZero {
		messages = min(messages, 16)
	}
	if memory == 0 || memory >= messages*whole {
		s.unit, s.units = whole, messages
		return
	}
	s.unit = max(minUnit, uint64(1)<<bits.Len64(s.maxMessage/1024))
	s.units = (memory + s.unit - 1) / s.unit
	s.units = max(s.units, (s.maxMessage+s.unit-1)/s.unit)
}

func (c Config) spec(s *shape) region.Spec {
	return region.Spec{Kind: c.Kind, Size: int64(s.size), Reserve: int64(s.reserve), Geometry: s.words(), Mode: c.Mode, Group: c.Group}
}

// init writes what must not be zero into a new region, and takes place 0 for
// its creator: nobody ever sees an inbox without its owner.
func (s *shape) init(r *region.Region) error {
	if _, err := r.Take(0); err != nil {
		return err
	}
	if s.mode == modeUnbounded {
		return nil
	}
	slots, err := region.View[slot](r, s.slotsAt, s.slots)
	for i := range slots {
		slots[i].state.Store(word(uint64(i), 0, free))
	}
	return err
}

const closedBit = 1 << 62 // of Queue.calls

// enter begins a call that Close waits for. Calls that hold nothing in this
// handle's name do without: the mapping stays as long as anyone can reach it.
func (q *Queue) enter() (err error) {
	q.calls.Add(1)
	defer func() {
		if err != nil {
			q.left()
		}
	}()
	defer q.r.Guard(region.Faults(), &err) // gone looks at the region
	return q.gone()
}

// exit is deferred by a call that entered, and ends it.
func (q *Queue) exit(old bool, err *error) {
	region.Unfault(old)
	if p := recover(); p != nil {
		*err = q.r.Fault(p)
	}
	q.left()
}

// left ends a call. The last one lets Close go on.
func (q *Queue) left() {
	if q.calls.Add(-1) == closedBit {
		q.idleOnce.Do(func() { close(q.idle) })
	}
}

// Close returns the claims that this handle holds, leaves, and wakes whoever
// waits on it. What loans and claims lent must not be used afterwards.
func (q *Queue) Close() error {
	if q.calls.Or(closedBit)&closedBit != 0 {
		return isthmus.ErrClosed
	}
	q.calls.Add(1)
	q.left()
	for _, g := range q.gates {
		g.Close()
	}
	<-q.idle
	q.peers.stop()
	err := q.detach()
	q.r.Leave()
	return err
}

// Remove takes the region's name away and ends every call on it, in all
// processes, with ErrRemoved.
func (q *Queue) Remove() (err error) {
	q.calls.Add(1)
	defer q.exit(region.Faults(), &err)
	if err := q.gone(); err == isthmus.ErrClosed {
		return err
	}
	return q.r.Remove(q.ringAll)
}

// Remove removes the region of a name, whether it can be attached to or not.
func Remove(dir, name string, kind region.Kind) error {
	r, err := region.Open(dir, name, kind)
	if errors.Is(err, isthmus.ErrCorrupt) || errors.Is(err, region.ErrVersion) {
		return region.Discard(dir, name, kind)
	}
	if err != nil {
		return err
	}
	defer r.Close()
	s, err := shapeOf(r.Geometry().Words)
	if err != nil {
		return r.Remove(nil)
	}
	v, err := view(r, s)
	if err != nil {
		return r.Remove(nil)
	}
	return r.Remove(v.ringAll)
}

// ringAll makes everyone who waits for anything look again, whatever the bits
// say: somebody may have died between clearing one and waking who it stood for.
func (q *shared) ringAll() {
	for i := range q.parts {
		if q.parts[i].live.Load() == 0 {
			continue
		}
		for k := range q.bells {
			q.bells[k].Rouse(i)
		}
	}
}

// Region is the region that the queue lies in.
func (q *Queue) Region() *region.Region { return q.r }

// slow is what a call does before it sleeps: look whether it would sleep for ever.
func (q *Queue) slow(w *wait.Waiter) error {
	if w.Parked() {
		if err := q.stillThere(); err != nil {
			return err
		}
		q.peers.sync(q)
		return q.gone()
	}
	return nil
}

// stillThere asks the kernel whether the file was removed by hand or truncated.
// In the middle of traffic, when messages come and go between one sleep and the
// next, it does so only now and then.
func (q *Queue) stillThere() error {
	moved := atomic.LoadUint64(&q.self.sent) + atomic.LoadUint64(&q.self.received)
	if q.moved.Swap(moved) == moved {
		q.busy.Store(0)
	} else if n := q.busy.Add(1); n > askBusy && n%askBusy != 0 {
		return nil
	}
	return q.r.Intact()
}

const askBusy = 16 // sleeps in the middle of traffic

// next waits for the next occasion to try.
func (q *Queue) next(w *wait.Waiter) error {
	if err := q.slow(w); err != nil {
		return err
	}
	err := w.Next()
	if err == nil {
		err = q.gone()
	}
	return err
}

// Until waits until ok, which is asked again whenever somebody calls Announce,
// joins, leaves or dies.
func (q *Queue) Until(ctx context.Context, ok func() bool) (err error) {
	if err := q.enter(); err != nil {
		return err
	}
	defer q.exit(region.Faults(), &err)
	w := q.gates[bellMessage].Start(ctx)
	defer w.Stop()
	for !ok() {
		if err := q.next(&w); err != nil {
			return err
		}
	}
	return nil
}

// Announce makes everyone who waits in Until ask again.
func (q *Queue) Announce() (err error) {
	if err := q.enter(); err != nil {
		return err
	}
	defer q.exit(region.Faults(), &err)
	q.bells[bellMessage].RingEach()
	return nil
}

// Alone tells whether no other handle is alive.
func (q *Queue) Alone() bool {
	for i := range q.parts {
		if i != q.me && q.parts[i].live.Load() != 0 && q.r.Held(i) {
			return false
		}
	}
	return true
}

// Owner is who an inbox belongs to.
func (q *Queue) Owner() (id isthmus.Identity) {
	var err error
	defer q.r.Guard(region.Faults(), &err)
	return q.meet(0, q.parts[0].gen.Load())
}
