//go:build linux

package mailbox_test

import (
	"fmt"
	"os"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

const mib = 1 << 20

func large() *mailbox.Config {
	return &mailbox.Config{MaxMessage: mib, Capacity: mailbox.Bounded(8)}
}

// loanTo sends a message of 1 MiB that nobody fills.
func loanTo(m *mailbox.Mailbox, tag int64) error {
	l, err := m.Loan(ctx, mib)
	if err != nil {
		return err
	}
	l.Type = tag
	return l.Send(ctx)
}

func claimFrom(m *mailbox.Mailbox) (int64, error) {
	c, err := m.Claim(ctx)
	if err != nil {
		return 0, err
	}
	if len(c.Bytes()) != mib {
		return 0, fmt.Errorf("claimed %d bytes", len(c.Bytes()))
	}
	tag := c.Message().Type
	return tag, c.Ack()
}

func echoLoan([]string) error {
	there, back := inherit(3, isthmus.Balanced), inherit(4, isthmus.Balanced)
	fmt.Println("ready")
	for {
		tag, err := claimFrom(there)
		if err != nil || tag == -1 {
			return err
		}
		if err := loanTo(back, 0); err != nil {
			return err
		}
	}
}

// BenchmarkLoanClaim1MiB is a round trip of 1 MiB each way, by loan and claim,
// the payload untouched. Compare it with BenchmarkRoundTrip.
func BenchmarkLoanClaim1MiB(b *testing.B) {
	there, back, opts := pair(b, large())
	p := proctest.Start(b, opts, "echoLoan")
	p.Expect("ready")
	b.ReportAllocs()
	for b.Loop() {
		if err := loanTo(there, 0); err != nil {
			b.Fatal(err)
		}
		if _, err := claimFrom(back); err != nil {
			b.Fatal(err)
		}
	}
	if err := loanTo(there, -1); err != nil {
		b.Fatal(err)
	}
	p.Wait()
}

// echoCopy swallows what it receives, by copy.
func echoCopy([]string) error {
	there := inherit(3, isthmus.Balanced)
	buf := make([]byte, mib)
	fmt.Println("ready")
	for {
		m, err := there.ReceiveInto(ctx, buf)
		if err != nil || m.Type == -1 {
			return err
		}
	}
}

// BenchmarkCopy1MiB is a message of 1 MiB copied in by the sender and out by
// the receiver, one after the other. Compare its rate with BenchmarkMemcpy2.
func BenchmarkCopy1MiB(b *testing.B) {
	there, _, opts := pair(b, large())
	p := proctest.Start(b, opts, "echoCopy")
	p.Expect("ready")
	data := make([]byte, mib)
	b.SetBytes(mib)
	for b.Loop() {
		if err := there.Deliver(ctx, m0(data)); err != nil {
			b.Fatal(err)
		}
	}
	_ = there.Send(ctx, isthmus.Message{Type: -1})
	p.Wait()
}

// BenchmarkMemcpy2 copies 1 MiB twice, from one buffer to a second to a third.
func BenchmarkMemcpy2(b *testing.B) {
	x, y, z := make([]byte, mib), make([]byte, mib), make([]byte, mib)
	b.SetBytes(mib)
	for b.Loop() {
		copy(y, x)
		copy(z, y)
	}
}

// BenchmarkOpen opens a mailbox that exists, and closes it.
func BenchmarkOpen(b *testing.B) {
	dir, err := os.MkdirTemp("/dev/shm", "isthmus-test-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cfg := &mailbox.Config{MaxMessage: 64, Dir: dir}
	first, err := mailbox.Create("orders", cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer first.Close()
	for b.Loop() {
		m, err := mailbox.Open("orders", cfg)
		if err != nil {
			b.Fatal(err)
		}
		_ = m.Close()
	}
}

// BenchmarkCreate creates a mailbox of 1,024 small messages, and removes it.
func BenchmarkCreate(b *testing.B) {
	dir, err := os.MkdirTemp("/dev/shm", "isthmus-test-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cfg := &mailbox.Config{MaxMessage: 64, Dir: dir}
	for b.Loop() {
		m, err := mailbox.Create("orders", cfg)
		if err != nil {
			b.Fatal(err)
		}
		_ = m.Remove()
		_ = m.Close()
	}
}

func TestAMailboxOf1024SmallMessagesIsSmall(t *testing.T) {
	t.Setenv("ISTHMUS_DIR", t.TempDir())
	before := descriptors(t)
	m, err := mailbox.Create("small", &mailbox.Config{Capacity: mailbox.Bounded(1024), MaxMessage: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	st, err := m.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if st.Reserved > 256<<10 {
		t.Errorf("it takes %d bytes, want under 256 KiB", st.Reserved)
	}
	if n := descriptors(t) - before; n > 2 {
		t.Errorf("it takes %d descriptors, want at most 2", n)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}
