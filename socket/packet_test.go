//go:build linux

package socket_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/socket"
)

// TestTruncationIsTold proves that a packet that is too long is never cut in silence.
func TestTruncationIsTold(t *testing.T) {
	c, fd := raw(t, socket.UnixPacket, &socket.Config{MaxMessage: 100})
	defer syscall.Close(fd)
	for _, receive := range []func() (isthmus.Message, error){
		func() (isthmus.Message, error) { return c.Receive(background) },
		c.TryReceive,
		func() (isthmus.Message, error) { return c.TryReceiveInto(make([]byte, 1000)) },
		func() (isthmus.Message, error) { return c.TryReceiveInto(make([]byte, 10)) },
	} {
		write(t, fd, make([]byte, 101))
		write(t, fd, []byte("next"))
		if _, err := receive(); !errors.Is(err, socket.ErrTruncated) || !errors.Is(err, isthmus.ErrTooLarge) {
			t.Errorf("101 bytes: %v", err)
		}
		if m, err := c.TryReceive(); err != nil || string(m.Data) != "next" {
			t.Errorf("%q, %v", m.Data, err)
		}
	}
	if n := c.Stats().TooLarge; n != 4 {
		t.Errorf("counted %d", n)
	}
}

// TestEmptyPacketIsNoEnd proves that a message of no bytes and the end of a
// connection are told apart.
func TestEmptyPacketIsNoEnd(t *testing.T) {
	for _, network := range pathNetworks {
		a, b := pair(t, network, nil)
		check(t, a.TrySend(text("")))
		check(t, a.TrySend(text("x")))
		for _, want := range []string{"", "x"} {
			if m, err := b.TryReceive(); err != nil || string(m.Data) != want {
				t.Fatalf("%s: %q, %v", network, m.Data, err)
			}
		}
		if network == socket.UnixGram {
			continue
		}
		check(t, a.CloseWrite())
		if _, err := b.Receive(background); !errors.Is(err, io.EOF) {
			t.Fatalf("%s: %v", network, err)
		}
		check(t, b.TrySend(text("the other way")))
		if m, err := a.TryReceive(); err != nil || string(m.Data) != "the other way" {
			t.Fatalf("%s: %q, %v", network, m.Data, err)
		}
	}
}

// TestUnreadByTheDead proves that what a peer sent before it closed is received,
// although it left messages of ours unread, which the kernel reports first.
func TestUnreadByTheDead(t *testing.T) {
	for _, network := range []string{socket.Unix, socket.UnixPacket} {
		a, b := pair(t, network, nil)
		check(t, a.TrySend(text("unread")))
		check(t, b.TrySend(text("one")))
		check(t, b.TrySend(text("two")))
		check(t, b.Close())
		for _, want := range []string{"one", "two"} {
			if m, err := a.Receive(background); err != nil || string(m.Data) != want {
				t.Fatalf("%s: %q, %v", network, m.Data, err)
			}
		}
		if _, err := a.Receive(background); !errors.Is(err, io.EOF) && !errors.Is(err, isthmus.ErrPeerDied) {
			t.Fatalf("%s: %v", network, err)
		}
	}
}

// TestDatagramReceiverDies proves what a sender sees of a receiver that does not
// read, is killed, and comes back.
func TestDatagramReceiverDies(t *testing.T) {
	at := filepath.Join(shortDir(t), "s")
	p := proctest.Start(t, proctest.Options{}, "listen", socket.UnixGram, at)
	p.Expect("listening")
	c, err := socket.Dial(background, socket.UnixGram, at, nil)
	check(t, err)
	defer c.Close()
	n := 0
	for ; c.TrySend(text("x")) == nil; n++ {
	}
	if n == 0 || n > 10_000 {
		t.Fatalf("%d datagrams fit", n)
	}
	ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	if err := c.Send(ctx, text("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a Send with %d waiting: %v", n, err)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- c.Send(background, text("x")) }()
	p.Kill()
	if err := <-waiting; !errors.Is(err, isthmus.ErrPeerDied) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a Send that waits for one who is killed: %v", err)
	}
	if err := c.TrySend(text("x")); !errors.Is(err, isthmus.ErrPeerDied) {
		t.Errorf("a Send to a dead one: %v", err)
	}
	r, err := socket.OpenReceiver(background, socket.UnixGram, at, nil)
	check(t, err)
	defer r.Close()
	works(t, socket.UnixGram, at, r)
}

func TestPacketSizes(t *testing.T) {
	for _, network := range []string{socket.UnixGram, socket.UnixPacket} {
		_, _, err := socket.Pair(network, &socket.Config{MaxMessage: 1 << 30})
		if !errors.Is(err, isthmus.ErrTooLarge) || !strings.Contains(err.Error(), "wmem_max") {
			t.Errorf("%s: MaxMessage of 1 GiB: %v", network, err)
		}
		a, _ := pair(t, network, &socket.Config{MaxMessage: 1 << 20, SendBuffer: 4096})
		if err := a.Send(background, isthmus.Message{Data: make([]byte, 1<<20)}); !errors.Is(err, isthmus.ErrTooLarge) || !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("%s: a message larger than the send buffer: %v", network, err)
		}
	}
}

// TestReplies has each sender get the answer to its own message.
func TestReplies(t *testing.T) {
	for network, local := range map[string]string{socket.Unix: "", socket.UnixPacket: "", socket.UnixGram: "", "unixgram-path": "path", socket.TCP: ""} {
		at := filepath.Join(shortDir(t), "s")
		if local == "path" {
			network, local = socket.UnixGram, at+".reply"
		}
		if network == socket.TCP {
			at = "127.0.0.1:0"
		}
		r, err := socket.OpenReceiver(background, network, at, nil)
		check(t, err)
		defer r.Close()
		at = r.Name()[len(network)+1:]
		var conns []*socket.Conn
		for _, who := range []string{"one", "two"} {
			c, err := socket.Dial(background, network, at, &socket.Config{Local: local})
			check(t, err)
			defer c.Close()
			check(t, c.Send(background, text(who)))
			conns = append(conns, c)
			local = strings.Replace(local, ".reply", ".reply2", 1)
		}
		for range conns {
			q, err := r.ReceiveRequest(background)
			check(t, err)
			check(t, q.Reply(background, text("hello "+string(q.Data))))
		}
		for i, who := range []string{"one", "two"} {
			if m, err := conns[i].Receive(background); err != nil || string(m.Data) != "hello "+who {
				t.Errorf("%s: %q, %v", network, m.Data, err)
			}
		}
		check(t, conns[0].Send(background, text("last")))
		q, err := r.ReceiveRequest(background)
		check(t, err)
		check(t, conns[0].Close())
		if network == socket.TCP {
			continue // it learns of that later
		}
		if err := q.Reply(background, text("too late")); !errors.Is(err, isthmus.ErrPeerDied) {
			t.Errorf("%s: a reply to one who has gone: %v", network, err)
		}
	}
	at := filepath.Join(shortDir(t), "s")
	r, err := socket.OpenReceiver(background, socket.UnixGram, at, nil)
	check(t, err)
	defer r.Close()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	check(t, err)
	defer syscall.Close(fd)
	check(t, syscall.Sendto(fd, []byte("from nowhere"), 0, &syscall.SockaddrUnix{Name: at}))
	q, err := r.ReceiveRequest(background)
	check(t, err)
	if err := q.TryReply(text("x")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a reply to a sender without an address: %v", err)
	}
}

// TestCrowd has many connections send to one receiver, some of which die in the
// middle of a message or send nonsense: the others' messages all come, in order.
func TestCrowd(t *testing.T) {
	at := filepath.Join(shortDir(t), "s")
	r, err := socket.OpenReceiver(background, socket.Unix, at, nil)
	check(t, err)
	defer r.Close()
	const senders, each = 30, 40
	for i := range senders {
		go func() {
			c, err := socket.Dial(background, socket.Unix, at, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for n := range each {
				m := isthmus.Message{Data: make([]byte, (n%5)*3000), Type: int64(i*1000 + n + 1)}
				if err := c.Send(background, m); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	for range 5 {
		for _, b := range [][]byte{[]byte("nonsense"), header(1 << 30), append(header(100), "half"...)} {
			fd := dialRaw(t, at)
			write(t, fd, b)
			syscall.Close(fd)
		}
	}
	next := map[int64]int64{}
	for range senders * each {
		m, err := r.Receive(background)
		if err != nil {
			t.Fatal(err)
		}
		who, n := (m.Type-1)/1000, (m.Type-1)%1000
		if n != next[who] || len(m.Data) != int(n%5)*3000 {
			t.Fatalf("message %d of %d came, with %d bytes; number %d is next", n, who, len(m.Data), next[who])
		}
		next[who]++
	}
	proctest.Eventually(t, 10*time.Second, "all are gone", func() bool {
		if _, err := r.TryReceive(); !errors.Is(err, isthmus.ErrEmpty) {
			t.Fatal(err)
		}
		return r.Stats().Connections == 0
	})
	if s := r.Stats(); s.Malformed != 5 || s.TooLarge != 5 || s.Incomplete != 5 || s.Accepted != senders+15 {
		t.Errorf("%+v", s)
	}
}

// TestKilledSender kills senders at any moment: what comes is whole, and nobody
// else is disturbed.
func TestKilledSender(t *testing.T) {
	at := filepath.Join(shortDir(t), "s")
	r, err := socket.OpenReceiver(background, socket.Unix, at, nil)
	check(t, err)
	defer r.Close()
	for range 10 {
		p := proctest.Start(t, proctest.Options{}, "flood", at)
		pid := p.PID()
		for i := range 50 {
			m, err := r.Receive(background)
			check(t, err)
			if m.From.PID != pid || len(m.Data) != 100_000 || m.Type != int64(i+1) {
				t.Fatalf("message %d of %d bytes from %d, want %d from %d", m.Type, len(m.Data), m.From.PID, i+1, pid)
			}
		}
		p.Kill()
		for r.Stats().Connections > 0 {
			if m, err := r.TryReceive(); err == nil && len(m.Data) != 100_000 {
				t.Fatalf("a message of %d bytes", len(m.Data))
			} else if err != nil && !errors.Is(err, isthmus.ErrEmpty) {
				t.Fatal(err)
			}
		}
	}
}

// floodRole sends numbered messages until it is killed.
func floodRole(args []string) error {
	c, err := socket.Dial(background, socket.Unix, args[0], nil)
	if err != nil {
		return err
	}
	for i := int64(1); ; i++ {
		if err := c.Send(background, isthmus.Message{Data: make([]byte, 100_000), Type: i}); err != nil {
			return err
		}
	}
}

// TestAcceptEnds proves how a wait in Accept ends.
func TestAcceptEnds(t *testing.T) {
	l, err := socket.Listen(background, socket.Unix, filepath.Join(shortDir(t), "s"), nil)
	check(t, err)
	ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	if _, err := l.Accept(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	waiting := make(chan error, 1)
	go func() { _, err := l.Accept(background); waiting <- err }()
	check(t, l.Close())
	if err := <-waiting; !errors.Is(err, isthmus.ErrClosed) {
		t.Error(err)
	}
	if err := l.Close(); !errors.Is(err, isthmus.ErrClosed) {
		t.Error(err)
	}
}

// TestUnsupported proves that what a network cannot do is said.
func TestUnsupported(t *testing.T) {
	for name, err := range map[string]error{
		"listen to datagrams": second(socket.Listen(background, socket.UnixGram, "@x-isthmus-none", nil)),
		"a network":           second(socket.Dial(background, "carrier-pigeon", "x", nil)),
		"TLS over Unix":       second(socket.Dial(background, socket.Unix, "@x", &socket.Config{TLS: serverTLS(t, nil)})),
		"Allow over TCP":      second(socket.Dial(background, socket.TCP, "127.0.0.1:1", &socket.Config{Allow: &socket.Allow{}})),
		"Shared over TCP":     second(socket.Dial(background, socket.TCP, "127.0.0.1:1", &socket.Config{Shared: true})),
		"Files over TCP":      second(socket.Dial(background, socket.TCP, "127.0.0.1:1", &socket.Config{Files: 1})),
		"Local of a stream":   second(socket.Dial(background, socket.Unix, "@x", &socket.Config{Local: "@"})),
	} {
		var e *isthmus.Error
		if !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &e) || e.Mechanism != "socket" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
