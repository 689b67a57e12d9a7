package sysv

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"syscall"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Who may hold a thread.
//
// A Go process dies when it has 10,000 threads. Waits are therefore sorted into
// lanes: those that one and the same event ends, since they ask one object for
// one thing. Of a lane, up to perLane wait in the kernel. The others wait for
// their turn, in the order in which they came, and cost no thread: whoever comes
// back from the kernel gives the turn to the first of them. So it does not matter
// how many wait for one thing. What is limited is for how many different things a
// process can wait: the kernel has no way to wait for two with one thread. One
// thing more is ErrTooManyWaiters, at once, and nothing has happened.
//
// No wake-up is lost: what the kernel keeps for a waiter (a message, room, a
// semaphore's value) it keeps for the object, where a waiter finds it whenever it
// enters. So a lane with waiters must only never be without one in the kernel, or
// on its way there: a turn is given up only when nobody waits.

const (
	// perLane is how many waiters for the same thing wait in the kernel
	// themselves, while threads are plenty.
	perLane = 8
	// maxThreads is how many threads of this process wait for System V objects.
	maxThreads = 1000
)

// ErrTooManyWaiters is returned by a call that would have to wait when this
// process already waits for 1,000 other things: queues, selections, operations.
// Any number of goroutines may wait for the same thing. Nothing was done.
var ErrTooManyWaiters = errors.New("too many waiters")

func errTooMany() error {
	return fmt.Errorf("%w: this process waits for %d different things already, each in a thread: let fewer goroutines wait, or let them wait for the same", ErrTooManyWaiters, maxThreads)
}

// operation is a system call that may wait.
type operation uint8

const (
	opSend operation = iota
	opReceive
	opSemaphores
)

// request is one such call.
type request struct {
	op    operation
	id    int
	buf   []byte // of a message, header and text
	typ   int64  // to receive
	flags int
	ops   []sys.Sembuf
}

func (r *request) perform() (int, error) {
	switch r.op {
	case opSend:
		return 0, sys.Msgsnd(r.id, r.buf, r.flags)
	case opReceive:
		return sys.Msgrcv(r.id, r.buf, r.typ, r.flags)
	}
	return 0, sys.Semop(r.id, r.ops, false)
}

// try makes the call without waiting. It is ErrTooManyWaiters if it would have to.
func (r *request) try() (n int, err error) {
	now := *r
	now.flags |= sys.IPCNoWait
	now.ops = nil
	for _, o := range r.ops {
		o.Flags |= sys.IPCNoWait
		now.ops = append(now.ops, o)
	}
	if n, err = now.perform(); err == syscall.EAGAIN || err == syscall.ENOMSG {
		err = errTooMany()
	}
	return n, err
}

// laneKey says what a wait is for. All that send to a queue wait for room: a
// large message holds up a small one behind it, as it would in one sender.
type laneKey struct {
	op    operation
	id    int
	flags int
	typ   int64
	ops   any // a string, of more operations than one
}

func (r *request) lane() laneKey {
	k := laneKey{op: r.op, id: r.id, typ: r.typ, flags: r.flags}
	switch {
	case len(r.ops) == 1: // by far the most common: no string needed
		o := r.ops[0]
		k.typ = int64(o.Index)<<32 | int64(uint16(o.Delta))<<16 | int64(uint16(o.Flags))
	case len(r.ops) > 1:
		b := make([]byte, 0, 6*len(r.ops))
		for _, o := range r.ops {
			b = append(b, byte(o.Index), byte(o.Index>>8), byte(o.Delta), byte(o.Delta>>8), byte(o.Flags), byte(o.Flags>>8))
		}
		k.ops = string(b)
	}
	return k
}

// lane is the waits for one thing.
type lane struct {
	key         laneKey
	active      int     // in the kernel, or on their way
	first, last *waiter // that wait for their turn
}

// lanes are all of this process: they are shared by all handles, which may be
// many for one object.
var lanes = struct {
	sync.Mutex
	of      map[laneKey]*lane
	threads int
	idle    int // lanes in which nobody waits; a few are kept for the next
}{of: map[laneKey]*lane{}}

// join waits for a turn in a lane, on behalf of a handle. An error is ErrClosed,
// ErrTooManyWaiters, or errEnded.
func (w *waiter) join(h *handle, k laneKey) (*lane, error) {
	lanes.Lock()
	l := lanes.of[k]
	if (l == nil || l.active == 0) && lanes.threads >= maxThreads {
		lanes.Unlock()
		return nil, errTooMany()
	}
	if err := h.enter(w); err != nil {
		lanes.Unlock()
		return nil, err
	}
	if l == nil {
		l = &lane{key: k}
		lanes.of[k] = l
		lanes.idle++
	}
	if l.active == 0 || l.first == nil && l.active < perLane && lanes.threads < maxThreads/2 {
		if l.active == 0 {
			lanes.idle--
		}
		l.active++
		lanes.threads++
		lanes.Unlock()
		return l, nil
	}
	l.add(w)
	lanes.Unlock()
	<-w.token
	lanes.Lock()
	defer lanes.Unlock()
	if w.granted { // though it may have ended, too: then it is arm that says so
		return l, nil
	}
	l.remove(w)
	w.part()
	return nil, errEnded
}

// leave gives the turn to the next that waits for it.
func (w *waiter) leave(l *lane) {
	lanes.Lock()
	defer lanes.Unlock()
	w.part()
	if next := l.first; next != nil {
		l.remove(next)
		next.granted = true
		next.wake()
		return
	}
	l.active--
	lanes.threads--
	if l.active == 0 {
		if lanes.idle++; lanes.idle > keptLanes {
			maps.DeleteFunc(lanes.of, func(_ laneKey, l *lane) bool { return l.active == 0 })
			lanes.idle = 0
		}
	}
}

// keptLanes is how many idle lanes are kept: then the next wait of their sort
// needs no memory.
const keptLanes = 64

func (l *lane) add(w *waiter) {
	w.before, w.after = l.last, nil
	if l.last == nil {
		l.first = w
	} else {
		l.last.after = w
	}
	l.last = w
}

func (l *lane) remove(w *waiter) {
	if w.before == nil {
		l.first = w.after
	} else {
		w.before.after = w.after
	}
	if w.after == nil {
		l.last = w.before
	} else {
		w.after.before = w.before
	}
	w.before, w.after = nil, nil
}
