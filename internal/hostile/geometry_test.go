//go:build linux

package hostile

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// genuine is the header of a mailbox, to forge others from.
func genuine(t testing.TB, cfg mailbox.Config) []byte {
	t.Helper()
	cfg.Dir = shmDir(t)
	create(t, cfg)
	b, err := os.ReadFile(boxPath(cfg.Dir))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestHostileGeometry forges headers with every combination of extreme numbers
// and a checksum that is right. Those that can be are mailboxes, and work;
// all others are refused; nothing is indexed outside.
func TestHostileGeometry(t *testing.T) {
	const size = 256 << 10
	small := mailbox.Config{Capacity: mailbox.Bounded(4), MaxMessage: 300, Participants: 2}
	head := genuine(t, small)[:256]
	cfg := mailbox.Config{Dir: shmDir(t)}
	binary.LittleEndian.PutUint64(head[24:], size)
	f, err := os.OpenFile(boxPath(cfg.Dir), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	before := count()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	values := [6][]uint64{
		{0, 1, 2, 3},
		{0, 1, 4, 1 << 24, 1<<24 + 1, 1 << 57},
		{0, 72, 73, 300, 1 << 31, 1<<31 + 1},
		{0, 1, 2, 513, 1 << 56},
		{0, 1, 16, 1 << 31, 1 << 58},
		{0, 1, 7, 320, 1 << 32, 1 << 63},
	}
	tried, taken := 0, 0
	var walk func(i int)
	walk = func(i int) {
		if i == len(values) {
			tried++
			if forged(t, f, head, cfg) {
				taken++
			}
			return
		}
		for _, v := range values[i] {
			// All combinations of the small ones; the extremes of the rest.
			binary.LittleEndian.PutUint64(head[geoAt+8*i:], v)
			if !t.Failed() {
				walk(i + 1)
			}
		}
	}
	walk(0)
	t.Logf("%d headers, %d of them possible", tried, taken)
	if tried < 20000 || taken == 0 {
		t.Error("that was too few")
	}
	if err := before.unchanged(); err != nil {
		t.Error(err)
	}
}

// forged writes a header and tries to attach to it.
func forged(t *testing.T, f *os.File, head []byte, cfg mailbox.Config) bool {
	seal(head)
	if _, err := f.WriteAt(head, 0); err != nil {
		t.Fatal(err)
	}
	m, err := mailbox.Attach("box", &cfg)
	if err != nil {
		if !errors.Is(err, isthmus.ErrCorrupt) {
			t.Errorf("geometry %d: %v, want ErrCorrupt", layoutOf(head), err)
		}
		return false
	}
	within(bound, "what was attached", func() {
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("geometry %d: panic: %v", layoutOf(head), p)
			}
		}()
		for _, size := range []int{0, 73, 5000} {
			_ = m.TrySend(isthmus.Message{Data: make([]byte, size)})
			if l, err := m.TryLoan(size); err == nil {
				_ = l.TrySend()
			}
			_, _ = m.TryReceive()
		}
		if err := m.Close(); err != nil {
			t.Errorf("geometry %d: close: %v", layoutOf(head), err)
		}
	})
	// It left state behind; the next forgery begins with a clean file.
	if err := punch(f.Name(), 256, 256<<10-256); err != nil {
		t.Fatal(err)
	}
	return true
}

// TestHostileHeader forges the rest of the header: who made it, with what.
func TestHostileHeader(t *testing.T) {
	small := mailbox.Config{Capacity: mailbox.Bounded(4), MaxMessage: 300, Participants: 2}
	file := genuine(t, small)
	for name, c := range map[string]struct {
		forge   func(b []byte)
		corrupt bool
		says    string
	}{
		"magic":         {func(b []byte) { b[0] = 'X' }, true, "magic"},
		"empty":         {func(b []byte) { clear(b) }, true, "magic"},
		"byte order":    {func(b []byte) { copy(b[8:], []byte{1, 2, 3, 4}) }, true, "byte order"},
		"major":         {func(b []byte) { b[12] = 2 }, false, "one version of Isthmus"},
		"features":      {func(b []byte) { b[20] = 1 }, false, "later version"},
		"kind":          {func(b []byte) { b[16] = 2 }, true, "it is a process, not a mailbox"},
		"unknown kind":  {func(b []byte) { b[16] = 200 }, true, "kind 200"},
		"size":          {func(b []byte) { binary.LittleEndian.PutUint64(b[24:], 1<<40) }, true, "truncated"},
		"small size":    {func(b []byte) { binary.LittleEndian.PutUint64(b[24:], 100) }, true, "header says 100"},
		"negative size": {func(b []byte) { binary.LittleEndian.PutUint64(b[24:], 1<<63) }, true, "truncated"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := mailbox.Config{Dir: shmDir(t)}
			b := append([]byte(nil), file...)
			c.forge(b)
			seal(b)
			leakless(t, "box", func(t *testing.T) { tryForged(t, cfg, b, c.corrupt, c.says) })
		})
	}
	t.Run("checksum", func(t *testing.T) {
		for bit := range 8 * 256 {
			cfg := mailbox.Config{Dir: shmDir(t)}
			b := append([]byte(nil), file...)
			b[bit/8] ^= 1 << (bit % 8)
			if err := os.WriteFile(boxPath(cfg.Dir), b, 0o600); err != nil {
				t.Fatal(err)
			}
			if m, err := mailbox.Attach("box", &cfg); err == nil {
				_ = m.Close()
				t.Fatalf("bit %d of the header is not covered", bit)
			}
			_ = os.RemoveAll(cfg.Dir)
		}
	})
}

func tryForged(t *testing.T, cfg mailbox.Config, b []byte, corrupt bool, says string) {
	t.Helper()
	if err := os.WriteFile(boxPath(cfg.Dir), b, 0o600); err != nil {
		t.Fatal(err)
	}
	open := map[string]func() (*mailbox.Mailbox, error){
		"open":   func() (*mailbox.Mailbox, error) { return mailbox.Open("box", &cfg) },
		"attach": func() (*mailbox.Mailbox, error) { return mailbox.Attach("box", &cfg) },
	}
	for op, do := range open {
		within(bound, op, func() {
			_, err := do()
			if err == nil || errors.Is(err, isthmus.ErrCorrupt) != corrupt || !strings.Contains(err.Error(), says) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v, want one that says %q", op, err, says)
			}
		})
	}
	if _, err := mailbox.Create("box", &cfg); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create: %v, want fs.ErrExist", err)
	}
}

// TestLaterMinor proves that a higher minor version is read.
func TestLaterMinor(t *testing.T) {
	small := mailbox.Config{Capacity: mailbox.Bounded(4), MaxMessage: 300, Participants: 2}
	b := genuine(t, small)
	clear(b[partsAt : partsAt+partSize]) // its creator is alive, but has no token of this file
	b[14]++
	seal(b)
	cfg := mailbox.Config{Dir: shmDir(t)}
	if err := os.WriteFile(boxPath(cfg.Dir), b, 0o600); err != nil {
		t.Fatal(err)
	}
	m := attach(t, cfg)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := m.Send(ctx, isthmus.Message{}); err != nil {
		t.Error(err)
	}
}
