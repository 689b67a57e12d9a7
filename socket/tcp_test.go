//go:build linux

package socket_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/socket"
)

// TestTCPFull proves what a sender sees whose receiver does not read: TrySend is
// full, Send waits, a deadline ends it, Close wakes it, and all that was
// accepted comes, once and whole.
func TestTCPFull(t *testing.T) {
	r, err := socket.OpenReceiver(background, socket.TCP, "127.0.0.1:0", &socket.Config{ReceiveBuffer: 64 << 10})
	check(t, err)
	defer r.Close()
	c, err := socket.Dial(background, socket.TCP, strings.TrimPrefix(r.Name(), "tcp:"), &socket.Config{SendBuffer: 64 << 10})
	check(t, err)
	defer c.Close()
	data := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1_000_000) }
	sent := 0
	for {
		ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
		err := c.Send(ctx, isthmus.Message{Data: data(sent), Type: int64(sent)})
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			// On a busy machine 20 ms are not long: it is full if this says so, too.
			err = c.TrySend(isthmus.Message{Data: data(sent), Type: int64(sent)})
		}
		if errors.Is(err, isthmus.ErrFull) {
			break
		}
		check(t, err)
		if sent++; sent > 100 {
			t.Fatal("it is never full")
		}
	}
	waiting := make(chan error, 1)
	go func() { waiting <- c.Send(background, text("the last")) }()
	for i := range sent {
		if m, err := r.Receive(background); err != nil || m.Type != int64(i) || !bytes.Equal(m.Data, data(i)) {
			t.Fatalf("message %d: %d bytes of type %d, %v", i, len(m.Data), m.Type, err)
		}
	}
	if m, err := r.Receive(background); err != nil || string(m.Data) != "the last" {
		t.Fatalf("%q, %v", m.Data, err)
	}
	check(t, <-waiting)
	for c.TrySend(isthmus.Message{Data: data(0)}) == nil {
	}
	go func() { waiting <- c.Send(background, text("never")) }()
	check(t, c.Close())
	if err := <-waiting; !errors.Is(err, isthmus.ErrClosed) {
		t.Errorf("%v", err)
	}
}
