package sysv

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// How a call waits.
//
// msgsnd, msgrcv and semop cannot be polled for: a thread has to wait in the
// kernel. Who may hold a thread is decided in lane.go. Here is how such a wait is
// ended: by a signal to just that thread, see sys.Interrupt.
//
// A waiter is in one of these states, which are in its word state:
//
//	out       0              in no system call
//	in        tid            in one, or about to be, or just back
//	leaving   tid | ended    the same, and being signalled
//	over      ended          makes no further call
//
//	out → in        arm: the goroutine is locked to thread tid
//	in → out        disarm, after the call has returned, whatever it said
//	in → leaving    end: the context ended, or the handle was closed; a signal
//	leaving → over  disarm, which here takes the mutex
//	out → over      end
//
// The signal may come when the thread is in state "in" but not yet in the
// kernel, and then does nothing. So in "leaving" it is repeated, at growing
// distances, until disarm. It is sent under the mutex, which disarm takes when it
// finds the waiter in "leaving". So none is sent after disarm: a thread that does
// something else already is never signalled.
//
// No message is lost or doubled, however many signals there are, since what the
// call returned is what counts, and never that it was to end:
//
//   - msgrcv takes a message and has a signal pending: the kernel looks for the
//     message first, and returns it (do_msgrcv in ipc/msg.c, "Lockless receive,
//     part 4"); so do we, though the context has ended.
//   - msgsnd looks for signals only before it enqueues (do_msgsnd), semop only if
//     the operations were not done (__do_semtimedop in ipc/sem.c). EINTR means
//     that nothing was done, success that it was.
//   - EINTR in state "in" is somebody else's signal: the call is made again.

// waiter is a call that waits.
type waiter struct {
	state atomic.Int64

	mu      sync.Mutex // held to signal
	attempt int        // how many signals were sent
	again   *time.Timer

	// token wakes a goroutine that waits for its turn in a lane, without a
	// thread. The lanes' mutex protects the rest: granted says that it is its
	// turn, before and after are its neighbours in the lane, prev and next those
	// of the same handle.
	token         chan struct{}
	granted       bool
	before, after *waiter
	prev, next    *waiter
}

// ended is beyond any thread's number.
const ended = 1 << 32

// waiters recycles those that nobody else holds any longer.
var waiters = sync.Pool{New: func() any { return &waiter{token: make(chan struct{}, 1)} }}

// arm says that this thread is about to enter the kernel. It is false if the
// wait has ended before it began.
func (w *waiter) arm() bool {
	runtime.LockOSThread()
	if w.state.CompareAndSwap(0, int64(sys.ThreadID())) {
		return true
	}
	runtime.UnlockOSThread()
	return false
}

// disarm says that it is back, and tells whether the wait is over.
func (w *waiter) disarm() (over bool) {
	if s := w.state.Load(); s&ended != 0 || !w.state.CompareAndSwap(s, 0) {
		w.mu.Lock()
		w.state.Store(ended)
		if w.again != nil {
			w.again.Stop()
		}
		w.mu.Unlock()
		over = true
	}
	runtime.UnlockOSThread()
	return over
}

// end ends the wait, wherever it is. It does not wait for that.
func (w *waiter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.state.Or(ended)
	if before&ended != 0 {
		return
	}
	w.wake()
	if before != 0 {
		w.signal()
	}
}

// wake wakes the goroutine if it waits for its turn.
func (w *waiter) wake() {
	select {
	case w.token <- struct{}{}:
	default:
	}
}

// The first repetition comes after firstPause, each further one after twice as
// long, up to lastPause.
const (
	firstPause = 50 * time.Microsecond
	lastPause  = 10 * time.Millisecond
)

// signal interrupts the thread, and sees to it that it is interrupted again if
// that came too early. The caller holds mu.
func (w *waiter) signal() {
	// An error says that no signal is left to do it. A later attempt may find
	// one; there is nobody to tell but the one who waits.
	_ = sys.Interrupt(int(w.state.Load()&^ended), w.attempt)
	pause := min(firstPause<<min(w.attempt, 16), lastPause)
	w.attempt++
	if w.again != nil {
		w.again.Reset(pause)
		return
	}
	w.again = time.AfterFunc(pause, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.state.Load() != ended { // it has not come back
			w.signal()
		}
	})
}

// handle is what a Queue and a SemaphoreSet have of their own: whether they are
// closed, and who waits on them.
type handle struct {
	closed  atomic.Bool
	waiting waiter // the head of a ring; the lanes' mutex protects it

	// direct is how many calls, of those that may wait, are to wait without
	// looking first whether they must: in an exchange, who had to wait once has
	// to again, and need not ask twice.
	direct atomic.Int32
}

// directCalls is after how many it looks again.
const directCalls = 64

// expects tells whether a call should wait at once.
func (h *handle) expects() bool {
	n := h.direct.Load()
	return n > 0 && h.direct.CompareAndSwap(n, n-1)
}

// enter registers w, so that close ends it. The caller holds the lanes' mutex.
func (h *handle) enter(w *waiter) error {
	if h.closed.Load() {
		return isthmus.ErrClosed
	}
	if h.waiting.next == nil {
		h.waiting.next, h.waiting.prev = &h.waiting, &h.waiting
	}
	w.prev, w.next = h.waiting.prev, &h.waiting
	w.prev.next, w.next.prev = w, w
	return nil
}

// part takes w out again. The caller holds the lanes' mutex.
func (w *waiter) part() {
	w.prev.next, w.next.prev = w.next, w.prev
	w.next, w.prev = nil, nil
}

func (h *handle) isClosed() bool { return h.closed.Load() }

func (h *handle) close() error {
	lanes.Lock()
	defer lanes.Unlock()
	if h.closed.Swap(true) {
		return isthmus.ErrClosed
	}
	for w := h.waiting.next; w != nil && w != &h.waiting; w = w.next {
		w.end()
	}
	return nil
}

// wait makes a call that may wait, until it has returned, ctx ends, or the
// handle is closed. Its error is the call's errno, never EINTR; ctx's;
// ErrClosed; or ErrTooManyWaiters. expected says that nobody has looked whether
// it must wait.
func (h *handle) wait(ctx context.Context, r *request, expected bool) (n int, err error) {
	if !expected {
		h.direct.Store(directCalls)
	}
	w := waiters.Get().(*waiter)
	var stop func() bool
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, w.end)
	}
	n, err = w.run(h, r)
	alone := stop == nil || stop() // else the context's goroutine may still hold it
	if err == errEnded {
		if err = ctx.Err(); err == nil {
			err = isthmus.ErrClosed
		}
	}
	if alone {
		w.recycle()
	}
	if expected && errors.Is(err, ErrTooManyWaiters) {
		return r.try() // it was not certain that it must wait
	}
	return n, err
}

// recycle gives w to the next that waits, unless a timer may still hold it.
func (w *waiter) recycle() {
	if w.state.Load() != 0 {
		return
	}
	w.granted = false
	select {
	case <-w.token:
	default:
	}
	waiters.Put(w)
}

// errEnded says that end was called.
const errEnded = syscall.EINTR

// run makes the call, when there is a thread for it.
func (w *waiter) run(h *handle, r *request) (n int, err error) {
	l, err := w.join(h, r.lane())
	if err != nil {
		return 0, err
	}
	defer w.leave(l)
	for {
		if !w.arm() {
			return 0, errEnded
		}
		n, err = r.perform()
		if over := w.disarm(); err != syscall.EINTR || over {
			return n, err
		}
	}
}
