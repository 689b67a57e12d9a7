package sysv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// buffers are for struct msgbuf, which has the type in front of the text: a
// message is copied once more than the kernel copies it.
var buffers = sync.Pool{New: func() any { b := make([]byte, sys.MsgHeader+8192); return &b }}

// keptBuffer is the size of the largest buffer that is kept for the next call.
const keptBuffer = 1 << 20

func buffer(n int) *[]byte {
	b := buffers.Get().(*[]byte)
	if cap(*b) < sys.MsgHeader+n {
		*b = make([]byte, sys.MsgHeader+n)
	}
	*b = (*b)[:sys.MsgHeader+n]
	return b
}

func release(b *[]byte) {
	if cap(*b) <= keptBuffer {
		buffers.Put(b)
	}
}

func (q *Queue) send(ctx context.Context, m isthmus.Message, wait bool) error {
	switch {
	case m.Priority != 0:
		return q.fail("send", fmt.Errorf("%w: a System V queue has types, not priorities: Queue.ReceiveSelected can prefer the lowest type", errors.ErrUnsupported))
	case m.Type < 0:
		return q.fail("send", fmt.Errorf("%w: the type of a message in a System V queue is 1 or more, not %d", errors.ErrUnsupported, m.Type))
	case m.Type == 0:
		m.Type = 1
	}
	if err := ctx.Err(); err != nil {
		return q.fail("send", err)
	}
	if q.isClosed() {
		return q.fail("send", isthmus.ErrClosed)
	}
	b := buffer(len(m.Data))
	defer release(b)
	sys.PutType(*b, m.Type)
	copy((*b)[sys.MsgHeader:], m.Data)
	err := sys.Msgsnd(q.id, *b, sys.IPCNoWait)
	if err == syscall.EAGAIN {
		if err = q.neverFits(len(m.Data)); err == nil {
			if !wait {
				return q.fail("send", isthmus.ErrFull)
			}
			_, err = q.wait(ctx, &request{op: opSend, id: q.id, buf: *b}, false)
		}
	}
	if err != nil {
		return q.fail("send", q.sendError(err, len(m.Data)))
	}
	return nil
}

// neverFits is an error if n bytes do not fit into the queue even when it is
// empty: the kernel would wait for room for ever.
func (q *Queue) neverFits(n int) error {
	ds, err := sys.MsgStat(q.id)
	if err != nil || uint64(n) <= ds.Room {
		return nil // who may only send cannot know
	}
	return fmt.Errorf("%w: %d bytes into a queue of %d: raise that with Queue.SetMaxBytes", isthmus.ErrTooLarge, n, ds.Room)
}

func (q *Queue) sendError(err error, n int) error {
	switch err {
	case syscall.EINVAL:
		if l, e := sys.MsgInfo(); e == nil && n > l.MaxMessage {
			return fmt.Errorf("%w (%w): %w", isthmus.ErrTooLarge, err, exceeded(fmt.Errorf("%d bytes", n), "kernel.msgmax", l.MaxMessage))
		}
		return removed(err)
	case syscall.ENOMEM:
		return fmt.Errorf("%w: the kernel has no memory for the message", err)
	}
	return common(err)
}

// isErrno tells whether err is, somewhere, the errno e.
func isErrno(err error, e syscall.Errno) bool {
	var got syscall.Errno
	return errors.As(err, &got) && got == e
}

// absent is for opening by number: an ID that the kernel does not know is an
// object that does not exist.
func absent(err error) error {
	if err == syscall.EINVAL || err == syscall.EIDRM {
		return fmt.Errorf("%w (%w): see ipcs", errNoObject, err)
	}
	return err
}
