package ring

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
)

// All ways of sending and receiving at once, through one slot and one unit:
// whoever goes to sleep with something left to do shows here.
func TestStormThroughOneSlot(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "isthmus-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := Create(dir, "x", Config{Kind: region.Mailbox, Capacity: isthmus.Bounded(1), MaxMessage: 3000}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := Open(dir, "x", region.Mailbox, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const each = 2000
	var sent, received atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error, 16)
	for i := range 4 {
		go func() { errs <- stormSend(ctx, s, i, each, &sent) }()
		go func() { errs <- stormReceive(ctx, r, i, &received) }()
	}
	last, quiet := int64(-1), time.Now()
	for received.Load() < 4*each {
		if n := sent.Load() + received.Load(); n != last {
			last, quiet = n, time.Now()
		}
		if time.Since(quiet) > 5*time.Second {
			t.Fatalf("stuck: sent %d, received %d\n%s%s", sent.Load(), received.Load(), s.dump(), r.dump())
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	for range 8 {
		if err := <-errs; err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
	}
}

func stormSend(ctx context.Context, q *Queue, seed, each int, sent *atomic.Int64) error {
	rnd := rand.New(rand.NewPCG(uint64(seed), 1))
	for range each {
		m := isthmus.Message{Data: make([]byte, rnd.IntN(3000))}
		var err error
		switch rnd.IntN(4) {
		case 0:
			err = q.Send(ctx, &m)
		case 1:
			err = q.Deliver(ctx, &m)
		case 2:
			if err = q.TrySend(&m); err == isthmus.ErrFull {
				err = q.Send(ctx, &m)
			}
		case 3:
			var l Loan
			if l, err = q.Loan(ctx, len(m.Data)); err == nil {
				err = l.Send(ctx, &isthmus.Message{}, Room)
			}
		}
		if err != nil {
			return err
		}
		sent.Add(1)
	}
	return nil
}

func stormReceive(ctx context.Context, q *Queue, seed int, received *atomic.Int64) error {
	rnd := rand.New(rand.NewPCG(uint64(seed), 2))
	for ctx.Err() == nil {
		var m isthmus.Message
		var err error
		switch rnd.IntN(3) {
		case 0:
			err = q.Receive(ctx, Anyone, nil, true, &m)
		case 1:
			if err = q.TryReceive(Anyone, nil, true, &m); err == isthmus.ErrEmpty {
				continue
			}
		case 2:
			var c Claim
			if c, err = q.Claim(ctx, Anyone); err == nil {
				if rnd.IntN(4) == 0 {
					err = c.Return()
					if err == nil {
						continue
					}
				} else {
					err = c.Ack()
				}
			}
		}
		if err != nil {
			return err
		}
		received.Add(1)
	}
	return nil
}

// dump is what a handle looks like from inside.
func (q *Queue) dump() string {
	out := fmt.Sprintf("handle %d: tail %d head %#x mine tail %d head %#x\n", q.me, q.control.tail.Load(), q.control.head.Load(), q.self.tail, q.self.head)
	for i := range q.slots {
		s := q.slots[i].state.Load()
		out += fmt.Sprintf("slot %d: position %d owner %d phase %d id %#x\n", i, posOf(s), ownerOf(s), phaseOf(s), loadID(&q.slots[i]))
	}
	for i := range q.units {
		w := q.units[i].Load()
		out += fmt.Sprintf("unit %d: %#x in use %v\n", i, w, q.unitInUse(w))
	}
	for i := range q.bells {
		out += fmt.Sprintf("bell %d: waiting %v, goroutines %d\n", i, q.bells[i].Waiting(q.me), q.gates[i].Waiting())
	}
	return out
}
