package socket

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// errBusy says that a call that does not wait met one that does: there is
// nothing to be had.
var errBusy error = syscall.EAGAIN

// gate lets one call at a time use one direction of a descriptor, and has it
// wait in Go's poller. The other callers wait for their turn on a channel, in
// the order in which they came, each with a context of its own.
//
// What a call does is op, which must not wait: it returns EAGAIN where it would
// have to. op is bound once and finds what the call is about in the structure
// that the gate is part of, under the turn; so a call allocates nothing unless
// it waits with a context that can end.
type gate struct {
	f     *os.File
	rc    syscall.RawConn
	write bool
	op    func(fd int) error
	step  func(fd uintptr) bool
	gone  chan struct{} // closed by Close

	turn   chan struct{}
	parked atomic.Bool // who has the turn waits

	// of the call that has the turn
	ctx   context.Context
	wait  bool
	err   error
	stop  func() bool
	ended chan struct{}
}

func (g *gate) init(f *os.File, write bool, gone chan struct{}, op func(fd int) error) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	g.f, g.rc, g.write, g.gone, g.op = f, rc, write, gone, op
	g.step = g.once
	g.turn = make(chan struct{}, 1)
	return nil
}

// take takes the turn.
func (g *gate) take(ctx context.Context, wait bool) error {
	if closed(g.gone) {
		return isthmus.ErrClosed
	}
	if wait {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	select {
	case g.turn <- struct{}{}:
		return nil
	default:
	}
	if !wait {
		return g.takeSoon()
	}
	select {
	case g.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-g.gone:
		return isthmus.ErrClosed
	}
}

// takeSoon takes the turn from a call that is in the middle of a system call,
// but not from one that waits.
func (g *gate) takeSoon() error {
	for {
		select {
		case g.turn <- struct{}{}:
			return nil
		case <-g.gone:
			return isthmus.ErrClosed
		default:
		}
		if g.parked.Load() {
			return errBusy
		}
		runtime.Gosched()
	}
}

func (g *gate) release() { <-g.turn }

// run makes the call: op, again each time that the poller says so, until it
// returns something else than EAGAIN. The caller has the turn.
func (g *gate) run(ctx context.Context, wait bool) error {
	g.ctx, g.wait, g.err = ctx, wait, nil
	var err error
	if g.write {
		err = g.rc.Write(g.step)
	} else {
		err = g.rc.Read(g.step)
	}
	g.parked.Store(false)
	if g.stop != nil {
		g.disarm()
	}
	g.ctx = nil
	switch {
	case err == nil:
		return g.err
	case closed(g.gone):
		return isthmus.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// once is what the poller calls.
func (g *gate) once(fd uintptr) bool {
	g.err = g.op(int(fd))
	for g.err == errAgainNow && g.wait && g.ctx.Err() == nil && !closed(g.gone) {
		g.err = g.op(int(fd))
	}
	if g.err == errAgainNow {
		g.err = syscall.EAGAIN
		if g.wait {
			g.err = g.ctx.Err()
		}
		return true
	}
	if g.err != syscall.EAGAIN || !g.wait {
		return true
	}
	if g.stop == nil && g.ctx.Done() != nil {
		g.arm()
	}
	g.parked.Store(true)
	return false
}

// arm has the end of the context end the wait: a deadline that has passed wakes
// who waits in the poller.
func (g *gate) arm() {
	ended := make(chan struct{})
	g.ended = ended
	g.stop = context.AfterFunc(g.ctx, func() {
		g.deadline(time.Unix(1, 0))
		close(ended)
	})
}

// disarm leaves no deadline behind for the next call.
func (g *gate) disarm() {
	if !g.stop() {
		<-g.ended
		g.deadline(time.Time{})
	}
	g.stop, g.ended = nil, nil
}

func (g *gate) deadline(t time.Time) {
	if g.write {
		_ = g.f.SetWriteDeadline(t)
	} else {
		_ = g.f.SetReadDeadline(t)
	}
}

func closed(gone chan struct{}) bool {
	select {
	case <-gone:
		return true
	default:
		return false
	}
}
