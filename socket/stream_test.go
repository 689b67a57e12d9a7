//go:build linux

package socket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/socket"
)

// raw is a Conn and the bare descriptor at its other end.
func raw(t testing.TB, network string, cfg *socket.Config) (*socket.Conn, int) {
	t.Helper()
	typ := map[string]int{socket.Unix: syscall.SOCK_STREAM, socket.UnixPacket: syscall.SOCK_SEQPACKET}[network]
	p, err := syscall.Socketpair(syscall.AF_UNIX, typ, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(p[0]), "raw")
	c, err := socket.FileConn(f, cfg)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	t.Cleanup(func() { c.Close() })
	return c, p[1]
}

func write(t testing.TB, fd int, b []byte) {
	t.Helper()
	if n, err := syscall.Write(fd, b); n != len(b) || err != nil {
		t.Fatalf("wrote %d of %d bytes: %v", n, len(b), err)
	}
}

func header(length int) []byte {
	return binary.LittleEndian.AppendUint32([]byte{0xB7, 1, 0, 0}, uint32(length))
}

// TestByteByByte has a frame come in the smallest pieces, by all ways to receive.
func TestByteByByte(t *testing.T) {
	c, fd := raw(t, socket.Unix, nil)
	defer syscall.Close(fd)
	payload := bytes.Repeat([]byte("payload "), 4)
	typed := binary.LittleEndian.AppendUint64([]byte{0xB7, 1, 1, 0, byte(len(payload)), 0, 0, 0}, 1<<40)
	buf := make([]byte, 64)
	for _, b := range append(typed, payload...) {
		if _, err := c.TryReceive(); !errors.Is(err, isthmus.ErrEmpty) {
			t.Fatal(err)
		}
		if _, err := c.TryReceiveInto(buf); !errors.Is(err, isthmus.ErrEmpty) {
			t.Fatal(err)
		}
		write(t, fd, []byte{b})
	}
	if m, err := c.TryReceive(); err != nil || m.Type != 1<<40 || !bytes.Equal(m.Data, payload) {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestHostileBytes proves what bytes do that are no frames.
func TestHostileBytes(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		want  error
	}{
		"another protocol": {[]byte("GET / HTTP/1.1\r\n\r\n"), socket.ErrMalformed},
		"another version":  {[]byte{0xB7, 9, 0, 0, 0, 0, 0, 0}, socket.ErrMalformed},
		"too long":         {header(1<<20 + 1), isthmus.ErrTooLarge},
		"as long as can":   {header(0xFFFFFFFF), isthmus.ErrTooLarge},
		"cut in a header":  {header(5)[:3], isthmus.ErrPeerDied},
		"cut in a payload": {append(header(5), 'x'), isthmus.ErrPeerDied},
		"ended":            {nil, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			conn, fd := raw(t, socket.Unix, nil)
			write(t, fd, c.bytes)
			syscall.Close(fd)
			for range 2 { // and it stays so
				if _, err := conn.Receive(background); !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
			}
		})
	}
}

// TestAnnouncedIsNotGiven proves that a length costs no memory before its bytes come.
func TestAnnouncedIsNotGiven(t *testing.T) {
	at := filepath.Join(shortDir(t), "s")
	const limit = 1 << 30
	r, err := socket.OpenReceiver(background, socket.Unix, at, &socket.Config{MaxMessage: limit})
	check(t, err)
	defer r.Close()
	for range 50 {
		fd := dialRaw(t, at)
		defer syscall.Close(fd)
		write(t, fd, append(header(limit), "a little"...))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := r.TryReceive(); !errors.Is(err, isthmus.ErrEmpty) {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if r.Stats().Connections != 50 {
		t.Fatalf("%+v", r.Stats())
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 50*128<<10 {
		t.Errorf("50 announcements of 1 GiB cost %d bytes", grown)
	}
}

func dialRaw(t testing.TB, at string) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: at})
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// TestCancelInTheMiddle ends a Send when part of a large message has gone: it
// is sent, and what follows comes after it.
func TestCancelInTheMiddle(t *testing.T) {
	a, b := pair(t, socket.Unix, nil)
	large := bytes.Repeat([]byte("0123456789abcdef"), 60000) // more than the buffers take
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	if err := a.Send(ctx, isthmus.Message{Data: large}); err != nil {
		t.Fatalf("the beginning had gone: %v", err)
	}
	if err := a.TrySend(text("next")); !errors.Is(err, isthmus.ErrFull) {
		t.Fatalf("there is no room: %v", err)
	}
	ctx, cancel = context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	if err := a.Send(ctx, text("never")); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	next := make(chan error, 1)
	go func() { next <- a.Send(background, text("next")) }()
	if m, err := b.Receive(background); err != nil || !bytes.Equal(m.Data, large) {
		t.Fatalf("%d bytes, %v", len(m.Data), err)
	}
	if m, err := b.Receive(background); err != nil || string(m.Data) != "next" {
		t.Fatalf("%q, %v", m.Data, err)
	}
	check(t, <-next)
}

// TestCloseAfterCancel proves that Close does not cut what was accepted.
func TestCloseAfterCancel(t *testing.T) {
	a, b := pair(t, socket.Unix, nil)
	large := bytes.Repeat([]byte("0123456789abcdef"), 60000)
	check(t, a.TrySend(isthmus.Message{Data: large}))
	check(t, a.Close())
	if err := a.TrySend(text("x")); !errors.Is(err, isthmus.ErrClosed) {
		t.Fatal(err)
	}
	if m, err := b.Receive(background); err != nil || !bytes.Equal(m.Data, large) {
		t.Fatalf("%d bytes, %v", len(m.Data), err)
	}
	if _, err := b.Receive(background); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

// TestCloseWakesBoth proves that Close ends calls in both directions while the
// rest of a message is still on its way.
func TestCloseWakesBoth(t *testing.T) {
	a, b := pair(t, socket.Unix, nil)
	check(t, a.TrySend(isthmus.Message{Data: make([]byte, 1<<20)}))
	ended := make(chan error, 2)
	go func() { _, err := a.Receive(background); ended <- err }()
	go func() { ended <- a.Send(background, text("x")) }()
	time.Sleep(5 * time.Millisecond) // so that they probably wait; if not they find it closed
	check(t, a.Close())
	for range 2 {
		if err := <-ended; !errors.Is(err, isthmus.ErrClosed) {
			t.Error(err)
		}
	}
	if m, err := b.Receive(background); err != nil || len(m.Data) != 1<<20 {
		t.Errorf("%d bytes, %v", len(m.Data), err)
	}
}

// shoutRole sends numbered messages of all sizes on a descriptor that others share.
func shoutRole(args []string) error {
	c, err := socket.FileConn(os.NewFile(3, "shared"), &socket.Config{Shared: true, MaxMessage: 32 << 10})
	if err != nil {
		return err
	}
	who, _ := strconv.Atoi(args[0])
	for i := range 300 {
		if err := c.Send(background, isthmus.Message{Data: shout(byte(who), i), Type: int64(i)}); err != nil {
			return err
		}
	}
	return nil
}

func shout(who byte, i int) []byte {
	return bytes.Repeat([]byte{who}, []int{1, 100, 5000, 32<<10 - 16}[i%4])
}

// TestManyWriters has several processes, and several goroutines in each, write
// to one stream: no message is mixed with another.
func TestManyWriters(t *testing.T) {
	a, b := pair(t, socket.Unix, &socket.Config{Shared: true, MaxMessage: 32 << 10})
	if err := a.TrySend(isthmus.Message{Data: make([]byte, 32<<10)}); !errors.Is(err, isthmus.ErrTooLarge) {
		t.Errorf("a message that does not go in one piece: %v", err)
	}
	f, err := a.File()
	check(t, err)
	pids := map[int]byte{os.Getpid(): 'g'}
	for _, who := range []byte("pq") {
		p := proctest.Start(t, proctest.Options{Files: []*os.File{f}}, "shout", strconv.Itoa(int(who)))
		pids[p.PID()] = who
	}
	f.Close()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 300 {
				if err := a.Send(background, isthmus.Message{Data: shout('g', i), Type: int64(i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 6 * 300 {
		m, err := b.Receive(background)
		if err != nil {
			t.Fatalf("after %d messages: %v", n, err)
		}
		if want := shout(pids[m.From.PID], int(m.Type)); !bytes.Equal(m.Data, want) {
			t.Fatalf("message %d of process %d (%c) has %d bytes of %q", m.Type, m.From.PID, pids[m.From.PID], len(m.Data), m.Data[:1])
		}
	}
	wg.Wait()
	if _, err := b.TryReceive(); !errors.Is(err, isthmus.ErrEmpty) {
		t.Error(err)
	}
}

// TestStoppedReader proves that a reader that does not read costs its writer no
// memory, and takes no time from others.
func TestStoppedReader(t *testing.T) {
	at := filepath.Join(shortDir(t), "s")
	p := proctest.Start(t, proctest.Options{}, "listen", socket.Unix, at)
	p.Expect("listening")
	c, err := socket.Dial(background, socket.Unix, at, nil)
	check(t, err)
	defer c.Close()
	p.Signal(syscall.SIGSTOP)
	p.Stopped()
	m := isthmus.Message{Data: make([]byte, 10_000)}
	full := 0
	for ; full < 10_000; full++ {
		if err := c.TrySend(m); errors.Is(err, isthmus.ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 1000 {
		if err := c.TrySend(m); !errors.Is(err, isthmus.ErrFull) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; full == 10_000 || grown > 1<<20 {
		t.Errorf("%d messages fit, and 1,000 that do not cost %d bytes", full, grown)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- c.Send(background, m) }()
	p.Signal(syscall.SIGCONT)
	p.Kill()
	if err := <-waiting; !errors.Is(err, isthmus.ErrPeerDied) {
		t.Errorf("a Send that waits for one who is killed: %v", err)
	}
}

// TestFullBacklog proves that Dial waits for room in a backlog, and how it ends.
func TestFullBacklog(t *testing.T) {
	at := filepath.Join(shortDir(t), "s")
	l, err := socket.Listen(background, socket.Unix, at, &socket.Config{Backlog: 1})
	check(t, err)
	defer l.Close()
	var conns []*socket.Conn
	for {
		ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
		begun := time.Now()
		c, err := socket.Dial(ctx, socket.Unix, at, nil)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && errors.Is(err, os.ErrDeadlineExceeded) {
			if d := time.Since(begun); d < 49*time.Millisecond || d > time.Second {
				t.Errorf("the deadline of 50 ms ended it after %v", d)
			}
			break
		}
		check(t, err)
		defer c.Close()
		if conns = append(conns, c); len(conns) > 10 {
			t.Fatal("the backlog of 1 is never full")
		}
	}
	ctx, cancel := context.WithCancel(background)
	dialled := make(chan error, 3)
	for range 2 {
		go func() { _, err := socket.Dial(ctx, socket.Unix, at, nil); dialled <- err }()
	}
	time.Sleep(5 * time.Millisecond) // so that they probably wait
	cancel()
	for range 2 {
		if err := <-dialled; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	go func() {
		c, err := socket.Dial(background, socket.Unix, at, nil)
		if err == nil {
			err = c.Send(background, text("in the end"))
		}
		dialled <- err
	}()
	for range conns {
		c, err := l.Accept(background)
		check(t, err)
		defer c.Close()
	}
	check(t, <-dialled)
}

// TestTimerSignals passes messages while a timer interrupts this process a
// thousand times a second: nobody notices.
func TestTimerSignals(t *testing.T) {
	stop := timerSignals(t)
	defer stop()
	for _, network := range pathNetworks {
		a, b := pair(t, network, nil)
		sent := make(chan error, 1)
		go func() {
			for i := range 5000 {
				if err := a.Send(background, text(fmt.Sprint(i))); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		for i := range 5000 {
			if m, err := b.Receive(background); err != nil || string(m.Data) != fmt.Sprint(i) {
				t.Fatalf("%s: message %d is %q, %v", network, i, m.Data, err)
			}
		}
		check(t, <-sent)
	}
}
