package ring

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/crash"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/sys"
	"github.com/isthmus-ipc/isthmus/internal/wait"
)

// ErrCrowded is returned when every participant's place is taken.
var ErrCrowded = errors.New("too many participants")

// attach makes this process a participant. It owns r, and closes it if it fails.
func attach(r *region.Region, s *shape, opts Options) (q *Queue, err error) {
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	v, err := view(r, s)
	if err != nil {
		return nil, err
	}
	uid, gid := sys.Credentials()
	q = &Queue{shared: v, r: r, shape: s, opts: opts, idle: make(chan struct{}),
		uid: uint32(uid), gid: uint32(gid), pid: uint32(os.Getpid()), removed: r.RemovedWord()}
	if n := uint64(len(q.slots)); n&(n-1) == 0 && n > 1 {
		q.mask = n - 1
	}
	q.segMask = uint64(max(len(q.segs), 1) - 1)
	known := make([]acquaintance, len(q.parts))
	q.known.Store(&known)
	q.hint.Store(uint64(os.Getpid()) % max(s.units, 1))
	defer func() { // a truncated file
		if p := recover(); p != nil {
			q, err = nil, r.Fault(p)
		}
	}()
	defer region.Unfault(region.Faults())
	if err := q.meetOwner(); err != nil {
		return nil, err
	}
	if err := q.takePlace(); err != nil {
		return nil, err
	}
	for i := range q.gates {
		q.gates[i] = wait.NewGate(&q.bells[i], q.me, opts.Policy, i != bellMessage || opts.Owner)
	}
	crash.Point("attach.live")
	q.sweep()
	if !opts.Inspect {
		q.greet()
	}
	return q, nil
}

// greet makes everyone who sleeps look at the newcomer, so as to be told of its
// death. Until they have looked it must not clear a bit: nobody would know that
// it died with their wake-up in its hands.
func (q *Queue) greet() {
	for i := range q.parts {
		for k := range q.bells {
			if q.bells[k].Waiting(i) {
				q.bells[k].Rouse(i)
				crash.Point("attach.greeted")
			}
		}
	}
}

var probed atomic.Bool

func probe() error {
	if probed.Load() {
		return nil
	}
	err := sys.Probe()
	probed.Store(err == nil)
	return err
}

// takePlace finds a participant's place: first one that nobody has, then one
// whose participant died.
func (q *Queue) takePlace() error {
	for _, dead := range []bool{false, true} {
		for i := range q.parts {
			p := &q.parts[i]
			if (p.live.Load() != 0) != dead || q.inbox() && (i == 0) != q.opts.Owner {
				continue // an inbox's place 0 is its owner's, for ever
			}
			ok, err := q.r.Take(i)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			crash.Point("attach.token")
			if q.inbox() && q.hasMessagesFrom(i) {
				q.r.Give(i)
				continue
			}
			q.me = i // who repairs may have to own a segment for a moment
			if p.live.Load() != 0 {
				q.repair(i)
			}
			q.settle(i)
			return nil
		}
	}
	return fmt.Errorf("%w: all %d places are taken: create it with more Participants", ErrCrowded, len(q.parts))
}

// guest tells whether this is an inbox that belongs to another participant.
func (q *Queue) guest() bool { return q.inbox() && !q.opts.Owner && !q.opts.Inspect }

func (q *Queue) inbox() bool { return q.r.Kind() == region.Inbox }

// meetOwner makes sure that the owner of an inbox is alive, and remembers which
// one it is. The owner has place 0.
func (q *Queue) meetOwner() error {
	if !q.guest() {
		return nil
	}
	q.ownerGen = q.parts[0].gen.Load()
	if !q.r.Held(0) {
		return isthmus.ErrPeerDied
	}
	return nil
}

// gone tells why this queue is not to be used any more; nil if it is.
func (q *Queue) gone() error {
	switch {
	case q.calls.Load()&closedBit != 0:
		return isthmus.ErrClosed
	case q.r.Removed():
		return isthmus.ErrRemoved
	case q.ownerGen != 0 && (q.parts[0].live.Load() == 0 || q.parts[0].gen.Load() != q.ownerGen):
		return isthmus.ErrPeerDied
	}
	return nil
}

// hasMessagesFrom tells whether messages of the participant that had place i
// last are still there. Then the place keeps its name for them.
func (q *Queue) hasMessagesFrom(i int) bool {
	s := makeSender(i, q.parts[i].gen.Load())
	for _, slots := range q.spans() {
		for k := range slots {
			p := phaseOf(slots[k].state.Load())
			if (p == ready || p == claimed) && senderOf(loadID(&slots[k])) == s {
				return true
			}
		}
	}
	return false
}

// settle fills place i, whose token this handle has.
func (q *Queue) settle(i int) {
	p := &q.parts[i]
	q.me, q.self = i, p
	q.gen = max(1, (p.gen.Load()+1)&genMask)
	p.gen.Store(q.gen)
	p.sent, p.received = 0, 0
	p.tail, p.head = q.control.tail.Load()&posMask, q.control.head.Load()
	p.pid.Store(q.pid)
	p.uid.Store(q.uid)
	p.gid.Store(q.gid)
	p.ns.Store(sys.PIDNamespace())
	p.roles.Store(0)
	p.joined.Store(time.Now().UnixNano())
	p.nlen.Store(uint32(copy(p.name[:], q.opts.Name)))
	p.fd.Store(uint32(q.r.Descriptor() + 1))
	crash.Point("attach.filled")
	p.live.Store(1)
	q.control.members.Add(1)
}

// detach leaves, as repair would do it if this process had died.
func (q *Queue) detach() (err error) {
	defer q.r.Guard(region.Faults(), &err)
	if q.opts.Inspect { // it has nothing in its hands, and nobody waits for it: to look wakes nobody
		q.self.live.Store(0)
		q.control.members.Add(1)
		return nil
	}
	crash.Point("detach.begin")
	q.settleWriting()
	q.repair(q.me)
	crash.Point("detach.repaired")
	return nil
}

// settleWriting waits for senders of this handle that had claimed a slot before
// it was closed, and do not count as calls (postFast). They need microseconds.
// So there is one bound for all: a scribbler can make every slot look like that.
func (q *Queue) settleWriting() {
	tries := maxTries
	for _, slots := range q.spans() {
		for i := range slots {
			for ; tries > 0; tries-- {
				s := slots[i].state.Load()
				if phaseOf(s) != writing || ownerOf(s) != q.me {
					break
				}
				runtime.Gosched()
			}
		}
	}
}

// Message ids: {generation: 16 bits, participant: 16 bits, 1, number: 31 bits}.
// The upper half says who sent it; the number tells a sender's messages apart
// where that matters.
const genMask = 1<<16 - 1

type sender uint64

func (q *Queue) sender() sender { return makeSender(q.me, q.gen) }

func makeSender(i int, gen uint32) sender {
	return sender(uint64(gen&genMask)<<48 | uint64(i)<<32 | 1<<31)
}

// senderOf is the part of an id that tells the sender.
func senderOf(id uint64) sender { return sender(id&^(1<<31-1) | 1<<31) }

func (q *Queue) newID() uint64 {
	return uint64(q.sender()) | uint64(q.msgs.Add(1)&(1<<31-1))
}

func loadID(sl *slot) uint64 { return atomic.LoadUint64(&sl.id) }

// acquaintance remembers who a participant is, so that a message's sender costs
// neither an allocation nor a system call.
type acquaintance struct {
	sender sender
	id     isthmus.Identity
}
