//go:build linux

package posix_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/posix"
)

var background = context.Background()

// text is a message of that text.
func text(s string, priority ...uint32) isthmus.Message {
	m := isthmus.Message{Data: []byte(s)}
	if len(priority) > 0 {
		m.Priority = priority[0]
	}
	return m
}

// gets fails the test unless a receiver gets that text at once.
func gets(t testing.TB, q *posix.Queue, want string) {
	t.Helper()
	m, err := q.TryReceive()
	if err != nil || string(m.Data) != want {
		t.Fatalf("received %q (%v), want %q", m.Data, err, want)
	}
}

// depth fails the test unless that many messages are in the queue.
func depth(t testing.TB, q *posix.Queue, want int) {
	t.Helper()
	if n, err := q.Len(); err != nil || n != want {
		t.Fatalf("%d messages (%v), want %d", n, err, want)
	}
}

// fill sends until there is no room, and returns how many were sent.
func fill(t testing.TB, q *posix.Queue) int {
	t.Helper()
	for n := 0; ; n++ {
		if err := q.TrySend(text(fmt.Sprint(n))); err != nil {
			refused(t, err, isthmus.ErrFull)
			return n
		}
	}
}

// limit is one of fs.mqueue.
func limit(t testing.TB, name string) (n int) {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/fs/mqueue/" + name)
	must(t, err)
	_, err = fmt.Sscan(string(b), &n)
	must(t, err)
	return n
}

var small = &posix.QueueConfig{MaxMessages: 2, MaxMessage: 16}

var mqOpen = []assertion{
	{"1-1", func(t *testing.T) {
		q := newQueue(t, small)
		must(t, q.Send(background, text("a")))
		gets(t, q, "a")
		n, err := q.Notify()
		must(t, err)
		must(t, n.Close())
		_, err = q.Stat()
		must(t, err)
	}},
	{"2-1", func(t *testing.T) {
		q := newQueue(t, small)
		a := startActor(t)
		a.must("", "qattach %s", q.Name())
		a.must("", "qsend %s hello", q.Name())
		gets(t, q, "hello")
	}},
	{"2-2", func(t *testing.T) {
		for name, want := range map[string]error{
			"": syscall.EINVAL, "no-slash": syscall.EINVAL, ".": syscall.EINVAL, "/": syscall.ENOENT, "//x": syscall.EACCES,
			"/a/b": syscall.EACCES, "/.": syscall.EACCES, "/..": syscall.EACCES, "/x/": syscall.EACCES, "/a\x00b": syscall.EINVAL,
		} {
			_, err := posix.OpenQueue(name, nil)
			refused(t, err, want)
			refused(t, posix.RemoveQueue(name), want)
		}
	}},
	{"3-1", func(t *testing.T) {
		_, err := posix.AttachQueue(newName(t), nil)
		refused(t, err, fs.ErrNotExist)
	}},
	{"4-1", func(t *testing.T) {
		q := newQueue(t, small)
		a := startActor(t)
		a.must("", "limit nofile 4")
		says(t, a.refused(syscall.EMFILE, "qattach %s", q.Name()), "RLIMIT_NOFILE", "ulimit -n")
	}},
	{"5-1", func(t *testing.T) {
		q := newQueue(t, &posix.QueueConfig{MaxMessages: 1, MaxMessage: 1, Mode: 0o404})
		a := startStranger(t, 0)
		a.must("", "qattach %s receive", q.Name())
		a.refused(syscall.EACCES, "qattach %s send", q.Name())
		a.refused(syscall.EACCES, "qattach %s", q.Name())
	}},
	{"6-1", func(t *testing.T) {
		_, err := posix.OpenQueue(newName(t), &posix.QueueConfig{Access: 3})
		refused(t, err, syscall.EINVAL)
	}},
	{"7-1", func(t *testing.T) {
		q := newQueue(t, small)
		for range 2 {
			r := attachQueue(t, q.Name(), &posix.QueueConfig{Access: posix.ReceiveOnly})
			must(t, q.Send(background, text("a")))
			gets(t, r, "a")
			refused(t, r.TrySend(text("a")), syscall.EBADF)
		}
	}},
	{"8-1", func(t *testing.T) {
		q := newQueue(t, small)
		for range 2 {
			s := attachQueue(t, q.Name(), &posix.QueueConfig{Access: posix.SendOnly})
			must(t, s.Send(background, text("a")))
			_, err := s.TryReceive()
			refused(t, err, syscall.EBADF)
			gets(t, q, "a")
		}
	}},
	{"9-1", func(t *testing.T) {
		q := newQueue(t, small)
		p := attachQueue(t, q.Name(), nil)
		must(t, q.Send(background, text("a")))
		gets(t, p, "a")
		must(t, p.Send(background, text("b")))
		gets(t, q, "b")
	}},
	{"10-1", func(t *testing.T) {
		q := newQueue(t, &posix.QueueConfig{Mode: 0o666})
		s, err := q.Stat()
		must(t, err)
		if s.Messages != 0 || s.Bytes != 0 || s.UID != os.Geteuid() || s.GID != os.Getegid() || s.Mode != 0o666&^umask() {
			t.Errorf("the new queue is %+v", s)
		}
	}},
	{"11-1", func(t *testing.T) {
		q := newQueue(t, small)
		must(t, q.Send(background, text("a")))
		before, err := q.Stat()
		must(t, err)
		again, err := posix.OpenQueue(q.Name(), &posix.QueueConfig{MaxMessages: 5, MaxMessage: 99, Mode: 0o666})
		must(t, err)
		defer again.Close()
		after, err := again.Stat()
		must(t, err)
		if before != after {
			t.Errorf("it was %+v and is %+v", before, after)
		}
		gets(t, again, "a")
	}},
	{"12-1", func(t *testing.T) {
		s, err := newQueue(t, nil).Stat()
		must(t, err)
		if s.MaxMessages != min(limit(t, "msg_default"), limit(t, "msg_max")) || s.MaxMessage != min(limit(t, "msgsize_default"), limit(t, "msgsize_max")) {
			t.Errorf("the default queue is %+v", s)
		}
	}},
	{"13-1", func(t *testing.T) {
		s, err := newQueue(t, &posix.QueueConfig{MaxMessages: 3, MaxMessage: 77}).Stat()
		must(t, err)
		if s.MaxMessages != 3 || s.MaxMessage != 77 {
			t.Errorf("asked for 3 messages of 77 bytes, got %+v", s)
		}
	}},
	{"14-1", func(t *testing.T) {
		a, name := startStranger(t, 0), newName(t)
		says(t, a.refused(syscall.EINVAL, "qcreate %s %d", name, limit(t, "msg_max")+1), "msg_max", "sysctl")
		_, err := posix.AttachQueue(name, nil)
		refused(t, err, fs.ErrNotExist)
	}},
	{"15-1", func(t *testing.T) {
		_, err := posix.CreateQueue(newQueue(t, small).Name(), small)
		refused(t, err, fs.ErrExist, syscall.EEXIST)
	}},
	{"16-1", func(t *testing.T) {
		name := newName(t)
		defer posix.RemoveQueue(name)
		var winners atomic.Int32
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				q, err := posix.CreateQueue(name, small)
				if err == nil {
					winners.Add(1)
					_ = q.Close()
				}
			})
		}
		group.Wait()
		if winners.Load() != 1 {
			t.Errorf("%d of 20 created the queue", winners.Load())
		}
	}},
	{"17-1", na("O_EXCL alone is undefined, and there is no way to say it")},
	{"18-1", func(t *testing.T) {
		for _, blocking := range []bool{false, true} {
			q := newQueue(t, &posix.QueueConfig{MaxMessages: 1, MaxMessage: 16, Blocking: blocking})
			_, err := q.TryReceive()
			refused(t, err, isthmus.ErrEmpty, syscall.EAGAIN)
			fill(t, q)
			refused(t, q.TrySend(text("b")), isthmus.ErrFull, syscall.EAGAIN)
		}
	}},
	{"19-1", func(t *testing.T) {
		q := newQueue(t, small)
		must(t, q.Send(background, text("a")))
		depth(t, attachQueue(t, q.Name(), nil), 1)
		gets(t, q, "a")
	}},
	{"20-1", func(t *testing.T) { newQueue(t, small) }},
	{"21-1", func(t *testing.T) {
		q, err := posix.AttachQueue(newName(t), nil)
		refused(t, err, syscall.ENOENT)
		if q != nil {
			t.Error("there is a handle beside the error")
		}
	}},
	{"22-1", func(t *testing.T) {
		q := newQueue(t, &posix.QueueConfig{MaxMessages: 1, MaxMessage: 1, Mode: 0o200})
		says(t, startStranger(t, 0).refused(syscall.EACCES, "qattach %s", q.Name()), "mode")
	}},
	{"23-1", func(t *testing.T) {
		_, err := posix.CreateQueue(newQueue(t, small).Name(), nil)
		refused(t, err, syscall.EEXIST)
	}},
	{"24-1", func(t *testing.T) {
		storm(t)
		q := newQueue(t, small)
		for range 2000 {
			p, err := posix.AttachQueue(q.Name(), nil)
			must(t, err)
			must(t, p.Close())
		}
	}},
	{"25-1", func(t *testing.T) {
		for _, c := range []posix.QueueConfig{{MaxMessages: -1}, {MaxMessage: -1}, {MaxMessages: 65537}, {MaxMessage: 16<<20 + 1}} {
			_, err := posix.CreateQueue(newName(t), &c)
			refused(t, err, syscall.EINVAL)
		}
	}},
	{"26-1", func(t *testing.T) {
		a := startActor(t)
		a.must("", "limit msgqueue 1000")
		says(t, a.refused(syscall.EMFILE, "qcreate %s", newName(t)), "RLIMIT_MSGQUEUE", "ulimit -q", "of the 1000")
	}},
	{"27-1", func(t *testing.T) {
		name := newName(t)
		q, err := posix.CreateQueue(name+strings.Repeat("x", 256-len(name)), small)
		must(t, err)
		must(t, posix.RemoveQueue(q.Name()))
		must(t, q.Close())
		_, err = posix.CreateQueue(name+strings.Repeat("x", 257-len(name)), small)
		refused(t, err, syscall.ENAMETOOLONG)
	}},
	{"28-1", na("it would take the last descriptor from everybody on the machine; TestExplainOpen proves the error")},
	{"29-1", func(t *testing.T) {
		_, err := posix.AttachQueue(newName(t), nil)
		refused(t, err, syscall.ENOENT)
	}},
	{"30-1", func(t *testing.T) {
		// In an IPC namespace of its own it takes no queue from anybody.
		a := startStranger(t, syscall.CLONE_NEWIPC)
		says(t, a.refused(syscall.ENOSPC, "qsmall %s 1000", newName(t)), "queues_max", "256")
	}},
}
