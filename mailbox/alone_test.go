//go:build linux

package mailbox_test

import (
	"testing"

	"github.com/isthmus-ipc/isthmus/mailbox"
)

// BenchmarkAlone sends and receives a thousand messages in turn in one
// goroutine: what a send and a receive take with nobody else at the memory.
func BenchmarkAlone(b *testing.B) {
	m, err := mailbox.Anonymous(&mailbox.Config{MaxMessage: 64})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	buf := make([]byte, 64)
	msg := m0(make([]byte, 64))
	b.ReportAllocs()
	for i := 0; i < b.N; i += 1000 {
		for range 1000 {
			if err := m.Send(ctx, msg); err != nil {
				b.Fatal(err)
			}
		}
		for range 1000 {
			if _, err := m.ReceiveInto(ctx, buf); err != nil {
				b.Fatal(err)
			}
		}
	}
}
