//go:build linux

package mailbox_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

var ctx = context.Background()

// pair is two mailboxes, and the options to hand them to a child process.
func pair(b *testing.B, cfg *mailbox.Config) (there, back *mailbox.Mailbox, opts proctest.Options) {
	b.Helper()
	box := func() *mailbox.Mailbox {
		m, err := mailbox.Anonymous(cfg)
		if err != nil {
			b.Fatal(err)
		}
		f, err := m.File()
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { m.Close(); f.Close() })
		opts.Files = append(opts.Files, f)
		return m
	}
	return box(), box(), opts
}

func inherit(fd uintptr, policy isthmus.Policy) *mailbox.Mailbox {
	m, err := mailbox.FromFile(os.NewFile(fd, "mailbox"), &mailbox.Config{Policy: policy})
	if err != nil {
		panic(err)
	}
	return m
}

// echo answers every message.
func echo(args []string) error {
	policy, _ := strconv.Atoi(args[0])
	there, back := inherit(3, isthmus.Policy(policy)), inherit(4, isthmus.Policy(policy))
	buf := make([]byte, 64)
	fmt.Println("ready")
	for {
		m, err := there.ReceiveInto(ctx, buf)
		if err != nil {
			return err
		}
		if m.Type == -1 {
			return nil
		}
		if err := back.Send(ctx, m0(m.Data)); err != nil {
			return err
		}
	}
}

func m0(data []byte) isthmus.Message { return isthmus.Message{Data: data} }

func benchRoundTrip(b *testing.B, policy isthmus.Policy, wrap ...string) {
	there, back, opts := pair(b, &mailbox.Config{MaxMessage: 64, Policy: policy})
	opts.Wrap = wrap
	p := proctest.Start(b, opts, "echo", strconv.Itoa(int(policy)))
	p.Expect("ready")
	buf := make([]byte, 64)
	msg := m0(make([]byte, 64))
	for b.Loop() {
		if err := there.Send(ctx, msg); err != nil {
			b.Fatal(err)
		}
		if _, err := back.ReceiveInto(ctx, buf); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	_ = there.Send(ctx, isthmus.Message{Type: -1})
	p.Wait()
}

func BenchmarkRoundTrip(b *testing.B)           { benchRoundTrip(b, isthmus.Balanced) }
func BenchmarkRoundTripLowLatency(b *testing.B) { benchRoundTrip(b, isthmus.LowLatency) }
func BenchmarkRoundTripLowPower(b *testing.B)   { benchRoundTrip(b, isthmus.LowPower) }

// stream sends messages until told otherwise.
func stream(args []string) error {
	n, _ := strconv.Atoi(args[0])
	size, _ := strconv.Atoi(args[1])
	m := inherit(3, isthmus.Balanced)
	msg := m0(make([]byte, size))
	fmt.Println("ready")
	_, _ = fmt.Scanln()
	for range n {
		if err := m.Send(ctx, msg); err != nil {
			return err
		}
	}
	return nil
}

func BenchmarkThroughput(b *testing.B) {
	for _, n := range []int{1, 2, 4, 16} {
		b.Run(fmt.Sprintf("%dto%d", n, n), func(b *testing.B) { benchThroughput(b, n) })
	}
}

// drain receives until it gets a message of type -1.
func drain([]string) error {
	m := inherit(3, isthmus.Balanced)
	buf := make([]byte, 64)
	fmt.Println("ready")
	for {
		msg, err := m.ReceiveInto(ctx, buf)
		if err != nil {
			return err
		}
		if msg.Type == -1 {
			return nil
		}
	}
}

func benchThroughput(b *testing.B, n int) {
	there, _, opts := pair(b, &mailbox.Config{MaxMessage: 64})
	var senders, receivers []*proctest.Proc
	each := b.N/n + 1
	for range n {
		senders = append(senders, proctest.Start(b, opts, "stream", strconv.Itoa(each), "64"))
		receivers = append(receivers, proctest.Start(b, opts, "drain"))
	}
	for i := range n {
		senders[i].Expect("ready")
		receivers[i].Expect("ready")
	}
	b.ResetTimer()
	start := time.Now()
	for _, s := range senders {
		s.Say("")
	}
	for _, s := range senders {
		s.Wait()
	}
	for range n {
		_ = there.Send(ctx, isthmus.Message{Type: -1})
	}
	for _, r := range receivers {
		r.Wait()
	}
	b.ReportMetric(float64(each*n)/time.Since(start).Seconds()/1e6, "Mmsg/s")
}

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{"echo": echo, "floor": floorPeer, "floorMessage": floorMessagePeer, "futex": futexPeer, "stream": stream, "drain": drain, "fill": fill, "echoLoan": echoLoan, "echoCopy": echoCopy, peerRole: conformancePeer})
}
