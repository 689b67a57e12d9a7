//go:build !race

// Built with -race, the detector itself faults on a truncated file.

package ring

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
)

// Who meets a fault leaves the gate all the same: its place in the row would take
// the wake-ups of the handle's other goroutines.
func TestFaultLeavesTheGate(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "isthmus-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	q, err := Create(dir, "x", Config{Kind: region.Mailbox, Capacity: isthmus.Bounded(4), MaxMessage: 1000}, Options{Policy: isthmus.LowPower})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	got := make(chan error)
	go func() { got <- q.Receive(ctx, Anyone, nil, true, new(isthmus.Message)) }()
	when(t, "it waits", func() bool { return q.gates[bellMessage].Waiting() == 1 })
	o, err := q.outgoing(&isthmus.Message{Data: make([]byte, 1000)}, 0)
	if err == nil {
		err = q.store(&o)
	}
	if err != nil {
		t.Fatal(err)
	}
	sl, pos, err := q.reserve(writing, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.r.File().Truncate(int64(q.shape.arenaAt)); err != nil {
		t.Fatal(err)
	}
	if err := q.commit(sl, &o); err != nil {
		t.Fatal(err)
	}
	q.ringMessage(pos)
	if err := <-got; !errors.Is(err, isthmus.ErrCorrupt) {
		t.Errorf("received from a truncated file: %v", err)
	}
	if n := q.gates[bellMessage].Waiting(); n != 0 {
		t.Errorf("%d wait", n)
	}
}
