package ring

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/isthmus-ipc/isthmus/internal/alive"
	"github.com/isthmus-ipc/isthmus/internal/crash"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// repair sets right what participant d had in its hands: what it was writing
// never was, what it had claimed is there again. The caller holds d's token, so
// it is the only one who repairs d, and d is dead (or is the caller itself,
// who leaves). If the caller dies in the middle the next one begins again: each
// step finds only what is still to be done.
func (q *Queue) repair(d int) {
	for _, slots := range q.spans() {
		for i := range slots {
			q.repairSlot(&slots[i], d)
		}
	}
	crash.Point("repair.slots")
	q.lookAgain()
	q.repairSegments(d)
	q.repairChunks(d)
	q.freeLoans(d)
	crash.Point("repair.units")
	for i := range q.bells {
		q.bells[i].Forget(d)
	}
	p, c := &q.parts[d], q.control
	c.sent.Add(atomic.SwapUint64(&p.sent, 0))
	c.received.Add(atomic.SwapUint64(&p.received, 0))
	crash.Point("repair.ring")
	q.ringAll() // before the place is free: if this process dies here, the next one repairs d again
	p.live.Store(0)
	c.members.Add(1)
}

// lookAgain makes every receiver start at the first message that is Ready.
// Always, and not only if the shared head is past it: receivers remember for
// themselves how far they were, until the epoch changes.
func (q *Queue) lookAgain() {
	first, found := uint64(0), false
	for _, slots := range q.spans() {
		for i := range slots {
			s := slots[i].state.Load()
			if phaseOf(s) == ready && (!found || ahead(first, posOf(s)) > 0) {
				first, found = posOf(s), true
			}
		}
	}
	if found {
		q.goBack(first)
	}
}

func (q *Queue) repairSlot(sl *slot, d int) {
	for range maxTries {
		s := sl.state.Load()
		to, ok := q.repaired(s, sl, d, uint64(len(q.slots)))
		if !ok {
			return
		}
		crash.Point("repair.slot")
		if sl.state.CompareAndSwap(s, to) {
			return
		}
	}
}

// repaired is what d's slot in state s becomes.
func (q *Queue) repaired(s uint64, sl *slot, d int, n uint64) (to uint64, ok bool) {
	gone := word((posOf(s)+n)&posMask, 0, free)
	switch phaseOf(s) {
	case writing, offered:
		return gone, ownerOf(s) == d
	case claimed:
		if ownerOf(s) != d {
			return 0, false
		}
		return word(posOf(s), cameBack(countOne(sl)), ready), true
	case ready:
		// At capacity zero nothing is stored: a message whose sender is gone,
		// and which no receiver has, was not sent. A gift was.
		// One that came back was in a receiver's hands, and its sender may have
		// been told so.
		gift := loadFlags(sl)&flagGift != 0
		mine := senderOf(loadID(sl)) == makeSender(d, q.parts[d].gen.Load())
		return gone, q.shape.mode == modeZero && mine && !gift && ownerOf(s) == 0
	}
	return 0, false
}

// countOne counts one more receiver that had the message.
func countOne(sl *slot) uint16 {
	a := loadAttempts(sl)
	if a < 1<<16-1 {
		a++
		sl.attempts = a
	}
	return a
}

// sweep looks for participants that died, and repairs what they left. It
// returns whether any was found.
//
// Only one goroutine of a handle sweeps at a time: a token excludes other
// handles, but a handle can take its own twice.
func (q *Queue) sweep() bool {
	q.sweeping.Lock()
	defer q.sweeping.Unlock()
	found := false
	for i := range q.parts {
		if i == q.me || q.parts[i].live.Load() == 0 || q.r.Held(i) {
			continue
		}
		ok, err := q.r.Take(i)
		if err != nil || !ok {
			continue // another one is at it
		}
		if q.parts[i].live.Load() != 0 {
			crash.Point("repair.begin")
			q.repair(i)
			q.control.deaths.Add(1)
			found = true
		}
		q.r.Give(i)
	}
	return found
}

// Sweep repairs what dead participants left, now.
func (q *Queue) Sweep() (err error) {
	if err := q.enter(); err != nil {
		return err
	}
	defer q.exit(region.Faults(), &err)
	q.sweep()
	return nil
}

// peers watches the other participants' processes, from the first time that
// this handle finds nothing to do. Each death wakes it; it then sweeps.
type peers struct {
	seen atomic.Uint64 // members+1, as of the last look; 0: look again

	mu      sync.Mutex
	stopped bool
	watches map[int]*alive.Watch // by PID
	ended   map[int]bool         // by PID: it was told already, and the place is not repaired yet
	blind   bool                 // somebody's end will not be told
	timer   *time.Timer

	blinded atomic.Bool // blind, and no timer is set
}

// blindPeriod is how often a handle that waits looks after participants whose
// PIDs it cannot see (another PID namespace), or that the kernel is still
// tearing down.
const blindPeriod = 250 * time.Millisecond

// sync makes sure that every other participant is watched. It costs a load
// when nobody joined or left since the last time.
func (p *peers) sync(q *Queue) {
	if p.seen.Load() == uint64(q.control.members.Load())+1 && !p.blinded.Load() {
		return
	}
	if p.look(q) {
		q.sweep()
	}
}

// look sets the watches, and tells whether somebody is dead already.
func (p *peers) look(q *Queue) (dead bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return false
	}
	p.seen.Store(uint64(q.control.members.Load()) + 1)
	p.blind = false
	ns := sys.PIDNamespace()
	wanted, ended := map[int]bool{}, map[int]bool{}
	for i := range q.parts {
		o := &q.parts[i]
		pid := o.pid.Load()
		if i == q.me || o.live.Load() == 0 {
			continue
		}
		gen := o.gen.Load() & genMask
		if (*q.known.Load())[i].sender != makeSender(i, gen) {
			q.meet(i, gen) // now, since it may have ended when its message comes
		}
		if pid == q.pid && o.ns.Load() == ns {
			continue
		}
		switch {
		case p.ended[int(pid)]:
			ended[int(pid)], p.blind = true, true
		case ns != 0 && o.ns.Load() == ns && p.watch(q, int(pid)):
			wanted[int(pid)] = true
		default:
			p.blind = true
		}
		if !q.r.Held(i) { // asked after the watch was set
			dead = true
		}
	}
	for pid, w := range p.watches {
		if !wanted[pid] {
			w.Stop()
			delete(p.watches, pid)
		}
	}
	p.ended = ended
	p.blinded.Store(false)
	if p.blind && p.timer == nil {
		p.timer = time.AfterFunc(blindPeriod, func() { p.tick(q) })
	}
	return dead
}

func (p *peers) watch(q *Queue, pid int) bool {
	if p.watches[pid] != nil {
		return true
	}
	w, err := alive.On(pid, func() { p.died(q, pid) })
	if err != nil {
		return false
	}
	if p.watches == nil {
		p.watches = map[int]*alive.Watch{}
	}
	p.watches[pid] = w
	return true
}

// died is called when a watched process has ended.
func (p *peers) died(q *Queue, pid int) {
	err := q.enter()
	if err != nil {
		q.kick()
		return
	}
	defer q.exit(region.Faults(), &err)
	p.mu.Lock()
	delete(p.watches, pid)
	if p.ended == nil {
		p.ended = map[int]bool{}
	}
	p.ended[pid] = true
	p.mu.Unlock()
	p.seen.Store(0)
	q.sweep()
	// A child that the dead one had just forked may hold its files for a
	// moment longer, or somebody who repairs has been stopped. To watch it again
	// would be in vain: a process that nobody has waited for can be watched, and
	// has ended at once. So look is blind until the place is repaired.
	if p.look(q) {
		q.sweep()
	}
}

// tick looks after those that cannot be watched, as long as somebody waits here.
func (p *peers) tick(q *Queue) {
	err := q.enter()
	if err != nil {
		q.kick()
		return
	}
	defer q.exit(region.Faults(), &err)
	p.mu.Lock()
	p.timer = nil
	p.blinded.Store(p.blind)
	p.mu.Unlock()
	q.sweep()
	for _, g := range q.gates {
		if g.Waiting() > 0 {
			p.look(q)
			return
		}
	}
}

func (p *peers) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, w := range p.watches {
		w.Stop()
	}
	p.watches = nil
}

// kick makes this handle's own waiters look again: the queue is not to be used
// any more, and who ended it may have died before it told them.
func (q *Queue) kick() {
	for _, g := range q.gates {
		g.Kick()
	}
}
