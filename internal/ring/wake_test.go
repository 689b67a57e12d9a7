package ring

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
)

// trio makes a queue with three handles on it, of which the first is an inbox's
// owner.
func trio(t *testing.T, kind region.Kind, c isthmus.Capacity) (qs [3]*Queue) {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "isthmus-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cfg := Config{Kind: kind, Capacity: c, MaxMessage: 64, Participants: 4}
	opts := Options{Policy: isthmus.LowPower}
	for i := range qs {
		if i == 0 {
			qs[i], err = Create(dir, "x", cfg, Options{Policy: opts.Policy, Owner: kind == region.Inbox})
		} else {
			qs[i], err = Open(dir, "x", kind, opts)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = qs[i].Close() })
	}
	return qs
}

// when waits until ok, which others make true.
func when(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("never happened: ", what)
		}
	}
}

// A ring wakes one of those who wait, so it must not be one who wants no message.
func TestMessageWakesItsOwnerAndNoWatcher(t *testing.T) {
	qs := trio(t, region.Inbox, isthmus.Bounded(100))
	owner, watcher, tx := qs[0], qs[1], qs[2]
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	told := make(chan error)
	go func() { told <- watcher.Until(ctx, func() bool { return false }) }()
	for i := range int64(20) {
		pass(t, tx, owner, 1) // then it is the watcher's turn: place 1 at position 1, 65, …
		got := make(chan error)
		go func() {
			var m isthmus.Message
			got <- owner.Receive(ctx, Anyone, nil, true, &m)
		}()
		when(t, "both wait", func() bool { return tx.bells[bellMessage].Waiting(0) && tx.bells[bellMessage].Waiting(1) })
		sendOne(t, tx, i)
		if err := <-got; err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		pass(t, tx, owner, 62)
	}
	cancel()
	<-told
}

// offers tells whether somebody's offer is there.
func (q *Queue) offers() bool {
	for i := range q.slots {
		if s := q.slots[i].state.Load(); phaseOf(s) == offered && ownerOf(s) == q.me {
			return true
		}
	}
	return false
}

// A receiver whose offer was taken up may be served by another sender, and leave,
// before the gift is there. Then it is for whoever waits, and somebody must be told.
func TestGiftToOneWhoHasLeft(t *testing.T) {
	qs := trio(t, region.Mailbox, isthmus.Zero)
	tx, left, waits := qs[0], qs[1], qs[2]
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	receive := func(q *Queue) chan int64 {
		got := make(chan int64, 1)
		go func() {
			var m isthmus.Message
			if err := q.Receive(ctx, Anyone, nil, true, &m); err != nil {
				t.Error(err)
			}
			got <- m.Type
		}()
		when(t, "an offer", q.offers)
		return got
	}
	served := receive(left)
	o, err := tx.outgoing(&isthmus.Message{Type: 2}, flagGift)
	if err != nil {
		t.Fatal(err)
	}
	sl, _, err := tx.reserve(writing, true)
	if err != nil {
		t.Fatal(err)
	}
	to, ok := tx.accept()
	if !ok || to != left.me {
		t.Fatalf("participant %d's offer was taken up: %v", to, ok)
	}
	if err := tx.Send(ctx, &isthmus.Message{Type: 1}); err != nil {
		t.Fatal(err)
	}
	if typ := <-served; typ != 1 {
		t.Fatalf("received %d", typ)
	}
	got := receive(waits)
	if err := tx.gift(sl, &o, to); err != nil {
		t.Fatal(err)
	}
	if typ := <-got; typ != 2 {
		t.Errorf("received %d\n%s", typ, tx.dump())
	}
}

// A process that has ended and was not waited for can still be watched, and its
// end is told at once. As long as its place cannot be repaired, since who is at
// it was stopped, that must not be asked for over and over.
func TestEndIsToldOnce(t *testing.T) {
	qs := trio(t, region.Mailbox, isthmus.Bounded(1))
	q, stopped := qs[0], qs[1]
	dead := exec.Command("/proc/self/exe", "-test.run=^$")
	if err := dead.Start(); err != nil {
		t.Fatal(err)
	}
	defer dead.Wait()
	if ok, err := stopped.r.Take(3); !ok || err != nil {
		t.Fatal(ok, err)
	}
	defer stopped.r.Give(3)
	p := &q.parts[3]
	p.pid.Store(uint32(dead.Process.Pid))
	p.ns.Store(q.self.ns.Load())
	p.live.Store(1)
	defer p.live.Store(0)
	q.peers.seen.Store(0)
	q.peers.sync(q)
	when(t, "it looks for itself from now on", func() bool {
		q.peers.mu.Lock()
		defer q.peers.mu.Unlock()
		return q.peers.blind && q.peers.watches[dead.Process.Pid] == nil
	})
}
