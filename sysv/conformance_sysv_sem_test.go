//go:build linux

package sysv_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/sysv"
)

type op = sysv.Operation

var semgetList = []assertion{
	{"a new set has as many semaphores as asked for, all 0", func(t *testing.T) {
		s, err := sysv.CreateSemaphoreSet(sysv.Private, 3, nil)
		must(t, err)
		defer s.Remove()
		hasValues(t, s, 0, 0, 0)
	}},
	{"no permission: EACCES", func(t *testing.T) {
		s, err := sysv.CreateSemaphoreSet(newKey(t), 1, nil)
		must(t, err)
		defer s.Remove()
		act(t, stranger(t), "sem denied", s.ID(), int32(s.Key())).Wait()
	}},
	{"IPC_CREAT|IPC_EXCL of an existing key: EEXIST", func(t *testing.T) {
		s, err := sysv.CreateSemaphoreSet(newKey(t), 1, nil)
		must(t, err)
		defer s.Remove()
		_, err = sysv.CreateSemaphoreSet(s.Key(), 1, nil)
		is(t, err, fs.ErrExist, syscall.EEXIST)
	}},
	{"no set and no IPC_CREAT: ENOENT", func(t *testing.T) {
		_, err := sysv.OpenSemaphoreSet(newKey(t))
		is(t, err, fs.ErrNotExist, syscall.ENOENT)
	}},
	{"a number < 0, > semmsl, or 0 for a new set: EINVAL", func(t *testing.T) {
		l, err := sysv.ReadLimits()
		must(t, err)
		for _, n := range []int{-1, 0, l.MaxPerSet + 1} {
			_, err := sysv.CreateSemaphoreSet(newKey(t), n, nil)
			is(t, err, syscall.EINVAL)
			if n > 0 && !strings.Contains(err.Error(), "semmsl") {
				t.Fatalf("%v does not name the limit", err)
			}
		}
	}},
	{"more than an existing set has: EINVAL", func(t *testing.T) {
		s, err := sysv.CreateSemaphoreSet(newKey(t), 2, nil)
		must(t, err)
		defer s.Remove()
		_, err = sysv.GetSemaphoreSet(background, s.Key(), 3, nil)
		is(t, err, syscall.EINVAL)
	}},
	{"fewer than an existing set has", func(t *testing.T) {
		s, err := sysv.CreateSemaphoreSet(newKey(t), 2, nil)
		must(t, err)
		defer s.Remove()
		same, err := sysv.GetSemaphoreSet(background, s.Key(), 1, nil)
		if must(t, err); same.ID() != s.ID() {
			t.Fatalf("ids %d and %d", s.ID(), same.ID())
		}
	}},
	{"more than semmni sets, or semmns semaphores: ENOSPC", func(t *testing.T) { act(t, island(), "semmni").Wait() }},
	{"IPC_PRIVATE is new each time", func(t *testing.T) {
		if a, b := privateSet(t, 0), privateSet(t, 0); a.ID() == b.ID() {
			t.Fatal("two private sets are one")
		}
	}},
}

var semopList = []assertion{
	{"all operations, in their order, or none", func(t *testing.T) {
		s := privateSet(t, 1, 0)
		is(t, s.TryOperate(op{Index: 0, Delta: -1}, op{Index: 1, Delta: -1}), sysv.ErrWouldWait)
		hasValues(t, s, 1, 0)
		must(t, s.TryOperate(op{Index: 1, Delta: 2}, op{Index: 0, Delta: -1}, op{Index: 1, Delta: -1}, op{Index: 0}))
		hasValues(t, s, 0, 1)
	}},
	{"more than semopm operations: E2BIG", func(t *testing.T) {
		l, err := sysv.ReadLimits()
		must(t, err)
		err = privateSet(t, 0).TryOperate(make([]op, l.MaxOperations+1)...)
		if is(t, err, syscall.E2BIG); !strings.Contains(err.Error(), "semopm") {
			t.Fatalf("%v does not name the limit", err)
		}
		must(t, privateSet(t, 0).TryOperate(make([]op, l.MaxOperations)...))
	}},
	{"no permission: EACCES", func(t *testing.T) {
		act(t, stranger(t), "sem denied", privateSet(t, 0).ID(), 0).Wait()
	}},
	{"a bad address: EFAULT", notApplicable(noPointers)},
	{"no operations, or a bad id: EINVAL", func(t *testing.T) {
		s := privateSet(t, 0)
		is(t, s.TryOperate(), syscall.EINVAL)
		must(t, s.Remove())
		is(t, s.TryOperate(op{Delta: 1}), isthmus.ErrRemoved, syscall.EINVAL)
	}},
	{"a value, or what is to be undone, over 32767: ERANGE", func(t *testing.T) {
		s := privateSet(t, 32767)
		is(t, s.TryOperate(op{Delta: 1}), syscall.ERANGE)
		is(t, s.TryOperate(op{Delta: 1 << 20}), syscall.ERANGE)
		must(t, s.TryOperate(op{Delta: -32767, Undo: true}))
		must(t, s.TryOperate(op{Delta: 1}))
		is(t, s.TryOperate(op{Delta: -1, Undo: true}), syscall.ERANGE)
		hasValues(t, s, 1)
		must(t, s.SetValue(0, 0)) // and nothing is undone when this process ends
	}},
	{"a number out of range: EFBIG", func(t *testing.T) {
		s := privateSet(t, 0, 0)
		for _, i := range []int{-1, 2, 1 << 16} {
			is(t, s.TryOperate(op{Index: i, Delta: 1}), syscall.EFBIG)
		}
	}},
	{"IPC_NOWAIT, or a timeout that passes: EAGAIN", func(t *testing.T) {
		s := privateSet(t, 0, 0)
		is(t, s.TryOperate(op{Delta: -1}), sysv.ErrWouldWait)
		is(t, s.Operate(background, op{Index: 1, Delta: 1}, op{Delta: -1, NoWait: true}), sysv.ErrWouldWait)
		ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
		defer cancel()
		begun := time.Now()
		is(t, s.Operate(ctx, op{Delta: -1}), context.DeadlineExceeded, os.ErrDeadlineExceeded)
		if d := time.Since(begun); d < 20*time.Millisecond {
			t.Fatalf("it ended after %v", d)
		}
		hasValues(t, s, 0, 0)
	}},
	{"a signal while it waits: EINTR, never restarted", notApplicable("the package makes the call again: see TestInterrupted")},
	{"removed while it waits: EIDRM", func(t *testing.T) {
		s := privateSet(t, 0)
		errs := call(func() error { return s.Operate(background, op{Delta: -1}) })
		waiting(t, s, 0, 1)
		must(t, s.Remove())
		is(t, await(t, errs), isthmus.ErrRemoved, syscall.EIDRM)
	}},
	{"an operation of 0 waits for the value 0", func(t *testing.T) {
		s := privateSet(t, 1)
		errs := call(func() error { return s.Operate(background, op{}) })
		proctest.Eventually(t, patience, "it waits for zero", func() bool { n, err := s.WaitingForZero(0); return err == nil && n == 1 })
		must(t, s.TryOperate(op{Delta: -1}), await(t, errs))
	}},
	{"who can go on does, though another has waited for longer", func(t *testing.T) {
		s := privateSet(t, 0)
		large := call(func() error { return s.Operate(background, op{Delta: -3}) })
		waiting(t, s, 0, 1)
		small := call(func() error { return s.Operate(background, op{Delta: -1}) })
		waiting(t, s, 0, 2)
		must(t, s.TryOperate(op{Delta: 1}), await(t, small), s.TryOperate(op{Delta: 3}), await(t, large))
		hasValues(t, s, 0)
	}},
	{"SETVAL and SETALL wake who waits", func(t *testing.T) {
		s := privateSet(t, 0, 0)
		for _, set := range []func() error{func() error { return s.SetValue(1, 1) }, func() error { return s.SetValues(0, 1) }} {
			errs := call(func() error { return s.Operate(background, op{Index: 1, Delta: -1}) })
			waiting(t, s, 1, 1)
			must(t, set(), await(t, errs))
			hasValues(t, s, 0, 0)
		}
	}},
	{"SEM_UNDO: at the end of the process, not of a thread", func(t *testing.T) {
		s := privateSet(t, 1)
		p := act(t, proctest.Options{}, "undo", s.ID())
		p.Expect("the thread has ended")
		hasValues(t, s, 0)
		p.Kill()
		hasValues(t, s, 1)
	}},
	{"SEM_UNDO: a child does not inherit it", func(t *testing.T) {
		s := privateSet(t, 1)
		p := act(t, proctest.Options{}, "undo and child", s.ID())
		p.Expect("the child has ended")
		hasValues(t, s, 0)
		p.Say("end")
		p.Wait()
		hasValues(t, s, 1)
	}},
	{"SEM_UNDO: kept over exec", func(t *testing.T) {
		s := privateSet(t, 1)
		p := act(t, proctest.Options{}, "undo and exec", s.ID())
		p.Expect("after exec")
		hasValues(t, s, 0)
		p.Say("end")
		p.Wait()
		hasValues(t, s, 1)
	}},
	{"an undo that would go below 0 goes to 0", func(t *testing.T) {
		s := privateSet(t, 0)
		p := act(t, proctest.Options{}, "undo an increase", s.ID())
		p.Expect("increased")
		must(t, s.TryOperate(op{Delta: -4}))
		hasValues(t, s, 1)
		p.Kill()
		hasValues(t, s, 0)
	}},
	{"SETVAL and SETALL forget everybody's undos", func(t *testing.T) {
		s := privateSet(t, 0)
		for _, set := range []func() error{func() error { return s.SetValue(0, 9) }, func() error { return s.SetValues(9) }} {
			p := act(t, proctest.Options{}, "undo an increase", s.ID())
			p.Expect("increased")
			must(t, set())
			p.Kill()
			hasValues(t, s, 9)
		}
	}},
	{"a new IPC namespace has none of the old one's", func(t *testing.T) {
		s, err := sysv.CreateSemaphoreSet(newKey(t), 1, nil)
		must(t, err)
		defer s.Remove()
		act(t, island(), "sem absent", int32(s.Key()), s.ID()).Wait()
	}},
}

var semctlList = []assertion{
	{"the commands: IPC_STAT, IPC_SET, GETALL, GETNCNT, GETPID, GETVAL, GETZCNT, SETALL, SETVAL, IPC_INFO, SEM_INFO, SEM_STAT, IPC_RMID", func(t *testing.T) {
		act(t, island(), "sem commands").Wait()
	}},
	{"no permission: EACCES", func(t *testing.T) {
		act(t, stranger(t), "sem denied", privateSet(t, 0).ID(), 0).Wait()
	}},
	{"a bad id, command or number: EINVAL", func(t *testing.T) {
		s := privateSet(t, 0)
		for _, i := range []int{-1, 1, 1 << 16} {
			_, err := s.Value(i)
			is(t, err, syscall.EINVAL)
			if errors.Is(err, isthmus.ErrRemoved) {
				t.Fatalf("%v", err)
			}
			is(t, s.SetValue(i, 0), syscall.EINVAL)
		}
		is(t, s.SetValues(1, 2), syscall.EINVAL)
		_, err := sysv.SemaphoreSetByID(-1)
		is(t, err, fs.ErrNotExist)
		must(t, s.Remove())
		_, err = s.Value(0)
		is(t, err, isthmus.ErrRemoved)
	}},
	{"a bad address: EFAULT", notApplicable(noPointers)},
	{"IPC_SET and IPC_RMID by a stranger: EPERM", func(t *testing.T) {
		s := privateSet(t, 1)
		must(t, s.Chmod(0o666))
		act(t, stranger(t), "sem stranger", s.ID()).Wait()
	}},
	{"SETVAL and SETALL below 0 or above 32767: ERANGE", func(t *testing.T) {
		s := privateSet(t, 5)
		for _, v := range []int{-1, 32768} {
			is(t, s.SetValue(0, v), syscall.ERANGE)
			is(t, s.SetValues(v), syscall.ERANGE)
		}
		hasValues(t, s, 5)
		must(t, s.SetValue(0, 32767), s.SetValues(32767))
	}},
	{"GETPID: the process of the last operation, also when it has ended", func(t *testing.T) {
		s, err := sysv.CreateSemaphoreSet(sysv.Private, 2, nil)
		must(t, err)
		defer s.Remove()
		p := act(t, proctest.Options{}, "undo an increase", s.ID())
		p.Expect("increased")
		if pid, err := s.LastPID(0); err != nil || pid != p.PID() {
			t.Fatalf("process %d, %v; want %d", pid, err, p.PID())
		}
		p.Kill()
		if pid, err := s.LastPID(0); err != nil || pid != p.PID() {
			t.Fatalf("process %d, %v; want %d", pid, err, p.PID())
		}
	}},
	{"GETNCNT and GETZCNT go back to 0 after a cancel", func(t *testing.T) {
		s := privateSet(t, 1)
		ctx, cancel := context.WithCancel(background)
		for _, o := range []op{{Delta: -2}, {}} {
			errs := call(func() error { return s.Operate(ctx, o) })
			defer func() { is(t, await(t, errs), context.Canceled) }()
		}
		count := func(want int) func() bool {
			return func() bool {
				n, err := s.WaitingForIncrease(0)
				z, e := s.WaitingForZero(0)
				return err == nil && e == nil && n == want && z == want
			}
		}
		proctest.Eventually(t, patience, "both wait", count(1))
		cancel()
		proctest.Eventually(t, patience, "none waits", count(0))
	}},
	{"sem_otime is 0 until the first semop", func(t *testing.T) {
		act(t, island(), "otime").Wait()
	}},
}

func hasValues(t *testing.T, s *sysv.SemaphoreSet, want ...int) {
	t.Helper()
	if got, err := s.Values(); err != nil || !slices.Equal(got, want) {
		t.Fatalf("the values are %v, %v; want %v", got, err, want)
	}
}

// waiting waits until n threads wait for semaphore i to be increased.
func waiting(t *testing.T, s *sysv.SemaphoreSet, i, n int) {
	t.Helper()
	proctest.Eventually(t, patience, fmt.Sprintf("%d wait", n), func() bool {
		got, err := s.WaitingForIncrease(i)
		return err == nil && got == n
	})
}

func keyArg(s string) sysv.Key {
	n, _ := strconv.Atoi(s)
	return sysv.Key(n)
}
