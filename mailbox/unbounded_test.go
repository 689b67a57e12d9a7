//go:build linux

package mailbox_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

func unbounded(t *testing.T, c mailbox.Config) *mailbox.Mailbox {
	t.Helper()
	// In memory, where mailboxes are: what a disk's file system keeps is its own affair.
	dir, err := os.MkdirTemp("/dev/shm", "isthmus-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c.Dir = dir
	c.Capacity = mailbox.Unbounded
	m, err := mailbox.Create("endless", &c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func reserved(t *testing.T, m *mailbox.Mailbox) int64 {
	t.Helper()
	st, err := m.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return st.Reserved
}

func TestUnboundedGrowsAndGivesBack(t *testing.T) {
	m := unbounded(t, mailbox.Config{Memory: 256 << 20})
	first := reserved(t, m)
	const n = 200_000
	data := make([]byte, 300)
	for round := range 3 {
		for i := range n {
			size := 20 // in the slot, or now and then in the arena
			if i%10 == 0 {
				size = len(data)
			}
			if err := m.Send(ctx, isthmus.Message{Data: data[:size], Type: int64(i)}); err != nil {
				t.Fatal(i, err)
			}
		}
		full := reserved(t, m)
		if full < n*128 {
			t.Fatalf("%d messages lie in %d bytes", n, full)
		}
		for i := range n {
			msg, err := m.TryReceive()
			if err != nil || msg.Type != int64(i) {
				t.Fatalf("round %d, message %d: %v, type %d", round, i, err, msg.Type)
			}
		}
		if _, err := m.TryReceive(); !errors.Is(err, isthmus.ErrEmpty) {
			t.Fatal(err)
		}
		if rest := reserved(t, m); rest > first+2<<20 {
			t.Fatalf("drained, it keeps %d bytes of %d (%d when it was new)", rest, full, first)
		}
	}
}

func TestUnboundedSaysWhichLimit(t *testing.T) {
	m := unbounded(t, mailbox.Config{Memory: 1 << 20})
	sent := 0
	var err error
	for ; sent < 1<<20; sent++ {
		if err = m.TrySend(isthmus.Message{Data: []byte("x")}); err != nil {
			break
		}
	}
	if !errors.Is(err, isthmus.ErrFull) || sent < 4000 {
		t.Fatalf("after %d messages: %v", sent, err)
	}
	if !strings.Contains(err.Error(), "byte limit") {
		t.Fatalf("the error does not say which limit: %v", err)
	}
	for range sent {
		if _, err := m.TryReceive(); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.TrySend(isthmus.Message{Data: []byte("x")}); err != nil {
		t.Fatalf("drained: %v", err)
	}
}

// A claim that is held for long pins its segment, and no more.
func TestUnboundedWithAClaimHeld(t *testing.T) {
	m := unbounded(t, mailbox.Config{Memory: 8 << 20, MaxMessage: 64})
	if err := m.Send(ctx, m0([]byte("held"))); err != nil {
		t.Fatal(err)
	}
	held, err := m.Claim(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200_000 { // several times round the ring
		if err := m.TrySend(isthmus.Message{Type: int64(i)}); err != nil {
			t.Fatal(i, err)
		}
		if msg, err := m.TryReceive(); err != nil || msg.Type != int64(i) {
			t.Fatal(i, err)
		}
	}
	if string(held.Bytes()) != "held" {
		t.Fatalf("held message is %q", held.Bytes())
	}
	if err := held.Ack(); err != nil {
		t.Fatal(err)
	}
	if err := m.TrySend(isthmus.Message{Type: 1}); err != nil {
		t.Fatal(err)
	}
}

func TestUnboundedManySizes(t *testing.T) {
	m := unbounded(t, mailbox.Config{MaxMessage: 8 << 20, Memory: 64 << 20})
	r := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, 8<<20)
	var sizes []int
	for range 2000 {
		if size := r.IntN(1 << r.IntN(24)); r.IntN(2) == 0 {
			err := m.TrySend(isthmus.Message{Data: buf[:min(size, len(buf))]})
			if errors.Is(err, isthmus.ErrFull) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, min(size, len(buf)))
		} else if len(sizes) > 0 {
			msg, err := m.Receive(ctx)
			if err != nil || len(msg.Data) != sizes[0] {
				t.Fatalf("%v, %d bytes, want %d", err, len(msg.Data), sizes[0])
			}
			sizes = sizes[1:]
		}
	}
}

func TestUnboundedWakesWhoWaitsForRoom(t *testing.T) {
	m := unbounded(t, mailbox.Config{Memory: 64 << 10, MaxMessage: 64})
	n := 0
	for ; m.TrySend(isthmus.Message{}) == nil; n++ {
	}
	sent := make(chan error)
	go func() { sent <- m.Send(ctx, isthmus.Message{}) }()
	for range n {
		if _, err := m.TryReceive(); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-sent:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody woke the sender")
	}
}
