//go:build linux

package hostile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// TestNoFiles reaches the limit of descriptors in a process of its own.
func TestNoFiles(t *testing.T) {
	p := proctest.Start(t, proctest.Options{Env: []string{"ISTHMUS_DIR=" + shmDir(t)}}, "nofiles")
	p.Wait()
}

func noFiles([]string) error {
	m, err := mailbox.Create("box", &mailbox.Config{MaxMessage: 64})
	if err != nil {
		return err
	}
	defer m.Close()
	a, err := mailbox.Anonymous(&mailbox.Config{MaxMessage: 64})
	if err != nil {
		return err
	}
	defer a.Close()
	f, err := a.File()
	if err != nil {
		return err
	}
	defer f.Close()
	before := count()
	lim := syscall.Rlimit{Cur: 64, Max: 64}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return err
	}
	var hog []*os.File
	for {
		f, err := os.Open("/dev/null")
		if err != nil {
			break
		}
		hog = append(hog, f)
	}
	// With each descriptor more, another step of the way fails.
	for spare := range 4 {
		if spare > 0 {
			_ = hog[len(hog)-1].Close()
			hog = hog[:len(hog)-1]
		}
		if err := crampedCalls(f, spare); err != nil {
			return fmt.Errorf("%d descriptors: %w", spare, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if err := m.Send(ctx, isthmus.Message{}); err != nil {
		return err // who has a handle needs no more
	}
	if _, err := m.Receive(ctx); err != nil {
		return err
	}
	for _, f := range hog {
		_ = f.Close()
	}
	return errors.Join(before.unchanged(), os.Remove(os.Getenv("ISTHMUS_DIR")+"/mailbox.box"), empty(os.Getenv("ISTHMUS_DIR")))
}

func crampedCalls(f *os.File, spare int) error {
	for name, call := range map[string]struct {
		open  func() (*mailbox.Mailbox, error)
		needs int
	}{
		"create":    {func() (*mailbox.Mailbox, error) { return mailbox.Create("another", nil) }, 2},
		"attach":    {func() (*mailbox.Mailbox, error) { return mailbox.Attach("box", nil) }, 2},
		"anonymous": {func() (*mailbox.Mailbox, error) { return mailbox.Anonymous(nil) }, 1},
		"from file": {func() (*mailbox.Mailbox, error) { return mailbox.FromFile(f, nil) }, 1},
	} {
		m, err := call.open()
		switch {
		case err == nil && spare < call.needs:
			return fmt.Errorf("%s needed less than it should", name)
		case err == nil:
			if name == "create" {
				err = m.Remove()
			}
			if err := errors.Join(err, m.Close()); err != nil {
				return err
			}
		case spare >= call.needs:
			return fmt.Errorf("%s: %w", name, err)
		default:
			if err := says(err, syscall.EMFILE, "too many open files", "ulimit -n"); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// TestCycles opens and closes again and again, in every way, and counts.
func TestCycles(t *testing.T) {
	cfg := mailbox.Config{Dir: shmDir(t), MaxMessage: 200, Capacity: mailbox.Bounded(16), Participants: 4}
	leakless(t, "cycles", func(t *testing.T) {
		for i := range 1000 {
			cycle(t, i, cfg)
			if t.Failed() {
				return
			}
		}
	})
	if err := empty(cfg.Dir); err != nil {
		t.Error(err)
	}
}

func cycle(t *testing.T, i int, cfg mailbox.Config) {
	m, err := mailbox.Open("box", &cfg)
	if err != nil {
		t.Fatal(err)
	}
	n, err := mailbox.Attach("box", &cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.TrySend(isthmus.Message{Data: make([]byte, 100)}); err != nil {
			t.Error(i, err)
		}
	}
	if _, err := n.TryClaim(); err != nil { // and keeps it
		t.Error(i, err)
	}
	if _, err := n.TryLoan(150); err != nil { // and this
		t.Error(i, err)
	}
	if err := n.Close(); err != nil {
		t.Error(i, err)
	}
	for range 2 { // what n held is there again
		if _, err := m.TryReceive(); err != nil {
			t.Error(i, err)
		}
	}
	if i%3 != 1 {
		err = m.Remove()
	}
	if err := errors.Join(err, m.Close()); err != nil {
		t.Error(i, err)
	}
	if err := n.Close(); !errors.Is(err, isthmus.ErrClosed) {
		t.Error(i, "closed twice:", err)
	}
	if i == 999 {
		_ = mailbox.Remove("box", &cfg)
	}
}

// TestProfiled creates a large mailbox in a process that a profiler interrupts
// a thousand times a second. A system call that begins again from the start
// after each would never end.
func TestProfiled(t *testing.T) {
	p := proctest.Start(t, proctest.Options{Env: []string{"ISTHMUS_DIR=" + shmDir(t)}}, "profiled")
	p.Wait()
}

func profiled([]string) (err error) {
	runtime.SetCPUProfileRate(1000)
	defer runtime.SetCPUProfileRate(0)
	within(bound, "create under a profiler", func() {
		var m *mailbox.Mailbox
		m, err = mailbox.Create("box", &mailbox.Config{Capacity: mailbox.Bounded(128), MaxMessage: 2 << 20})
		if err == nil {
			err = errors.Join(m.Remove(), m.Close())
		}
	})
	return err
}
