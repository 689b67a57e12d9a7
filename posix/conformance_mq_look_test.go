//go:build linux

package posix_test

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/posix"
)

// inheritedFlags are the O_ flags of the description that a process gets which
// is handed the queue's descriptor.
func inheritedFlags(t *testing.T, q *posix.Queue) int {
	t.Helper()
	f, err := q.File()
	must(t, err)
	defer f.Close()
	rc, err := f.SyscallConn()
	must(t, err)
	var flags int
	must(t, rc.Control(func(fd uintptr) { flags, err = unix.FcntlInt(fd, unix.F_GETFL, 0) }))
	must(t, err)
	return flags
}

var mqGetAttr = []assertion{
	{"1-1", func(t *testing.T) {
		s, err := newQueue(t, small).Stat()
		must(t, err)
		if s.MaxMessages != 2 || s.MaxMessage != 16 || s.Messages != 0 {
			t.Errorf("it is %+v", s)
		}
	}},
	{"2-1", func(t *testing.T) {
		for _, blocking := range []bool{false, true} {
			q := newQueue(t, &posix.QueueConfig{MaxMessages: 1, MaxMessage: 1, Blocking: blocking})
			if got := inheritedFlags(t, q)&unix.O_NONBLOCK == 0; got != blocking {
				t.Errorf("Blocking %v: the description waits: %v", blocking, got)
			}
		}
	}},
	{"3-1", func(t *testing.T) {
		q := newQueue(t, small)
		s, err := attachQueue(t, q.Name(), &posix.QueueConfig{MaxMessages: 7, MaxMessage: 9}).Stat()
		must(t, err)
		if s.MaxMessages != 2 || s.MaxMessage != 16 || q.MaxMessage() != 16 {
			t.Errorf("it is %+v", s)
		}
	}},
	{"4-1", func(t *testing.T) {
		q := newQueue(t, small)
		for i := range 3 {
			depth(t, q, i)
			if i < 2 {
				must(t, q.TrySend(text("a")))
			}
		}
		s, err := q.Stat()
		must(t, err)
		if s.Messages != 2 || s.Bytes != 2 {
			t.Errorf("it is %+v", s)
		}
	}},
	{"5-1", func(t *testing.T) { _, err := newQueue(t, small).Len(); must(t, err) }},
	{"6-1", func(t *testing.T) {
		q := newQueue(t, small)
		must(t, q.Close())
		_, err := q.Stat()
		refused(t, err, isthmus.ErrClosed)
	}},
	{"7-1", func(t *testing.T) {
		q := newQueue(t, small)
		must(t, q.Close())
		_, err := q.Len()
		refused(t, err, isthmus.ErrClosed)
	}},
}

const noSetAttr = "a handle's O_NONBLOCK is its way of waiting (Blocking), and does not change: the Try forms are for not waiting"

var mqSetAttr = []assertion{
	{"1-1", na(noSetAttr)}, {"2-1", na(noSetAttr)}, {"3-1", na(noSetAttr)}, {"4-1", na(noSetAttr)}, {"5-1", na(noSetAttr)},
}

var mqNotify = []assertion{
	{"1-1", func(t *testing.T) {
		q := newQueue(t, small)
		n, err := q.Notify()
		must(t, err)
		startPeerSend(t, q)
		must(t, n.Wait(background))
		must(t, n.Err())
		gets(t, q, "hello")
	}},
	{"2-1", func(t *testing.T) {
		q := newQueue(t, small)
		a := startActor(t)
		a.must("", "qattach %s", q.Name())
		n, err := q.Notify()
		must(t, err)
		says(t, a.refused(syscall.EBUSY, "qnotify %s", q.Name()), "registered")
		must(t, n.Close())
		a.must("", "qnotify %s", q.Name())
		_, err = q.Notify()
		refused(t, err, syscall.EBUSY)
	}},
	{"3-1", func(t *testing.T) {
		q := newQueue(t, small)
		n, err := q.Notify()
		must(t, err)
		must(t, n.Close())
		refused(t, n.Wait(background), isthmus.ErrClosed)
		s, err := q.Stat()
		must(t, err)
		if s.NotifyPID != 0 {
			t.Errorf("process %d is registered", s.NotifyPID)
		}
	}},
	{"4-1", func(t *testing.T) {
		q := newQueue(t, small)
		for range 3 { // each is one shot, and can be asked for again
			n, err := q.Notify()
			must(t, err)
			s, err := q.Stat()
			must(t, err)
			if s.NotifyPID != os.Getpid() {
				t.Errorf("process %d is registered, want %d", s.NotifyPID, os.Getpid())
			}
			must(t, q.TrySend(text("a")))
			<-n.Done()
			must(t, n.Err())
			if s, err = q.Stat(); err != nil || s.NotifyPID != 0 {
				t.Errorf("process %d is registered (%v)", s.NotifyPID, err)
			}
			gets(t, q, "a")
		}
	}},
	{"5-1", func(t *testing.T) {
		q := newQueue(t, small)
		a := startActor(t)
		a.must("", "qattach %s block", q.Name())
		a.begin("qreceive %s", q.Name())
		inSyscall(t, a.PID(), syscall.SYS_MQ_TIMEDRECEIVE, 1)
		n, err := q.Notify()
		must(t, err)
		must(t, q.TrySend(text("first")))
		a.ends("first")
		s, err := q.Stat()
		must(t, err)
		if n.Err() != nil || s.NotifyPID != os.Getpid() {
			t.Errorf("it was told of a message that a receiver had waited for: %+v", s)
		}
		must(t, q.TrySend(text("second")))
		must(t, n.Wait(background))
	}},
	{"6-1", func(t *testing.T) { n, err := newQueue(t, small).Notify(); must(t, err); must(t, n.Close()) }},
	{"7-1", func(t *testing.T) {
		q := newQueue(t, small)
		must(t, q.Close())
		n, err := q.Notify()
		refused(t, err, isthmus.ErrClosed)
		if n != nil {
			t.Error("there is a registration beside the error")
		}
	}},
	{"8-1", func(t *testing.T) {
		q := newQueue(t, small)
		must(t, q.Close())
		_, err := q.Notify()
		refused(t, err, isthmus.ErrClosed)
	}},
	{"9-1", func(t *testing.T) {
		q := newQueue(t, small)
		n, err := q.Notify()
		must(t, err)
		defer n.Close()
		_, err = q.Notify()
		refused(t, err, syscall.EBUSY)
		if errors.Is(err, isthmus.ErrClosed) {
			t.Error(err)
		}
	}},
}

func startPeerSend(t *testing.T, q *posix.Queue) {
	t.Helper()
	a := startActor(t)
	a.must("", "qattach %s", q.Name())
	a.must("", "qsend %s hello", q.Name())
}
