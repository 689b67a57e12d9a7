//go:build linux

package posix_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/posix"
)

var mqClose = []assertion{
	{"1-1", func(t *testing.T) { must(t, attachQueue(t, newQueue(t, small).Name(), nil).Close()) }},
	{"2-1", func(t *testing.T) {
		q := newQueue(t, small)
		p := attachQueue(t, q.Name(), nil)
		n, err := p.Notify()
		must(t, err)
		must(t, p.Close())
		<-n.Done()
		refused(t, n.Err(), isthmus.ErrClosed)
		startActor(t).must("", "qattach %s", q.Name())
		n, err = q.Notify()
		must(t, err)
		must(t, n.Close())
	}},
	{"3-1", func(t *testing.T) {
		q := newQueue(t, small)
		must(t, q.Close())
		refused(t, q.Close(), isthmus.ErrClosed)
	}},
	{"4-1", func(t *testing.T) {
		q := newQueue(t, small)
		must(t, q.Close())
		refused(t, q.Send(background, text("a")), isthmus.ErrClosed)
		_, err := q.Receive(background)
		refused(t, err, isthmus.ErrClosed)
		_, err = q.Stat()
		refused(t, err, isthmus.ErrClosed)
		_, err = q.Len()
		refused(t, err, isthmus.ErrClosed)
		_, err = q.Notify()
		refused(t, err, isthmus.ErrClosed)
		_, err = q.File()
		refused(t, err, isthmus.ErrClosed)
	}},
	{"5-1", func(t *testing.T) {
		q := newQueue(t, small)
		must(t, q.Close())
		// Another file may have the descriptor's number by now.
		f, err := os.Open("/dev/null")
		must(t, err)
		defer f.Close()
		refused(t, q.TrySend(text("a")), isthmus.ErrClosed)
	}},
}

// order sends messages of these priorities and returns what was received.
func order(t *testing.T, send func(*posix.Queue, isthmus.Message) error, priorities ...uint32) (got []uint32) {
	t.Helper()
	q := newQueue(t, &posix.QueueConfig{MaxMessages: 10, MaxMessage: 16})
	for i, p := range priorities {
		must(t, send(q, isthmus.Message{Data: []byte{byte(i)}, Priority: p}))
	}
	last := -1
	for range priorities {
		m, err := q.TryReceive()
		must(t, err)
		if i := len(got); i > 0 && got[i-1] == m.Priority && int(m.Data[0]) < last {
			t.Errorf("message %d came after %d of the same priority", m.Data[0], last)
		}
		last = int(m.Data[0])
		if priorities[last] != m.Priority {
			t.Errorf("message %d came with priority %d", last, m.Priority)
		}
		got = append(got, m.Priority)
	}
	return got
}

var soon = 50 * time.Millisecond

// withSoon is Send with a deadline.
func withSoon(q *posix.Queue, m isthmus.Message) error {
	ctx, cancel := context.WithTimeout(background, soon)
	defer cancel()
	return q.Send(ctx, m)
}

func plain(q *posix.Queue, m isthmus.Message) error { return q.Send(background, m) }

// bothWays runs a test with a queue of each way to wait.
func bothWays(test func(t *testing.T, q *posix.Queue)) func(*testing.T) {
	return func(t *testing.T) {
		for _, blocking := range []bool{false, true} {
			test(t, newQueue(t, &posix.QueueConfig{MaxMessages: 2, MaxMessage: 16, Blocking: blocking}))
		}
	}
}

// sends are the assertions that mq_send and mq_timedsend share.
func sends(send func(*posix.Queue, isthmus.Message) error) []assertion {
	return []assertion{
		{"1-1", bothWays(func(t *testing.T, q *posix.Queue) { must(t, send(q, text("a"))); gets(t, q, "a") })},
		{"1-2", bothWays(func(t *testing.T, q *posix.Queue) { must(t, send(q, text(""))); gets(t, q, "") })},
		{"2-1", bothWays(func(t *testing.T, q *posix.Queue) {
			refused(t, send(q, isthmus.Message{Data: make([]byte, 17)}), isthmus.ErrTooLarge)
			depth(t, q, 0)
		})},
		{"3-1", func(t *testing.T) {
			got := order(t, send, 1, 3, 0, posix.MaxPriority, 3, 1, 0)
			if !slices.Equal(got, []uint32{posix.MaxPriority, 3, 3, 1, 1, 0, 0}) {
				t.Errorf("received in the order of %v", got)
			}
		}},
		{"4-1", bothWays(func(t *testing.T, q *posix.Queue) {
			must(t, send(q, text("a", posix.MaxPriority)))
			refused(t, send(q, text("b", posix.MaxPriority+1)), syscall.EINVAL)
		})},
		{"6-1", func(t *testing.T) { firstSender(t) }},
		{"7-1", bothWays(func(t *testing.T, q *posix.Queue) {
			n := fill(t, q)
			refused(t, q.TrySend(text("b")), isthmus.ErrFull)
			depth(t, q, n)
		})},
		{"8-1", bothWays(func(t *testing.T, q *posix.Queue) { must(t, send(q, text("a"))) })},
		{"9-1", bothWays(func(t *testing.T, q *posix.Queue) {
			refused(t, send(q, text("longer than 16 bytes")), syscall.EMSGSIZE)
			refused(t, send(q, isthmus.Message{Type: 1}), errors.ErrUnsupported)
			depth(t, q, 0)
		})},
		{"10-1", bothWays(func(t *testing.T, q *posix.Queue) { fill(t, q); refused(t, q.TrySend(text("b")), syscall.EAGAIN) })},
		{"11-1", func(t *testing.T) {
			r := attachQueue(t, newQueue(t, small).Name(), &posix.QueueConfig{Access: posix.ReceiveOnly})
			refused(t, send(r, text("a")), syscall.EBADF)
		}},
		{"12-1", bothWays(func(t *testing.T, q *posix.Queue) { interruptedSend(t, q) })},
		{"13-1", bothWays(func(t *testing.T, q *posix.Queue) { refused(t, send(q, text("a", 1<<31)), syscall.EINVAL) })},
		{"14-1", bothWays(func(t *testing.T, q *posix.Queue) {
			refused(t, send(q, isthmus.Message{Data: make([]byte, 17)}), syscall.EMSGSIZE)
		})},
	}
}

var mqSend = append(sends(plain), assertion{"5-1", bothWays(func(t *testing.T, q *posix.Queue) {
	n := fill(t, q)
	sent := make(chan error, 1)
	go func() { sent <- q.Send(background, text("late")) }()
	select {
	case err := <-sent:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(soon): // it has had the time to go wrong
	}
	gets(t, q, "0")
	must(t, <-sent)
	depth(t, q, n)
})})

var mqTimedSend = append(sends(withSoon),
	assertion{"5-1", bothWays(func(t *testing.T, q *posix.Queue) {
		fill(t, q)
		began := time.Now()
		refused(t, withSoon(q, text("b")), context.DeadlineExceeded, os.ErrDeadlineExceeded)
		if d := time.Since(began); d < soon-time.Millisecond {
			t.Errorf("it waited for %v", d)
		}
	})},
	assertion{"15-1", bothWays(func(t *testing.T, q *posix.Queue) {
		n := fill(t, q)
		refused(t, q.Send(past(t), text("b")), os.ErrDeadlineExceeded)
		depth(t, q, n)
	})},
	assertion{"16-1", na("a context's deadline is on the monotonic clock: steps of the wall clock do not move it")},
	assertion{"17-1", na("the resolution is that of Go's timers")},
	assertion{"18-1", bothWays(func(t *testing.T, q *posix.Queue) { must(t, q.Send(past(t), text("a"))) })},
	assertion{"19-1", na("a time.Time has no invalid nanoseconds")},
	assertion{"20-1", bothWays(func(t *testing.T, q *posix.Queue) {
		fill(t, q)
		refused(t, withSoon(q, text("b")), os.ErrDeadlineExceeded)
	})},
)

// past is a context whose deadline has passed.
func past(t testing.TB) context.Context {
	ctx, cancel := context.WithDeadline(background, time.Now().Add(-time.Hour))
	t.Cleanup(cancel)
	return ctx
}

func receiveSoon(q *posix.Queue) (isthmus.Message, error) {
	ctx, cancel := context.WithTimeout(background, soon)
	defer cancel()
	return q.Receive(ctx)
}

func receivePlain(q *posix.Queue) (isthmus.Message, error) { return q.Receive(background) }

type receiveAssertions struct{ buffer, priority, order, nonblock, length, failure, again, badf, size, intr, badmsg string }

// receives are the assertions that mq_receive and mq_timedreceive share: the
// numbers differ.
func receives(receive func(*posix.Queue) (isthmus.Message, error), id receiveAssertions) []assertion {
	return []assertion{
		{"1-1", bothWays(func(t *testing.T, q *posix.Queue) {
			must(t, q.Send(background, text("a", 1)))
			must(t, q.Send(background, text("b", 2)))
			m, err := receive(q)
			must(t, err)
			if string(m.Data) != "b" || m.Priority != 2 {
				t.Errorf("received %+v", m)
			}
			depth(t, q, 1)
		})},
		{id.buffer, bothWays(func(t *testing.T, q *posix.Queue) {
			must(t, q.Send(background, text("a")))
			_, err := q.ReceiveInto(background, make([]byte, 15))
			refused(t, err, isthmus.ErrTooLarge)
			depth(t, q, 1)
		})},
		{"3-1", na("no slice is longer than SSIZE_MAX")},
		{id.priority, bothWays(func(t *testing.T, q *posix.Queue) {
			must(t, q.Send(background, text("a", posix.MaxPriority)))
			m, err := receive(q)
			if err != nil || m.Priority != posix.MaxPriority {
				t.Errorf("received %+v (%v)", m, err)
			}
		})},
		{id.order, func(t *testing.T) { firstReceiver(t) }},
		{id.nonblock, bothWays(func(t *testing.T, q *posix.Queue) { _, err := q.TryReceive(); refused(t, err, isthmus.ErrEmpty) })},
		{id.length, bothWays(func(t *testing.T, q *posix.Queue) {
			for _, s := range []string{"", "a", "0123456789abcdef"} {
				must(t, q.Send(background, text(s)))
				m, err := receive(q)
				if err != nil || string(m.Data) != s {
					t.Errorf("received %q (%v), want %q", m.Data, err, s)
				}
			}
		})},
		{id.failure, bothWays(func(t *testing.T, q *posix.Queue) {
			must(t, q.Send(background, text("a")))
			_, err := q.TryReceiveInto(nil)
			refused(t, err, isthmus.ErrTooLarge, syscall.EMSGSIZE)
			depth(t, q, 1)
		})},
		{id.again, bothWays(func(t *testing.T, q *posix.Queue) { _, err := q.TryReceive(); refused(t, err, syscall.EAGAIN) })},
		{id.badf, func(t *testing.T) {
			_, err := receive(attachQueue(t, newQueue(t, small).Name(), &posix.QueueConfig{Access: posix.SendOnly}))
			refused(t, err, syscall.EBADF)
		}},
		{id.size, bothWays(func(t *testing.T, q *posix.Queue) {
			_, err := q.TryReceiveInto(make([]byte, 15))
			refused(t, err, syscall.EMSGSIZE)
		})},
		{id.intr, bothWays(func(t *testing.T, q *posix.Queue) { interruptedReceive(t, q) })},
		{id.badmsg, na("Linux has no EBADMSG for queues")},
	}
}

var mqReceive = append(receives(receivePlain, receiveAssertions{"2-1", "4-1", "6-1", "7-1", "8-1", "9-1", "10-1", "11-1", "12-1", "13-1", "14-1"}),
	assertion{"5-1", bothWays(func(t *testing.T, q *posix.Queue) {
		received := make(chan error, 1)
		go func() { _, err := q.Receive(background); received <- err }()
		select {
		case err := <-received:
			t.Fatalf("it did not wait: %v", err)
		case <-time.After(soon): // it has had the time to go wrong
		}
		must(t, q.Send(background, text("a")))
		must(t, <-received)
	})})

var mqTimedReceive = append(receives(receiveSoon, receiveAssertions{"2-1", "4-1", "6-1", "7-1", "11-1", "12-1", "13-1", "14-1", "15-1", "16-1", "19-1"}),
	assertion{"5-1", bothWays(func(t *testing.T, q *posix.Queue) {
		began := time.Now()
		_, err := receiveSoon(q)
		refused(t, err, context.DeadlineExceeded, os.ErrDeadlineExceeded)
		if d := time.Since(began); d < soon-time.Millisecond {
			t.Errorf("it waited for %v", d)
		}
	})},
	assertion{"8-1", na("a context's deadline is on the monotonic clock: steps of the wall clock do not move it")},
	assertion{"9-1", na("the resolution is that of Go's timers")},
	assertion{"10-1", bothWays(func(t *testing.T, q *posix.Queue) {
		must(t, q.Send(background, text("a")))
		_, err := q.Receive(past(t))
		must(t, err)
	})},
	assertion{"17-1", na("a time.Time has no invalid nanoseconds")},
	assertion{"18-1", bothWays(func(t *testing.T, q *posix.Queue) {
		_, err := q.Receive(past(t))
		refused(t, err, os.ErrDeadlineExceeded)
	})},
)

var mqUnlink = []assertion{
	{"1-1", func(t *testing.T) {
		q := newQueue(t, small)
		must(t, posix.RemoveQueue(q.Name()))
		_, err := posix.AttachQueue(q.Name(), nil)
		refused(t, err, fs.ErrNotExist)
	}},
	{"2-1", func(t *testing.T) {
		q := newQueue(t, small)
		a := startActor(t)
		a.must("", "qattach %s", q.Name())
		must(t, posix.RemoveQueue(q.Name()))
		a.must("", "qsend %s a", q.Name())
		gets(t, q, "a")
	}},
	{"3-1", func(t *testing.T) { must(t, posix.RemoveQueue(newQueue(t, small).Name())) }},
	{"4-1", func(t *testing.T) {
		q := newQueue(t, small)
		must(t, q.Send(background, text("a")))
		refused(t, posix.RemoveQueue(q.Name()+"/"), syscall.EACCES)
		gets(t, attachQueue(t, q.Name(), nil), "a")
	}},
	{"5-1", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("NOT PROVEN: needs root, who can be another user")
		}
		q := newQueue(t, &posix.QueueConfig{MaxMessages: 1, MaxMessage: 1, Mode: 0o666})
		startStranger(t, 0).refused(syscall.EACCES, "qremove %s", q.Name())
		attachQueue(t, q.Name(), nil)
	}},
	{"6-1", func(t *testing.T) {
		refused(t, posix.RemoveQueue("/"+string(make([]byte, 256))), syscall.EINVAL) // zero bytes
		refused(t, posix.RemoveQueue("/"+string(slices.Repeat([]byte("x"), 256))), syscall.ENAMETOOLONG)
	}},
	{"7-1", func(t *testing.T) { refused(t, posix.RemoveQueue(newName(t)), fs.ErrNotExist, syscall.ENOENT) }},
}
