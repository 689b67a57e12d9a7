//go:build linux

package mailbox_test

import (
	"context"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

func TestFirst(t *testing.T) {
	t.Setenv("ISTHMUS_DIR", t.TempDir())
	m, err := mailbox.Create("orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	n, err := mailbox.Attach("orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for i := range 5000 {
		size := i
		if err := m.Send(context.Background(), isthmus.Message{Data: make([]byte, size), Type: int64(i)}); err != nil {
			t.Fatal(i, err)
		}
		msg, err := n.Receive(context.Background())
		if err != nil || msg.Type != int64(i) || len(msg.Data) != size {
			t.Fatal(i, err, msg.Type)
		}
	}
}
func BenchmarkSPSC(b *testing.B) {
	m, err := mailbox.Anonymous(&mailbox.Config{MaxMessage: 64})
	if err != nil {
		b.Fatal(err)
	}
	f, _ := m.File()
	n, err := mailbox.FromFile(f, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	go func() {
		data := make([]byte, 64)
		for range b.N {
			if err := m.Send(context.Background(), isthmus.Message{Data: data}); err != nil {
				panic(err)
			}
		}
	}()
	buf := make([]byte, 64)
	for range b.N {
		if _, err := n.ReceiveInto(context.Background(), buf); err != nil {
			b.Fatal(err)
		}
	}
}
func BenchmarkSolo(b *testing.B) {
	m, err := mailbox.Anonymous(&mailbox.Config{MaxMessage: 64})
	if err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 64)
	buf := make([]byte, 64)
	b.ReportAllocs()
	for range b.N {
		if err := m.TrySend(isthmus.Message{Data: data}); err != nil {
			b.Fatal(err)
		}
		if _, err := m.TryReceiveInto(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// A place among the participants is free again as soon as its handle is closed.
func TestClosingFreesThePlace(t *testing.T) {
	t.Setenv("ISTHMUS_DIR", t.TempDir())
	m, err := mailbox.Create("orders", &mailbox.Config{Participants: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i := range 10 {
		n, err := mailbox.Attach("orders", nil)
		if err != nil {
			t.Fatal(i, err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(i, err)
		}
	}
}
