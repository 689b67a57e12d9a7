//go:build linux

package sysv

import (
	"context"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

func benchQueue(b *testing.B) *Queue {
	q, err := CreateQueue(Private, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = sys.MsgRemove(q.id) })
	b.ReportAllocs()
	return q
}

// BenchmarkSendReceive passes a message of 64 bytes within one goroutine: the
// cost of two calls that need not wait.
func BenchmarkSendReceive(b *testing.B) {
	q, ctx, buf := benchQueue(b), context.Background(), make([]byte, 64)
	for b.Loop() {
		if err := q.Send(ctx, isthmus.Message{Data: buf}); err != nil {
			b.Fatal(err)
		}
		if _, err := q.ReceiveInto(ctx, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWait is what waiting costs on top of the system call, where the
// message is there already.
func BenchmarkWait(b *testing.B) {
	q, buf := benchQueue(b), make([]byte, 8+64)
	sys.PutType(buf, 1)
	for b.Loop() {
		if err := sys.Msgsnd(q.id, buf, sys.IPCNoWait); err != nil {
			b.Fatal(err)
		}
		if _, err := q.wait(context.Background(), &request{op: opReceive, id: q.id, buf: buf}, true); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRaw is the two system calls alone.
func BenchmarkRaw(b *testing.B) {
	q, buf := benchQueue(b), make([]byte, 8+64)
	sys.PutType(buf, 1)
	for b.Loop() {
		if err := sys.Msgsnd(q.id, buf, sys.IPCNoWait); err != nil {
			b.Fatal(err)
		}
		if _, err := sys.Msgrcv(q.id, buf, 0, sys.IPCNoWait); err != nil {
			b.Fatal(err)
		}
	}
}
