package posix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// call is one send or receive under way.
type call struct{ sys *sys.MQCall }

var calls = [2]sync.Pool{
	{New: func() any { return &call{sys.NewMQCall(false)} }},
	{New: func() any { return &call{sys.NewMQCall(true)} }},
}

const (
	receiving = 0
	sending   = 1
)

func getCall(direction int, buf []byte) *call {
	c := calls[direction].Get().(*call)
	c.sys.Buf = buf
	return c
}

func putCall(direction int, c *call) {
	c.sys.Buf = nil
	calls[direction].Put(c)
}

// maxBlocked is how many calls of a process wait in the kernel at a time: each
// holds a thread, and a Go process dies at 10,000.
const maxBlocked = 512

var blocked atomic.Int32

var errTooManyBlocked error = &explained{
	text:  fmt.Sprintf("%d calls of this process wait in the kernel already, each with a thread: open queues without Blocking", maxBlocked),
	errno: syscall.EAGAIN,
}

// Send waits until there is room, and then sends m. Its Priority is up to
// MaxPriority; a Type is errors.ErrUnsupported. If ctx ends first m was not
// sent, and the error is ctx's; where there is room at once ctx is not looked
// at, as the standard has it.
func (q *Queue) Send(ctx context.Context, m isthmus.Message) error {
	if err := q.sendable(m); err != nil {
		return err
	}
	c := getCall(sending, m.Data)
	c.sys.Prio = m.Priority
	err := q.wait(ctx, c, sending)
	return q.sent(c, m, err)
}

// TrySend sends m if there is room, and is isthmus.ErrFull otherwise.
func (q *Queue) TrySend(m isthmus.Message) error {
	if err := q.sendable(m); err != nil {
		return err
	}
	c := getCall(sending, m.Data)
	c.sys.Prio = m.Priority
	err := q.try(c)
	return q.sent(c, m, err)
}

func (q *Queue) sendable(m isthmus.Message) error {
	switch {
	case m.Type != 0:
		return wrap("send", queueMechanism, q.name, fmt.Errorf("%w: a POSIX queue carries no type", errors.ErrUnsupported))
	case m.Priority > MaxPriority:
		return wrap("send", queueMechanism, q.name, &explained{text: fmt.Sprintf("the highest priority is %d", MaxPriority), errno: syscall.EINVAL})
	}
	return nil
}

func (q *Queue) sent(c *call, m isthmus.Message, err error) error {
	putCall(sending, c)
	switch err {
	case nil:
		return nil
	case syscall.EAGAIN:
		return q.full
	case syscall.EMSGSIZE:
		err = &explained{text: fmt.Sprintf("the message has %d bytes, the queue carries up to %d", len(m.Data), q.max), errno: err, is: isthmus.ErrTooLarge}
	case syscall.EBADF:
		err = &explained{text: "this handle is for receiving only", errno: err}
	}
	return wrap("send", queueMechanism, q.name, err)
}

// Receive waits for a message, the oldest of those of the highest priority. If
// ctx ends first nothing was taken, and the error is ctx's; where a message is
// there ctx is not looked at, as the standard has it. The caller owns the data.
func (q *Queue) Receive(ctx context.Context) (isthmus.Message, error) {
	buf := q.buffers.Get().(*[]byte)
	m, err := q.ReceiveInto(ctx, *buf)
	return q.owned(buf, m), err
}

// TryReceive returns a message if one is there, and is isthmus.ErrEmpty otherwise.
func (q *Queue) TryReceive() (isthmus.Message, error) {
	buf := q.buffers.Get().(*[]byte)
	m, err := q.TryReceiveInto(*buf)
	return q.owned(buf, m), err
}

// owned gives the caller a copy, and the buffer back.
func (q *Queue) owned(buf *[]byte, m isthmus.Message) isthmus.Message {
	if m.Data != nil {
		m.Data = append(make([]byte, 0, len(m.Data)), m.Data...)
	}
	q.buffers.Put(buf)
	return m
}

// ReceiveInto is Receive into buf, without allocation: the message's Data is the
// beginning of buf. A buf of less than MaxMessage bytes is isthmus.ErrTooLarge,
// whatever the message's size: the kernel wants room for the largest.
func (q *Queue) ReceiveInto(ctx context.Context, buf []byte) (isthmus.Message, error) {
	c := getCall(receiving, buf)
	return q.received(c, buf, q.wait(ctx, c, receiving))
}

// TryReceiveInto is TryReceive into buf, as ReceiveInto does it.
func (q *Queue) TryReceiveInto(buf []byte) (isthmus.Message, error) {
	c := getCall(receiving, buf)
	return q.received(c, buf, q.try(c))
}

func (q *Queue) received(c *call, buf []byte, err error) (isthmus.Message, error) {
	n, prio := c.sys.N, c.sys.Prio
	putCall(receiving, c)
	switch err {
	case nil:
		return isthmus.Message{Data: buf[:n], Priority: prio}, nil
	case syscall.EAGAIN:
		return isthmus.Message{}, q.empty
	case syscall.EMSGSIZE:
		err = &explained{text: fmt.Sprintf("a buffer of %d bytes where messages have up to %d", len(buf), q.max), errno: err, is: isthmus.ErrTooLarge}
	case syscall.EBADF:
		err = &explained{text: "this handle is for sending only", errno: err}
	}
	return isthmus.Message{}, wrap("receive", queueMechanism, q.name, err)
}

// try makes a call that does not wait; EAGAIN if it had to.
func (q *Queue) try(c *call) error {
	if q.closed.Load() {
		return isthmus.ErrClosed
	}
	if !q.blocking {
		return q.mq.Try(c.sys)
	}
	// The description waits, so the deadline is one that has passed.
	return q.block(context.Background(), c, true)
}

// wait makes a call that waits until it can be done or ctx ends.
func (q *Queue) wait(ctx context.Context, c *call, direction int) error {
	if q.closed.Load() {
		return isthmus.ErrClosed
	}
	if q.blocking {
		return q.block(ctx, c, false)
	}
	if direction == receiving && ctx.Done() == nil && q.mq.Polled() {
		// It is likely to wait, as it did before, and the poller tries first.
		select {
		case q.turn[receiving] <- struct{}{}:
			err := q.mq.Poll(c.sys)
			<-q.turn[receiving]
			return err
		default:
		}
	}
	if err := q.mq.Try(c.sys); err != syscall.EAGAIN {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return q.poll(ctx, c, direction)
}

// poll makes the call in Go's poller. The poller knows one deadline for each
// direction of a descriptor, so one goroutine at a time uses it, with its own
// deadline; the others wait for their turn. Nothing is lost in between, since
// each tries before it sleeps.
func (q *Queue) poll(ctx context.Context, c *call, direction int) error {
	turn := q.turn[direction]
	select {
	case turn <- struct{}{}:
	default:
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		case <-q.closing:
			return isthmus.ErrClosed
		}
	}
	defer func() { <-turn }()
	if ctx.Done() == nil {
		return q.mq.Poll(c.sys)
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		q.mq.Deadline(direction == sending, time.Unix(1, 0))
		close(ended)
	})
	err := q.mq.Poll(c.sys)
	if !stop() {
		<-ended
		q.mq.Deadline(direction == sending, time.Time{})
	}
	if err == os.ErrDeadlineExceeded {
		err = ctx.Err()
	}
	return err
}

// block makes the call in the kernel, on this goroutine's thread. With once it
// does not wait, and is EAGAIN if it had to.
func (q *Queue) block(ctx context.Context, c *call, once bool) error {
	if !once {
		defer blocked.Add(-1)
		if blocked.Add(1) > maxBlocked {
			return errTooManyBlocked
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if !q.enter(c) {
		return isthmus.ErrClosed
	}
	if once || ctx.Err() != nil {
		c.sys.Expire()
	}
	var stop func() bool
	var ended chan struct{}
	if ctx.Done() != nil {
		ended = make(chan struct{})
		stop = context.AfterFunc(ctx, func() { c.sys.Cancel(); close(ended) })
	}
	err := q.mq.Block(c.sys)
	q.leave(c)
	if stop != nil && !stop() {
		<-ended // or it could end the next call that uses c
	}
	if err != syscall.ETIMEDOUT {
		return err
	}
	switch {
	case q.closed.Load():
		return isthmus.ErrClosed
	case once:
		return syscall.EAGAIN
	}
	return ctx.Err()
}

// enter makes the call one that Close ends.
func (q *Queue) enter(c *call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed.Load() {
		return false
	}
	c.sys.Arm()
	q.blocked[c] = struct{}{}
	return true
}

func (q *Queue) leave(c *call) {
	c.sys.Disarm()
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.blocked, c)
	if len(q.blocked) == 0 {
		q.left.Broadcast()
	}
}
