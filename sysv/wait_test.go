//go:build linux

package sysv_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/sysv"
)

// TestTenThousandWaiters has ten thousand goroutines wait for one queue, and for
// one semaphore: they share a few threads, each is served, and all can be ended.
func TestTenThousandWaiters(t *testing.T) {
	const n = 10_000
	q, s := privateQueue(t, 16384), privateSet(t, 0)
	var served, ended atomic.Int64
	var wg sync.WaitGroup
	start := func(f func() error) {
		for range n {
			wg.Go(func() {
				switch err := f(); {
				case err == nil:
					served.Add(1)
				case errors.Is(err, isthmus.ErrClosed) || errors.Is(err, context.Canceled):
					ended.Add(1)
				default:
					t.Error(err)
				}
			})
		}
	}
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	receive := func() error { _, err := q.Receive(background); return err }
	acquire := func() error { return s.Operate(ctx, sysv.Operation{Delta: -1}) }
	before := threads()
	start(receive)
	start(acquire)
	proctest.Eventually(t, patience, "all wait", func() bool { return sysv.QueuedInLanes() == 2*(n-sysv.PerLane) })
	if more := threads() - before; more > 100 {
		t.Errorf("%d waiters took %d threads", 2*n, more)
	}
	for range n / 2 {
		must(t, q.Send(background, isthmus.Message{Data: []byte("x")}), s.Operate(background, sysv.Operation{Delta: 1}))
	}
	proctest.Eventually(t, patience, "half are served", func() bool { return served.Load() == n })
	cancel()
	must(t, q.Close())
	wg.Wait()
	if served.Load() != n || ended.Load() != n {
		t.Errorf("%d were served and %d ended, want %d each", served.Load(), ended.Load(), n)
	}
	if v, err := s.Value(0); v != 0 || err != nil {
		t.Errorf("the semaphore is %d, %v", v, err)
	}
	if threads, inLanes := sysv.Waiting(); threads != 0 || inLanes != 0 {
		t.Errorf("%d threads in %d lanes are left", threads, inLanes)
	}
}

// TestTooManyWaiters has ten thousand goroutines wait for ten thousand different
// things: as many as there are threads get a place, the others an error, and
// those with a place are served.
func TestTooManyWaiters(t *testing.T) {
	q := privateQueue(t, 16384)
	p := act(t, proctest.Options{}, "too many", q.ID())
	p.Wait()
}

func init() {
	acts["too many"] = func(args []string) error {
		const n = 10_000
		q, err := queueArg(args)
		if err != nil {
			return err
		}
		var refused, served atomic.Int64
		errs := make(chan error, n)
		for i := range n {
			go func() {
				m, err := q.ReceiveSelected(background, sysv.Selection{Type: int64(i + 1)}, nil)
				switch {
				case errors.Is(err, sysv.ErrTooManyWaiters):
					refused.Add(1)
				case err == nil && m.Type == int64(i+1):
					served.Add(1)
				case !errors.Is(err, isthmus.ErrClosed):
					errs <- fmt.Errorf("type %d: %+v, %w", i+1, m, err)
					return
				}
				errs <- nil
			}()
		}
		for range n - sysv.MaxThreads {
			if err := <-errs; err != nil {
				return err
			}
		}
		if refused.Load() != n-sysv.MaxThreads {
			return fmt.Errorf("%d were refused", refused.Load())
		}
		// The rest wait. What they do not wait for makes no difference to them.
		if err := q.Send(background, isthmus.Message{Type: n + 1}); err != nil {
			return err
		}
		for i := range n {
			if err := q.Send(background, isthmus.Message{Type: int64(i + 1)}); err != nil {
				return err
			}
			if i%100 == 99 { // make room: take what nobody waits for
				for {
					if _, err := q.TryReceive(); errors.Is(err, isthmus.ErrEmpty) {
						break
					} else if err != nil {
						return err
					}
				}
			}
		}
		if err := q.Close(); err != nil {
			return err
		}
		for range sysv.MaxThreads {
			if err := <-errs; err != nil {
				return err
			}
		}
		if served.Load() < sysv.MaxThreads*9/10 { // TryReceive may have been faster than a few
			return fmt.Errorf("%d of %d with a place were served", served.Load(), sysv.MaxThreads)
		}
		return nil
	}
}

func queueArg(args []string) (*sysv.Queue, error) {
	id, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	return sysv.QueueByID(id)
}

func setArg(args []string) (*sysv.SemaphoreSet, error) {
	id, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	return sysv.SemaphoreSetByID(id)
}

// TestCancelsLoseNoMessage receives in one process what another sends, while
// both cancel their calls all the time: thousands of calls end by a signal, and
// each message arrives once, in order.
func TestCancelsLoseNoMessage(t *testing.T) {
	const count = 4000
	q := privateQueue(t, 64) // most sends must wait, too
	p := act(t, proctest.Options{}, "send hurried", q.ID(), count)
	cancels := 0
	for want := range count {
		for {
			ctx, cancel := hurried(200 * time.Microsecond)
			m, err := q.Receive(ctx)
			cancel()
			if errors.Is(err, context.Canceled) {
				cancels++
				continue
			}
			must(t, err)
			if string(m.Data) != strconv.Itoa(want) {
				t.Fatalf("received %q, want %d", m.Data, want)
			}
			break
		}
	}
	p.Wait()
	if m, err := q.TryReceive(); !errors.Is(err, isthmus.ErrEmpty) {
		t.Fatalf("received %q, %v after all", m.Data, err)
	}
	t.Logf("%d receives were cancelled", cancels)
}

// hurried is a context that is cancelled soon.
func hurried(within time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(background)
	timer := time.AfterFunc(rand.N(within), cancel)
	return ctx, func() { timer.Stop(); cancel() }
}

func init() {
	acts["send hurried"] = func(args []string) error {
		q, err := queueArg(args)
		if err != nil {
			return err
		}
		count, _ := strconv.Atoi(args[1])
		for i := range count {
			if rand.N(20) == 0 {
				time.Sleep(rand.N(time.Millisecond)) // let the receiver wait, and be cancelled
			}
			for {
				ctx, cancel := hurried(200 * time.Microsecond)
				err := q.Send(ctx, isthmus.Message{Data: strconv.AppendInt(nil, int64(i), 10)})
				cancel()
				if err == nil {
					break
				}
				if !errors.Is(err, context.Canceled) {
					return err
				}
			}
		}
		return nil
	}
}

// TestCancelsLoseNoSemaphore takes and gives one semaphore in two processes that
// cancel their calls all the time: what was taken, and only that, is missing.
func TestCancelsLoseNoSemaphore(t *testing.T) {
	s := privateSet(t, 1, 0)
	p := act(t, proctest.Options{}, "operate hurried", s.ID(), 3000)
	must(t, operateHurried(s, 3000))
	p.Wait()
	if v, err := s.Values(); err != nil || v[0] != 1 || v[1] != 6000 {
		t.Fatalf("the values are %v, %v; want 1 and 6000", v, err)
	}
}

func operateHurried(s *sysv.SemaphoreSet, count int) error {
	for range count {
		for {
			ctx, cancel := hurried(100 * time.Microsecond)
			err := s.Operate(ctx, sysv.Operation{Delta: -1})
			cancel()
			if err == nil {
				break
			}
			if !errors.Is(err, context.Canceled) {
				return err
			}
		}
		runtime.Gosched()
		if err := s.Operate(background, sysv.Operation{Delta: 1}, sysv.Operation{Index: 1, Delta: 1}); err != nil {
			return err
		}
	}
	return nil
}

func init() {
	acts["operate hurried"] = func(args []string) error {
		s, err := setArg(args)
		if err != nil {
			return err
		}
		count, _ := strconv.Atoi(args[1])
		return operateHurried(s, count)
	}
}

// TestThousandsOfCancels cancels calls that wait in the kernel, one after the
// other: each ends, soon.
func TestThousandsOfCancels(t *testing.T) {
	q, s := privateQueue(t, 4), privateSet(t, 0)
	for range 4 {
		must(t, q.TrySend(isthmus.Message{}))
	}
	const each = 1000
	for name, wait := range map[string]func(ctx context.Context) error{
		"send": func(ctx context.Context) error { return q.Send(ctx, isthmus.Message{}) },
		"receive": func(ctx context.Context) error {
			_, err := q.ReceiveSelected(ctx, sysv.Selection{Type: 9}, nil)
			return err
		},
		"operate": func(ctx context.Context) error { return s.Operate(ctx, sysv.Operation{Delta: -1}) },
		"several": func(ctx context.Context) error {
			return s.Operate(ctx, sysv.Operation{Delta: 1}, sysv.Operation{Delta: -2})
		},
	} {
		var worst time.Duration
		for range each {
			ctx, cancel := context.WithCancel(background)
			errs := call(func() error { return wait(ctx) })
			time.Sleep(rand.N(100 * time.Microsecond)) // it is anywhere on its way by then
			at := time.Now()
			cancel()
			is(t, await(t, errs), context.Canceled)
			worst = max(worst, time.Since(at))
		}
		t.Logf("%s: the slowest of %d cancels took %v", name, each, worst)
		if worst > time.Second {
			t.Errorf("%s: a cancel took %v", name, worst)
		}
	}
	if st, err := q.Stat(); err != nil || st.Messages != 4 {
		t.Fatalf("%+v, %v; want 4 messages", st, err)
	}
}

// TestInterrupted has timers interrupt a process's calls a thousand times a
// second, while it is also stopped and continued: nothing of that is seen.
func TestInterrupted(t *testing.T) {
	q, s := privateQueue(t, 64), privateSet(t, 0)
	p := act(t, proctest.Options{}, "interrupted", q.ID(), s.ID())
	p.Expect("begun")
	for i := range 300 {
		if i%30 == 10 {
			p.Signal(syscall.SIGSTOP)
			p.Stopped()
			p.Signal(syscall.SIGCONT)
		}
		must(t, q.Send(background, isthmus.Message{Data: strconv.AppendInt(nil, int64(i), 10)}))
		must(t, s.Operate(background, sysv.Operation{Delta: 1}))
		time.Sleep(rand.N(2 * time.Millisecond)) // let it wait again
	}
	p.Wait()
}

func init() {
	acts["interrupted"] = func(args []string) error {
		q, err := queueArg(args)
		if err != nil {
			return err
		}
		s, err := setArg(args[1:])
		if err != nil {
			return err
		}
		alarms := make(chan os.Signal, 1)
		signal.Notify(alarms, syscall.SIGALRM)
		if err := everyMillisecond(); err != nil {
			return err
		}
		fmt.Println("begun")
		for i := range 300 {
			m, err := q.Receive(background)
			if err != nil || string(m.Data) != strconv.Itoa(i) {
				return fmt.Errorf("message %d: %q, %w", i, m.Data, err)
			}
			if err := s.Operate(background, sysv.Operation{Delta: -1}); err != nil {
				return err
			}
		}
		if len(alarms) == 0 {
			return errors.New("no alarm came")
		}
		return nil
	}
}

// TestSignalsUnseen proves that a program that asks for all signals sees none of
// those that end waits, where the runtime has one of its own for that; and that
// one that ignores SIGURG can cancel none the less.
func TestSignalsUnseen(t *testing.T) {
	q := privateQueue(t, 64)
	quiet := proctest.Options{Env: []string{"GODEBUG=asyncpreemptoff=1"}} // the runtime sends none itself
	t.Run("notify", func(t *testing.T) { act(t, quiet, "notified", q.ID()).Wait() })
	t.Run("ignore", func(t *testing.T) { act(t, quiet, "ignoring", q.ID()).Wait() })
	t.Run("blocked", func(t *testing.T) { // a process begins with its parent's signal mask
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		old := blockSIGURG()
		p := act(t, quiet, "cancelling", q.ID())
		restoreMask(old)
		p.Wait()
	})
}

func cancelMany(q *sysv.Queue, n int) error {
	for range n {
		ctx, cancel := context.WithTimeout(background, 200*time.Microsecond)
		_, err := q.Receive(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	return nil
}

func init() {
	acts["notified"] = func(args []string) error {
		q, err := queueArg(args)
		if err != nil {
			return err
		}
		all := make(chan os.Signal, 100)
		signal.Notify(all)
		if err := cancelMany(q, 500); err != nil {
			return err
		}
		for len(all) > 0 {
			if s := <-all; !raceEnabled || s != syscall.SIGURG { // -race means cgo
				return fmt.Errorf("the program saw %v", s)
			}
		}
		return nil
	}
	acts["cancelling"] = func(args []string) error {
		q, err := queueArg(args)
		if err != nil {
			return err
		}
		return cancelMany(q, 100)
	}
	acts["ignoring"] = func(args []string) error {
		q, err := queueArg(args)
		if err != nil {
			return err
		}
		signal.Ignore(syscall.SIGURG)
		return cancelMany(q, 500)
	}
}

// TestRemovedUnderWaiters removes a queue and a set on which many wait: all are
// told at once.
func TestRemovedUnderWaiters(t *testing.T) {
	q, s := privateQueue(t, 4), privateSet(t, 0)
	for range 4 {
		must(t, q.TrySend(isthmus.Message{}))
	}
	const n = 100
	var errs []<-chan error
	for range n {
		errs = append(errs,
			call(func() error { return q.Send(background, isthmus.Message{}) }),
			call(func() error { _, err := q.ReceiveSelected(background, sysv.Selection{Type: 5}, nil); return err }),
			call(func() error { return s.Operate(background, sysv.Operation{Delta: -1}) }))
	}
	proctest.Eventually(t, patience, "all wait", func() bool { return sysv.QueuedInLanes() == 3*(n-sysv.PerLane) })
	inKernel(t, os.Getpid(), syscall.SYS_MSGSND, sysv.PerLane)
	inKernel(t, os.Getpid(), syscall.SYS_MSGRCV, sysv.PerLane)
	inKernel(t, os.Getpid(), syscall.SYS_SEMOP, sysv.PerLane)
	begun := time.Now()
	must(t, q.Remove(), s.Remove())
	for _, c := range errs {
		is(t, await(t, c), isthmus.ErrRemoved, os.ErrNotExist)
	}
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("it took %v", d)
	}
	is(t, q.TrySend(isthmus.Message{}), isthmus.ErrRemoved)
	is(t, s.TryOperate(sysv.Operation{Delta: 1}), isthmus.ErrRemoved)
}
