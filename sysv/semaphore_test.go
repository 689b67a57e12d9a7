//go:build linux

package sysv_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/sysv"
)

// TestCreationRace has several processes get, use and remove one set, all at
// once: whoever gets it finds it initialised.
func TestCreationRace(t *testing.T) {
	key := newKey(t)
	var procs []*proctest.Proc
	for range 4 {
		procs = append(procs, act(t, proctest.Options{}, "get set", int32(key)))
	}
	for _, p := range procs {
		p.Expect("ready")
	}
	for round := range 60 {
		for _, p := range procs {
			p.Say("get")
		}
		ids := map[string]bool{}
		for _, p := range procs {
			ids[p.Line()] = true
		}
		if len(ids) != 1 {
			t.Fatalf("round %d: they have sets %v", round, ids)
		}
		s, err := sysv.OpenSemaphoreSet(key)
		must(t, err)
		hasValues(t, s, 7-len(procs), 9)
		must(t, s.Remove())
	}
}

func init() {
	acts["get set"] = func(args []string) error {
		fmt.Println("ready")
		var command string
		for {
			if _, err := fmt.Scanln(&command); err != nil {
				return nil
			}
			s, err := sysv.GetSemaphoreSet(background, keyArg(args[0]), 2, &sysv.SemaphoreConfig{Values: []int{7, 9}})
			if err != nil {
				return err
			}
			if err := s.TryOperate(op{Delta: -1}); err != nil { // there is enough for all, if it is initialised
				return err
			}
			fmt.Println(s.ID())
		}
	}
	acts["half a set"] = func(args []string) error {
		// A creator that stops between semget and its first semop.
		if _, _, e := syscall.Syscall(syscall.SYS_SEMGET, uintptr(keyArg(args[0])), 1, 0o3600); e != 0 {
			return e
		}
		fmt.Println("created")
		line()
		s, err := sysv.OpenSemaphoreSet(keyArg(args[0]))
		if err != nil {
			return err
		}
		return s.Initialize(1)
	}
}

// TestSlowCreator has a creator stop halfway, and go on.
func TestSlowCreator(t *testing.T) {
	key := newKey(t)
	p := act(t, proctest.Options{}, "half a set", int32(key))
	p.Expect("created")
	half, err := sysv.OpenSemaphoreSet(key)
	must(t, err)
	defer half.Remove()
	ctx, cancel := context.WithTimeout(background, 30*time.Millisecond)
	defer cancel()
	_, err = sysv.GetSemaphoreSet(ctx, key, 1, nil)
	is(t, err, context.DeadlineExceeded)
	got := make(chan *sysv.SemaphoreSet, 1)
	errs := call(func() error {
		s, err := sysv.GetSemaphoreSet(background, key, 1, nil)
		got <- s
		return err
	})
	p.Say("go on")
	must(t, await(t, errs))
	hasValues(t, <-got, 1)
	p.Wait()
}

// TestDeadCreator kills a creator halfway: that is an error that says what to do.
func TestDeadCreator(t *testing.T) {
	key := newKey(t)
	p := act(t, proctest.Options{}, "half a set", int32(key))
	p.Expect("created")
	p.Kill()
	_, err := sysv.GetSemaphoreSet(background, key, 1, nil)
	is(t, err, sysv.ErrUninitialized)
	s, err := sysv.OpenSemaphoreSet(key)
	must(t, err)
	defer s.Remove()
	must(t, s.Initialize(3))
	s, err = sysv.GetSemaphoreSet(background, key, 1, nil)
	must(t, err)
	hasValues(t, s, 3)
}

// TestSemaphoreGuardsSegment counts in shared memory that a semaphore guards, in
// several processes, one of which is killed while it has the semaphore: its undo
// gives it back, and no count is lost.
func TestSemaphoreGuardsSegment(t *testing.T) {
	const each = 2000
	set, seg := privateSet(t, 1), privateSegment(t, 64)
	a := attach(t, seg)
	victim := act(t, proctest.Options{}, "take and hold", set.ID())
	victim.Expect("taken")
	var procs []*proctest.Proc
	for range 3 {
		procs = append(procs, act(t, proctest.Options{}, "count", set.ID(), seg.ID(), each))
	}
	waiting(t, set, 0, len(procs))
	if n := *counter(a.Bytes()); n != 0 {
		t.Fatalf("%d were counted while another had the semaphore", n)
	}
	victim.Kill()
	for _, p := range procs {
		p.Wait()
	}
	if n := *counter(a.Bytes()); n != each*int64(len(procs)) {
		t.Fatalf("counted %d, want %d", n, each*len(procs))
	}
	hasValues(t, set, 1)
}

func counter(mem []byte) *int64 { return (*int64)(unsafe.Pointer(&mem[:8][0])) }

func init() {
	acts["take and hold"] = withSet(func(s *sysv.SemaphoreSet) error {
		if err := s.Operate(background, op{Delta: -1, Undo: true}); err != nil {
			return err
		}
		fmt.Println("taken")
		line()
		return nil
	})
	acts["count"] = func(args []string) error {
		set, err := setArg(args)
		if err != nil {
			return err
		}
		seg, err := segmentArg(args[1:])
		if err != nil {
			return err
		}
		a, err := seg.Attach()
		if err != nil {
			return err
		}
		each, _ := strconv.Atoi(args[2])
		n := counter(a.Bytes())
		for range each {
			if err := set.Operate(background, op{Delta: -1, Undo: true}); err != nil {
				return err
			}
			v := atomic.LoadInt64(n) // load and store, not an addition: the semaphore must do it
			runtime.Gosched()
			atomic.StoreInt64(n, v+1)
			if err := set.Operate(background, op{Delta: 1, Undo: true}); err != nil {
				return err
			}
		}
		return a.Detach()
	}
}

// TestClosedSet wakes who waits, and refuses the rest.
func TestClosedSet(t *testing.T) {
	s := privateSet(t, 0)
	errs := call(func() error { return s.Operate(background, op{Delta: -1}) })
	waiting(t, s, 0, 1)
	other, err := sysv.SemaphoreSetByID(s.ID())
	must(t, err)
	must(t, s.Close())
	is(t, await(t, errs), errClosed)
	is(t, s.Close(), errClosed)
	is(t, s.TryOperate(op{Delta: 1}), errClosed)
	_, err = s.Values()
	is(t, err, errClosed)
	_, err = s.Stat()
	is(t, err, errClosed)
	hasValues(t, other, 0)
	if !errors.Is(s.Remove(), errClosed) {
		t.Fatal("a closed handle removed the set")
	}
}
