//go:build linux

package hostile

import (
	"context"
	"errors"
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
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// everything does every act, with short deadlines, and returns their errors.
func everything(t *testing.T, m *mailbox.Mailbox, cfg mailbox.Config) map[string]error {
	t.Helper()
	u := newUser(m, cfg, 1)
	errs := map[string]error{}
	for range 8 { // acts choose among endings
		for _, a := range acts {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
			within(bound, a.name, func() {
				if err := a.do(u, ctx); err != nil {
					errs[a.name] = err
				}
				if err := typed(a.name, errs[a.name]); err != nil {
					t.Error(err)
				}
			})
			cancel()
		}
	}
	return errs
}

var roomy = mailbox.Config{Capacity: mailbox.Bounded(256), MaxMessage: 20000, Memory: 200 << 10, Participants: 8}

// TestTruncated cuts the file under its users, at several places. The process
// lives on, calls that meet the gap are ErrCorrupt, and handles close.
func TestTruncated(t *testing.T) {
	needFaults(t)
	for name, at := range map[string]func(layout) uint64{
		"to nothing":        func(layout) uint64 { return 0 },
		"to one byte":       func(layout) uint64 { return 1 },
		"to the header":     func(layout) uint64 { return 4096 },
		"within the slots":  func(l layout) uint64 { return up((l.slotsAt+l.unitsAt)/2, 4096) },
		"within the units":  func(l layout) uint64 { return up(l.unitsAt, 4096) },
		"within the arena":  func(l layout) uint64 { return l.arenaAt + 8192 },
		"by the last bytes": func(l layout) uint64 { return up(l.arenaAt+l.units*l.unit, 4096) - 1 },
	} {
		for _, held := range []bool{false, true} {
			leakless(t, name, func(t *testing.T) { truncated(t, at, held) })
		}
	}
}

func truncated(t *testing.T, at func(layout) uint64, held bool) {
	cfg := roomy
	cfg.Dir = shmDir(t)
	m, n := create(t, cfg), attach(t, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if held {
		for range 3 {
			if err := m.Send(ctx, isthmus.Message{Data: make([]byte, 5000)}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := n.Claim(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Loan(ctx, 5000); err != nil {
			t.Fatal(err)
		}
	}
	b := mapped(t, boxPath(cfg.Dir))
	size := int64(at(layoutOf(b)))
	if err := os.Truncate(boxPath(cfg.Dir), size); err != nil {
		t.Fatal(err)
	}
	errs := everything(t, m, cfg)
	if err := errs["attach"]; !errors.Is(err, isthmus.ErrCorrupt) || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("attach: %v, want ErrCorrupt and the reason", err)
	}
	if err := errs["receive"]; size <= 4096 && !errors.Is(err, isthmus.ErrCorrupt) {
		t.Errorf("receive: %v, want ErrCorrupt", err)
	}
	within(bound, "close", func() {
		for _, h := range []*mailbox.Mailbox{m, n} {
			if err := typed("close", h.Close()); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestTruncatedUnderWaiters cuts the file while goroutines sleep on it: cancel
// and Close wake every one of them.
func TestTruncatedUnderWaiters(t *testing.T) {
	needFaults(t)
	for _, size := range []int64{0, 4096} {
		leakless(t, strconv.FormatInt(size, 10), func(t *testing.T) { truncatedUnderWaiters(t, size) })
	}
}

func truncatedUnderWaiters(t *testing.T, size int64) {
	cfg := mailbox.Config{Dir: shmDir(t), Capacity: mailbox.Bounded(1), MaxMessage: 64, Participants: 4, Policy: isthmus.LowPower}
	m := create(t, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	const each = 12 // more than sleep in the kernel by themselves
	errs := make(chan error, 2*each)
	for range each {
		go func() { _, err := m.Receive(ctx); errs <- err }()
		go func() { _, err := m.Receive(context.Background()); errs <- err }()
	}
	b := mapped(t, boxPath(cfg.Dir))
	proctest.Eventually(t, bound, "a waiter", func() bool { return *word64(b, bitsAt) != 0 })
	if err := os.Truncate(boxPath(cfg.Dir), size); err != nil {
		t.Fatal(err)
	}
	cancel()
	next := func() (err error) {
		within(bound, "a cancelled or closed wait", func() { err = <-errs })
		return err
	}
	// Those that found the hole themselves have ended, too, of either sort.
	ends := []error{context.Canceled, isthmus.ErrCorrupt}
	for i := range 2 * each {
		if i == each {
			within(bound, "close", func() { _ = m.Close() })
			ends = append(ends, isthmus.ErrClosed)
		}
		if err := next(); !slices.ContainsFunc(ends, func(end error) bool { return errors.Is(err, end) }) {
			t.Errorf("end %d: %v", i, err)
		}
	}
}

// TestTruncatedWhileBusy cuts and mends the file while a crowd is at work.
func TestTruncatedWhileBusy(t *testing.T) {
	needFaults(t)
	for i := range 6 {
		leakless(t, strconv.Itoa(i), func(t *testing.T) { truncatedWhileBusy(t, uint64(i)) })
	}
}

func truncatedWhileBusy(t *testing.T, seed uint64) {
	cfg := roomy
	cfg.Dir = shmDir(t)
	m, n := create(t, cfg), attach(t, cfg)
	st, err := os.Stat(boxPath(cfg.Dir))
	if err != nil {
		t.Fatal(err)
	}
	var c crowd
	for k := range uint64(4) {
		c.add(t, newUser([]*mailbox.Mailbox{m, n}[k%2], cfg, seed*10+k))
	}
	for k := range 20 {
		proctest.Eventually(t, bound, "work", func() bool { return c.acts.Load() > int64(20*k) })
		_ = os.Truncate(boxPath(cfg.Dir), st.Size()*int64(k%4)/5)
		_ = os.Truncate(boxPath(cfg.Dir), st.Size())
	}
	c.stop()
	within(bound, "close", func() { _, _ = m.Close(), n.Close() })
}

// TestUnlinked takes the name away as rm and mv do, who tell nobody: a handle
// that has to wait finds out before it sleeps.
func TestUnlinked(t *testing.T) {
	for name, unlink := range map[string]func(string) error{
		"removed": os.Remove,
		"replaced": func(path string) error {
			if err := os.WriteFile(path+".new", []byte("something else"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := mailbox.Config{Dir: shmDir(t), Capacity: mailbox.Bounded(2), MaxMessage: 64, Participants: 4}
			m := create(t, cfg)
			asleep, cancel := context.WithCancel(context.Background())
			parked := make(chan error, 1)
			go func() { _, err := m.Receive(asleep); parked <- err }()
			b := mapped(t, boxPath(cfg.Dir))
			proctest.Eventually(t, bound, "a waiter", func() bool { return *word64(b, bitsAt) != 0 })
			if err := unlink(boxPath(cfg.Dir)); err != nil {
				t.Fatal(err)
			}
			within(bound, "receive", func() {
				if _, err := m.Receive(context.Background()); !errors.Is(err, isthmus.ErrRemoved) || !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("receive: %v, want ErrRemoved", err)
				}
			})
			cancel()
			within(bound, "the sleeper's end", func() { <-parked })
			for range 2 {
				_ = m.TrySend(isthmus.Message{})
			}
			within(bound, "send", func() {
				if err := m.Send(context.Background(), isthmus.Message{}); !errors.Is(err, isthmus.ErrRemoved) {
					t.Errorf("send: %v, want ErrRemoved", err)
				}
			})
			if err := m.Remove(); err != nil {
				t.Errorf("remove what has no name: %v", err)
			}
			if _, err := os.Lstat(boxPath(cfg.Dir)); (err == nil) != (name == "replaced") {
				t.Errorf("another's file was touched: %v", err)
			}
		})
	}
}

// punch takes the memory behind a part of a file away: it reads as zeros then.
func punch(path string, off, n int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	const keepSizePunchHole = 1 | 2
	return syscall.Fallocate(int(f.Fd()), keepSizePunchHole, off, n)
}

// TestPunched zeroes parts of the file under its users. What they find is no
// state that anyone wrote, and they say so rather than wait for it to change.
func TestPunched(t *testing.T) {
	for name, from := range map[string]func(layout) (from, to uint64){
		"all of it":        func(l layout) (uint64, uint64) { return 0, up(l.arenaAt+l.units*l.unit, 4096) },
		"header":           func(layout) (uint64, uint64) { return 0, 4096 },
		"participants":     func(layout) (uint64, uint64) { return 4096, 8192 },
		"all of the slots": func(l layout) (uint64, uint64) { return l.slotsAt &^ 4095, l.unitsAt },
		"units and arena":  func(l layout) (uint64, uint64) { return up(l.unitsAt, 4096), l.arenaAt + 8192 },
	} {
		leakless(t, name, func(t *testing.T) {
			cfg := roomy
			cfg.Dir = shmDir(t)
			m := create(t, cfg)
			for range 3 {
				if err := m.TrySend(isthmus.Message{Data: make([]byte, 3000)}); err != nil {
					t.Fatal(err)
				}
			}
			lo, hi := from(layoutOf(mapped(t, boxPath(cfg.Dir))))
			if err := punch(boxPath(cfg.Dir), int64(lo), int64(hi-lo)); err != nil {
				t.Fatal(err)
			}
			errs := everything(t, m, cfg)
			if err := errs["attach"]; lo == 0 && !errors.Is(err, isthmus.ErrCorrupt) {
				t.Errorf("attach: %v, want ErrCorrupt", err)
			}
			for _, act := range []string{"send", "receive"} {
				if err := errs[act]; (hi-lo > 1<<14 && strings.HasPrefix(name, "all")) && !errors.Is(err, isthmus.ErrCorrupt) {
					t.Errorf("%s: %v, want ErrCorrupt", act, err)
				}
			}
			within(bound, "close", func() { _ = m.Close() })
		})
	}
}
