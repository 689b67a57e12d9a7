//go:build linux

package posix_test

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/posix"
)

func waitSoon(s *posix.Semaphore) error {
	ctx, cancel := context.WithTimeout(background, soon)
	defer cancel()
	return s.Wait(ctx)
}

var semWait = []assertion{
	{"1-1", func(t *testing.T) { s := newSemaphore(t, worth(1)); must(t, s.Wait(background)); value(t, s, 0) }},
	{"3-1", func(t *testing.T) {
		s := newSemaphore(t, worth(1))
		must(t, s.Wait(background))
		refused(t, s.TryWait(), isthmus.ErrEmpty)
		must(t, s.Post())
		must(t, s.TryWait())
	}},
	{"4-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		a := startActor(t)
		a.must("", "sattach %s", s.Name())
		a.begin("swait %s", s.Name())
		waiters(t, s, 1)
		a.Kill()
		must(t, s.Post())
		must(t, s.Wait(background))
		if st, err := s.Stat(); err != nil || st.Waiters != 1 {
			t.Errorf("it is %+v (%v): the dead waiter is counted, in C as well", st, err)
		}
	}},
	{"5-1", func(t *testing.T) { refused(t, newSemaphore(t, nil).TryWait(), syscall.EAGAIN) }},
	{"6-1", func(t *testing.T) {
		s := newSemaphore(t, worth(1))
		must(t, s.Close())
		refused(t, s.TryWait(), isthmus.ErrClosed)
	}},
	{"7-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		a := startActor(t)
		a.must("", "storm")
		a.must("", "sattach %s", s.Name())
		for i := range 20 {
			a.begin("swait %s", s.Name())
			waiters(t, s, 1)
			if i%5 == 0 {
				a.Signal(syscall.SIGSTOP)
				a.Stopped()
				a.Signal(syscall.SIGCONT)
			}
			must(t, s.Post())
			a.ends("")
		}
	}},
	{"8-1", na("Linux detects no deadlock of semaphores; a context's deadline ends one")},
	{"9-1", func(t *testing.T) { s := newSemaphore(t, worth(1)); must(t, s.TryWait()) }},
	{"11-1", func(t *testing.T) { s := newSemaphore(t, worth(2)); must(t, s.TryWait()); value(t, s, 1) }},
	{"12-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		refused(t, s.TryWait(), isthmus.ErrEmpty)
		value(t, s, 0)
	}},
	{"13-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		waited := make(chan error, 1)
		go func() { waited <- s.Wait(background) }()
		waiters(t, s, 1)
		select {
		case err := <-waited:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
		must(t, s.Post())
		must(t, <-waited)
		value(t, s, 0)
	}},
}

var semTimedWait = []assertion{
	{"1-1", func(t *testing.T) { s := newSemaphore(t, worth(1)); must(t, waitSoon(s)); value(t, s, 0) }},
	{"2-1", func(t *testing.T) {
		began := time.Now()
		refused(t, waitSoon(newSemaphore(t, nil)), context.DeadlineExceeded)
		if d := time.Since(began); d < soon-time.Millisecond || d > 10*time.Second {
			t.Errorf("it waited for %v", d)
		}
	}},
	{"3-1", func(t *testing.T) { refused(t, newSemaphore(t, nil).Wait(past(t)), os.ErrDeadlineExceeded) }},
	{"4-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		refused(t, waitSoon(s), os.ErrDeadlineExceeded)
		value(t, s, 0)
		waiters(t, s, 0)
		must(t, s.Post())
		must(t, waitSoon(s))
	}},
	{"5-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		must(t, s.Close())
		refused(t, waitSoon(s), isthmus.ErrClosed)
	}},
	{"6-1", na("a time.Time has no invalid nanoseconds")},
	{"7-1", func(t *testing.T) { refused(t, waitSoon(newSemaphore(t, nil)), os.ErrDeadlineExceeded) }},
	{"8-1", na("Linux detects no deadlock of semaphores; a context's deadline ends one")},
	{"9-1", func(t *testing.T) {
		storm(t)
		s := newSemaphore(t, nil)
		began := time.Now()
		refused(t, waitSoon(s), os.ErrDeadlineExceeded)
		if d := time.Since(began); d < soon-time.Millisecond {
			t.Errorf("signals ended it after %v", d)
		}
	}},
	{"10-1", na("a context's deadline is on the monotonic clock: steps of the wall clock do not move it")},
	{"11-1", func(t *testing.T) { must(t, newSemaphore(t, worth(1)).Wait(past(t))) }},
}

var semPost = []assertion{
	{"1-1", func(t *testing.T) { s := newSemaphore(t, worth(1)); must(t, s.Post()); value(t, s, 2) }},
	{"2-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		a, b := startActor(t), startActor(t)
		for i, x := range []*actor{a, b} {
			x.must("", "sattach %s", s.Name())
			x.begin("swait %s", s.Name())
			waiters(t, s, i+1)
		}
		must(t, s.Post())
		waiters(t, s, 1) // one of them has it
		must(t, s.Post())
		a.ends("")
		b.ends("")
	}},
	{"3-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		must(t, s.Close())
		refused(t, s.Post(), isthmus.ErrClosed)
	}},
	{"4-1", func(t *testing.T) { must(t, newSemaphore(t, nil).Post()) }},
	{"4-2", func(t *testing.T) {
		s := newSemaphore(t, worth(posix.MaxValue))
		refused(t, s.Post(), syscall.EOVERFLOW)
		value(t, s, posix.MaxValue)
	}},
	{"5-1", func(t *testing.T) {
		storm(t)
		s := newSemaphore(t, nil)
		for range 100000 {
			must(t, s.Post())
		}
		value(t, s, 100000)
	}},
	{"6-1", na("Go's programs have no code in signal handlers")},
	{"8-1", func(t *testing.T) { firstWaiter(t) }},
}

// firstWaiter proves that a waiter of a real-time priority is woken before one
// that has none and has waited for longer.
func firstWaiter(t *testing.T) {
	t.Helper()
	s := newSemaphore(t, nil)
	ordinary := startActor(t)
	ordinary.must("", "sattach %s", s.Name())
	ordinary.begin("swait %s", s.Name())
	waiters(t, s, 1)
	var urgent *actor
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with its priority
		err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}, 0)
		if err == nil {
			urgent = startActor(t)
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("NOT PROVEN: needs real-time priority (RLIMIT_RTPRIO): %v", err)
	}
	urgent.must("", "sattach %s", s.Name())
	urgent.begin("swait %s", s.Name())
	waiters(t, s, 2)
	inSyscall(t, urgent.PID(), 449, 1)
	must(t, s.Post())
	urgent.ends("")
	must(t, s.Post())
	ordinary.ends("")
}

var semGetValue = []assertion{
	{"1-1", func(t *testing.T) { s := newSemaphore(t, worth(3)); value(t, s, 3); value(t, s, 3) }},
	{"2-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		go func() { _ = s.Wait(background) }()
		waiters(t, s, 1)
		value(t, s, 0) // Linux does not go below
	}},
	{"3-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		must(t, s.Close())
		_, err := s.Value()
		refused(t, err, isthmus.ErrClosed)
	}},
	{"4-1", func(t *testing.T) { _, err := newSemaphore(t, nil).Value(); must(t, err) }},
	{"5-1", func(t *testing.T) {
		s := newSemaphore(t, worth(1))
		value(t, s, 1)
		must(t, s.TryWait())
		value(t, s, 0)
	}},
}
