//go:build linux

package posix_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/posix"
)

// firstReceiver lets Blocking receivers wait one after the other: the longest
// waiting of the highest scheduling priority is served first.
func firstReceiver(t *testing.T) {
	t.Helper()
	q := newQueue(t, small)
	var actors []*actor
	for i, nice := range []int{5, 0, 0} {
		a := startNice(t, nice)
		a.must("", "qattach %s block", q.Name())
		a.begin("qreceive %s", q.Name())
		inSyscall(t, a.PID(), syscall.SYS_MQ_TIMEDRECEIVE, 1)
		actors = append(actors, a)
		_ = i
	}
	for i, want := range []int{1, 2, 0} {
		must(t, q.TrySend(text(fmt.Sprint(i))))
		actors[want].ends(fmt.Sprint(i))
	}
}

// firstSender does so with senders.
func firstSender(t *testing.T) {
	t.Helper()
	q := newQueue(t, small)
	n := fill(t, q)
	var actors []*actor
	for i, nice := range []int{5, 0, 0} {
		a := startNice(t, nice)
		a.must("", "qattach %s block", q.Name())
		a.begin("qsend %s from-%d", q.Name(), i)
		inSyscall(t, a.PID(), syscall.SYS_MQ_TIMEDSEND, 1)
		actors = append(actors, a)
	}
	for i := range n {
		gets(t, q, fmt.Sprint(i))
		if i < 2 {
			actors[i+1].ends("")
		}
	}
	for _, want := range []int{1, 2, 0} {
		gets(t, q, fmt.Sprintf("from-%d", want))
	}
	actors[0].ends("")
}

// interruptedReceive has signals and a stop interrupt a process that waits.
func interruptedReceive(t *testing.T, q *posix.Queue) {
	t.Helper()
	a := startActor(t)
	a.must("", "storm")
	how := ""
	if inheritedFlags(t, q)&syscall.O_NONBLOCK == 0 {
		how = "block"
	}
	a.must("", "qattach %s %s", q.Name(), how)
	for i := range 20 {
		a.begin("qreceive %s", q.Name())
		if i%5 == 0 {
			a.Signal(syscall.SIGSTOP)
			a.Stopped()
			a.Signal(syscall.SIGCONT)
		}
		must(t, q.TrySend(text(fmt.Sprint(i))))
		a.ends(fmt.Sprint(i))
	}
}

func interruptedSend(t *testing.T, q *posix.Queue) {
	t.Helper()
	a := startActor(t)
	a.must("", "storm")
	how := ""
	if inheritedFlags(t, q)&syscall.O_NONBLOCK == 0 {
		how = "block"
	}
	a.must("", "qattach %s %s", q.Name(), how)
	n := fill(t, q)
	for i := range 20 {
		a.begin("qsend %s %d", q.Name(), n+i)
		if i%5 == 0 {
			a.Signal(syscall.SIGSTOP)
			a.Stopped()
			a.Signal(syscall.SIGCONT)
		}
		gets(t, q, fmt.Sprint(i))
		a.ends("")
	}
}

// TestQueueKilled kills a receiver that waits in the poller, and one that is
// stopped: no message goes with them.
func TestQueueKilled(t *testing.T) {
	q := newQueue(t, small)
	for _, stop := range []bool{false, true} {
		a := startActor(t)
		a.must("", "qattach %s", q.Name())
		a.begin("qreceive %s", q.Name())
		if stop {
			a.Signal(syscall.SIGSTOP)
			a.Stopped()
			must(t, q.TrySend(text("a")))
			gets(t, q, "a") // the stopped one does not hold it
		}
		a.Kill()
		must(t, q.TrySend(text("b")))
		gets(t, q, "b")
	}
}

// TestCancelStorm ends Blocking calls at all moments, from before they begin to
// after they are done: none hangs, and no message is lost or repeated.
func TestCancelStorm(t *testing.T) {
	for _, blocking := range []bool{true, false} {
		q := newQueue(t, &posix.QueueConfig{MaxMessages: 2, MaxMessage: 16, Blocking: blocking})
		const count = 3000
		done := make(chan error, 1)
		go func() {
			for i := range count {
				for {
					ctx, cancel := context.WithTimeout(background, rand.N(40*time.Microsecond))
					err := q.Send(ctx, text(fmt.Sprint(i)))
					cancel()
					if err == nil {
						break
					}
					if !errors.Is(err, context.DeadlineExceeded) {
						done <- err
						return
					}
				}
			}
			done <- nil
		}()
		for i := range count {
			var m isthmus.Message
			for {
				ctx, cancel := context.WithCancel(background)
				timer := time.AfterFunc(rand.N(40*time.Microsecond), cancel)
				var err error
				m, err = q.Receive(ctx)
				timer.Stop()
				cancel()
				if err == nil {
					break
				}
				if !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
			}
			if string(m.Data) != fmt.Sprint(i) {
				t.Fatalf("received %q, want %d", m.Data, i)
			}
		}
		must(t, <-done)
	}
}

// TestTooManyBlocked fills the set of threads: the next call fails and says why,
// and Close frees all.
func TestTooManyBlocked(t *testing.T) {
	q := newQueue(t, &posix.QueueConfig{MaxMessages: 2, MaxMessage: 16, Blocking: true})
	const most = 512
	errs := make(chan error, most+1)
	for range most + 1 {
		go func() { _, err := q.Receive(background); errs <- err }()
	}
	err := <-errs
	refused(t, err, syscall.EAGAIN)
	says(t, err.Error(), "512", "Blocking")
	_, err = q.TryReceive()
	refused(t, err, isthmus.ErrEmpty)
	must(t, q.Close())
	for range most {
		refused(t, <-errs, isthmus.ErrClosed)
	}
}
