//go:build linux

package mailbox_test

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

const many = 10_000

func manyName(i int) string { return "box" + strconv.Itoa(i) }

// fill sends one message to each of many mailboxes.
func fill([]string) error {
	for i := range many {
		m, err := mailbox.Attach(manyName(i), nil)
		if err != nil {
			return err
		}
		if err := m.Send(ctx, isthmus.Message{Type: int64(i)}); err != nil {
			return err
		}
		if err := m.Close(); err != nil {
			return err
		}
	}
	return nil
}

// Ten thousand goroutines, each blocked on a mailbox of its own, share a few
// threads, use next to no CPU, and each wakes when its message comes.
func TestTenThousandWaiters(t *testing.T) {
	raiseFiles(t, many+200)
	dir, err := os.MkdirTemp("/dev/shm", "isthmus-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("ISTHMUS_DIR", dir)
	got := make(chan error, many)
	boxes := make([]*mailbox.Mailbox, many)
	for i := range many {
		m, err := mailbox.Create(manyName(i), &mailbox.Config{Capacity: mailbox.Bounded(1), MaxMessage: 64, Participants: 2})
		if err != nil {
			t.Fatal(i, err)
		}
		defer m.Close()
		boxes[i] = m
		go func() {
			msg, err := m.Receive(ctx)
			if err == nil && msg.Type != int64(i) {
				err = fmt.Errorf("mailbox %d gave message %d", i, msg.Type)
			}
			got <- err
		}()
	}
	proctest.Eventually(t, time.Minute, "all wait", func() bool {
		for len(boxes) > 0 {
			st, err := boxes[len(boxes)-1].Stat()
			if err != nil || st.Waiters == 0 {
				return false
			}
			boxes = boxes[:len(boxes)-1]
		}
		return true
	})

	// Creating them made garbage, which the collector may still be clearing up:
	// the quietest of a few seconds counts. Waiting would cost each of them.
	threads, share := tasks(t), 1.0
	for range 10 {
		before, start := cpu(t), time.Now()
		<-time.After(time.Second) // nothing happens: that is what is measured
		share = min(share, float64(cpu(t)-before)/float64(time.Since(start)))
		if share <= 0.01 {
			break
		}
	}
	t.Logf("%d waiters: %d threads, %.2f %% of a CPU", many, threads, 100*share)
	if threads > 100 {
		t.Errorf("they use %d threads, want at most 100", threads)
	}
	if share > 0.01 {
		t.Errorf("they use %.2f %% of a CPU, want at most 1 %%", 100*share)
	}

	p := proctest.Start(t, proctest.Options{}, "fill")
	for range many {
		select {
		case err := <-got:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(time.Minute):
			t.Fatal("a waiter did not wake")
		}
	}
	p.Wait()
}

func raiseFiles(t *testing.T, n uint64) {
	t.Helper()
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		t.Fatal(err)
	}
	if lim.Cur >= n {
		return
	}
	lim.Cur, lim.Max = n, max(lim.Max, n)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		t.Fatalf("this test needs %d open files (ulimit -n %[1]d): %v", n, err)
	}
}

func tasks(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

func cpu(t *testing.T) time.Duration {
	t.Helper()
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
