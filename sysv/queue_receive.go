package sysv

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Selection says which message to receive (msgrcv(2)). The zero value is the
// first.
type Selection struct {
	// Type 0 is the first message; a positive Type is the first of that type; a
	// negative one is the first of the lowest type that is not above -Type.
	Type int64
	// Except makes a positive Type the first message of any other type
	// (MSG_EXCEPT).
	Except bool
	// Truncate cuts a message that is larger than the buffer, and the rest of it
	// is lost (MSG_NOERROR). The kernel does not tell when that happens. Without
	// it such a message is ErrTooLarge, and stays in the queue.
	Truncate bool
}

func (s Selection) flags() int {
	f := 0
	if s.Except {
		f |= sys.MsgExcept
	}
	if s.Truncate {
		f |= sys.MsgNoError
	}
	return f
}

// Receive waits for the first message. Its Data is the caller's.
func (q *Queue) Receive(ctx context.Context) (isthmus.Message, error) {
	return q.receive(ctx, Selection{}, nil, true)
}

// TryReceive returns the first message, and is ErrEmpty if there is none.
func (q *Queue) TryReceive() (isthmus.Message, error) {
	return q.receive(context.Background(), Selection{}, nil, false)
}

// ReceiveInto is Receive into the caller's buffer: Data is a part of buf. A
// message larger than buf is ErrTooLarge, and stays. It allocates nothing. With 8
// bytes more in buf than the message has, it is not copied within the process.
func (q *Queue) ReceiveInto(ctx context.Context, buf []byte) (isthmus.Message, error) {
	return q.receive(ctx, Selection{}, full(buf), true)
}

// TryReceiveInto is TryReceive into the caller's buffer, as ReceiveInto.
func (q *Queue) TryReceiveInto(buf []byte) (isthmus.Message, error) {
	return q.receive(context.Background(), Selection{}, full(buf), false)
}

// ReceiveSelected waits for a message that s selects. With a nil buf, Data is
// fresh memory; else it is a part of buf, as in ReceiveInto.
func (q *Queue) ReceiveSelected(ctx context.Context, s Selection, buf []byte) (isthmus.Message, error) {
	return q.receive(ctx, s, buf, true)
}

// TryReceiveSelected is ReceiveSelected without waiting: ErrEmpty if there is no
// such message.
func (q *Queue) TryReceiveSelected(s Selection, buf []byte) (isthmus.Message, error) {
	return q.receive(context.Background(), s, buf, false)
}

// Peek returns a copy of message i, counted from 0, and leaves it where it is
// (MSG_COPY). It is ErrEmpty if there are not as many, and errors.ErrUnsupported
// if the kernel was built without CONFIG_CHECKPOINT_RESTORE.
func (q *Queue) Peek(i int) (isthmus.Message, error) {
	if i < 0 {
		return isthmus.Message{}, q.fail("peek", syscall.EINVAL)
	}
	if q.isClosed() {
		return isthmus.Message{}, q.fail("peek", isthmus.ErrClosed)
	}
	m, err := q.take(context.Background(), &request{op: opReceive, id: q.id, typ: int64(i), flags: sys.MsgCopy}, nil, false)
	if err == syscall.ENOSYS {
		err = fmt.Errorf("%w: %w: the kernel has no MSG_COPY (CONFIG_CHECKPOINT_RESTORE)", errors.ErrUnsupported, err)
	}
	return m, q.wrap("peek", err)
}

// full makes a nil buffer one of no bytes.
func full(buf []byte) []byte {
	if buf == nil {
		return []byte{}
	}
	return buf
}

func (q *Queue) receive(ctx context.Context, s Selection, buf []byte, wait bool) (isthmus.Message, error) {
	if err := ctx.Err(); err != nil {
		return isthmus.Message{}, q.fail("receive", err)
	}
	if q.isClosed() {
		return isthmus.Message{}, q.fail("receive", isthmus.ErrClosed)
	}
	if s.Except && s.Type < 0 {
		return isthmus.Message{}, q.fail("receive", fmt.Errorf("%w: Except goes with a positive Type", syscall.EINVAL))
	}
	m, err := q.take(ctx, &request{op: opReceive, id: q.id, typ: s.Type, flags: s.flags()}, buf, wait)
	if err != nil {
		return isthmus.Message{}, q.fail("receive", common(err))
	}
	return m, nil
}

// firstBuffer is for a message of unknown size: larger ones need a second look.
const firstBuffer = 8192

// take makes the call. The kernel writes the type in front of the text: so the
// text comes straight to where it is wanted only if there is room for both in buf.
// Else it comes into a buffer of our own first.
func (q *Queue) take(ctx context.Context, r *request, buf []byte, wait bool) (isthmus.Message, error) {
	if r.flags&sys.MsgNoError == 0 && len(buf) > sys.MsgHeader {
		r.buf = buf
		n, err := q.call(ctx, r, wait)
		if err == nil {
			return isthmus.Message{Type: sys.Type(buf), Data: text(buf, n)}, nil
		}
		if err != syscall.E2BIG {
			return isthmus.Message{}, err
		}
	}
	return q.takeOver(ctx, r, buf, wait)
}

// text is the n bytes of a message in a buffer, and no more.
func text(b []byte, n int) []byte {
	b = b[sys.MsgHeader:]
	n = min(n, len(b))
	return b[:n:n]
}

// takeOver is take by a buffer of our own. That is as large as buf, or, when that
// is nil or very large, as the message.
func (q *Queue) takeOver(ctx context.Context, r *request, buf []byte, wait bool) (isthmus.Message, error) {
	size, most := firstBuffer, maxText
	if buf != nil {
		size, most = min(len(buf), keptBuffer/2), len(buf)
	}
	switch {
	case r.flags&sys.MsgNoError == 0:
	case buf == nil: // all of it is wanted
		r.flags &^= sys.MsgNoError
	default: // the kernel cuts at once what does not fit: there is no second look
		size = most
	}
	for {
		b := buffer(size)
		r.buf = *b
		n, err := q.call(ctx, r, wait)
		if err == nil {
			return handOver(b, n, buf), nil
		}
		release(b)
		if err == syscall.E2BIG {
			// Whatever lies in the queue is no larger than all of it together.
			size, err = q.larger(size, most)
		}
		if err != nil {
			return isthmus.Message{}, err
		}
	}
}

// handOver makes a message of what lies in b, in buf, or where that is nil in
// fresh memory: b itself, if the message fills most of it.
func handOver(b *[]byte, n int, buf []byte) isthmus.Message {
	m := isthmus.Message{Type: sys.Type(*b), Data: text(*b, n)}
	switch {
	case buf != nil:
		m.Data = buf[:copy(buf, m.Data)]
	case 2*n < cap(*b):
		m.Data = append(make([]byte, 0, n), m.Data...)
	default:
		return m
	}
	release(b)
	return m
}

// maxText is more than any message can have (msgmax is an int).
const maxText = 1<<31 - 1

// larger is a size that the message fits in that did not fit in size.
func (q *Queue) larger(size, most int) (int, error) {
	if size < most {
		ds, err := sys.MsgStat(q.id)
		if err != nil {
			return 0, control(err)
		}
		// Meanwhile another may have taken it: then the bytes say nothing.
		return min(max(size+1, int(min(ds.Bytes, maxText))), most), nil
	}
	return 0, fmt.Errorf("%w (%w): the message is larger than the buffer of %d bytes, and stays in the queue", isthmus.ErrTooLarge, syscall.E2BIG, most)
}

// call is one msgrcv, which waits if that is wanted.
func (q *Queue) call(ctx context.Context, r *request, wait bool) (n int, err error) {
	err = syscall.ENOMSG
	expected := wait && q.expects()
	if !expected {
		flags := r.flags
		r.flags |= sys.IPCNoWait
		n, err = r.perform()
		r.flags = flags
	}
	if err == syscall.ENOMSG {
		if !wait {
			return 0, isthmus.ErrEmpty
		}
		n, err = q.wait(ctx, r, expected)
	}
	if err == syscall.EINVAL {
		err = removed(err)
	}
	return n, err
}
