package ring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
)

// endless makes an unbounded queue of four segments, with n handles on it.
func endless(t *testing.T, n int) []*Queue {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "isthmus-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cfg := Config{Kind: region.Mailbox, Capacity: isthmus.Unbounded, MaxMessage: 64, Memory: 64 << 10, Participants: 4}
	q, err := Create(dir, "x", cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	all := []*Queue{q}
	for len(all) < n {
		q, err := Open(dir, "x", region.Mailbox, Options{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, q)
	}
	t.Cleanup(func() {
		for _, q := range all {
			_ = q.Close()
		}
	})
	if len(q.segs) != 4 {
		t.Fatalf("%d segments", len(q.segs))
	}
	return all
}

// pass sends n messages and receives each at once.
func pass(t *testing.T, tx, rx *Queue, n uint64) {
	t.Helper()
	for i := range n {
		sendOne(t, tx, int64(i))
		receiveThe(t, rx, int64(i))
	}
}

func sendOne(t *testing.T, q *Queue, typ int64) {
	t.Helper()
	if err := q.TrySend(&isthmus.Message{Type: typ}); err != nil {
		t.Fatalf("message %d: %v\n%v", typ, err, q.segments())
	}
}

func receiveThe(t *testing.T, q *Queue, typ int64) (m isthmus.Message) {
	t.Helper()
	if err := q.TryReceive(Anyone, nil, true, &m); err != nil || m.Type != typ {
		t.Fatalf("received %d, want %d: %v\n%v", m.Type, typ, err, q.segments())
	}
	return m
}

// segments are the states and numbers of the segments, for reports.
func (q *Queue) segments() (all [][2]uint64) {
	for i := range q.segs {
		s := q.segs[i].Load()
		all = append(all, [2]uint64{uint64(phaseOf(s)), posOf(s)})
	}
	return all
}

// A message that was held while the tail came round to it again is the oldest
// one that there is when it comes back, and must be found although nobody has
// sent into the slots before its own yet.
func TestReturnedAfterALap(t *testing.T) {
	for _, end := range []string{"returned", "its holder closes"} {
		t.Run(end, func(t *testing.T) {
			qs := endless(t, 3)
			tx, rx, holder := qs[0], qs[1], qs[2]
			pass(t, tx, rx, 10)
			sendOne(t, tx, -1)
			c, err := holder.TryClaim(Anyone)
			if err != nil || c.Type != -1 {
				t.Fatalf("claimed %d: %v", c.Type, err)
			}
			pass(t, tx, rx, uint64(len(tx.slots))-11+3) // the next send would be at position 3 of the second lap
			if end == "returned" {
				err = c.Return()
			} else {
				err = holder.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			if m := receiveThe(t, rx, -1); m.Redelivered != 1 {
				t.Errorf("redelivered %d times", m.Redelivered)
			}
			pass(t, tx, rx, 3*uint64(len(tx.slots)))
		})
	}
}

// The same for a message whose sender takes a lap to write it.
func TestSentForALap(t *testing.T) {
	qs := endless(t, 3)
	tx, rx, slow := qs[0], qs[1], qs[2]
	pass(t, tx, rx, 10)
	sl, _, err := slow.reserve(writing, true)
	if err != nil {
		t.Fatal(err)
	}
	pass(t, tx, rx, uint64(len(tx.slots))-11+3)
	o, err := slow.outgoing(&isthmus.Message{Type: -1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := slow.commit(sl, &o); err != nil {
		t.Fatal(err)
	}
	receiveThe(t, rx, -1)
	pass(t, tx, rx, 3*uint64(len(tx.slots)))
}

// A slot that a stopped sender is writing keeps the head where it is. Receivers
// look past it, and must not put memory behind all that lies between: the queue
// would be full of nothing.
func TestStoppedSenderCostsASegment(t *testing.T) {
	qs := endless(t, 3)
	tx, rx, slow := qs[0], qs[1], qs[2]
	sl, _, err := slow.reserve(writing, true)
	if err != nil {
		t.Fatal(err)
	}
	pass(t, tx, rx, uint64(len(tx.slots))-1)
	segment := int64(tx.shape.segment * slotSize)
	if n := tx.r.Blocks() - int64(tx.shape.slotsAt); n > 2*segment {
		t.Errorf("%d bytes lie behind slots, the slow sender's and the last message's segments have %d", n, 2*segment)
	}
	pass(t, tx, rx, 3*uint64(len(tx.slots)))
	if err := slow.release(sl, writing); err != nil {
		t.Fatal(err)
	}
	pass(t, tx, rx, 3*uint64(len(tx.slots)))
}

// Who is stopped while it installs a segment may be one of several, and the
// others may fill and drain it meanwhile. When it goes on it must not make slots
// Free that have been Free before. So the memory stays until it is done.
func TestNobodyPunchesBelowAnInstaller(t *testing.T) {
	qs := endless(t, 3)
	tx, rx, slow := qs[0], qs[1], qs[2]
	slow.parts[slow.me].growing.Store(1) // it has announced that it installs segment 0
	pass(t, tx, rx, tx.shape.segment)
	if got, want := tx.segs[0].Load(), word(1, 0, segReady); got != want {
		t.Fatalf("the segment that somebody installs, and others have drained, is %#x, want %#x", got, want)
	}
	if err := slow.installNow(0); err != nil {
		t.Fatal(err)
	}
	for i := range tx.shape.segment {
		if s := tx.slots[i].state.Load(); s != word(i+uint64(len(tx.slots)), 0, free) {
			t.Fatalf("slot %d is %#x after the slow installer was there", i, s)
		}
	}
	if err := slow.installHere(0); err != nil { // with the end that the call has
		t.Fatal(err)
	}
	if got, want := tx.segs[0].Load(), word(1, 0, segHole); got != want {
		t.Fatalf("when the installer is done the drained segment is %#x, want %#x", got, want)
	}
}

// The memory of a place is given back for the second time when the next segment
// is drained. Somebody may have begun to install there by then.
func TestNobodyPunchesAgainBelowAnInstaller(t *testing.T) {
	qs := endless(t, 3)
	tx, rx, slow := qs[0], qs[1], qs[2]
	k, n := tx.shape.segment, uint64(len(tx.slots))
	pass(t, tx, rx, k)
	slow.parts[slow.me].growing.Store(1)
	tx.slots[7].state.Store(word(n+7, 0, free)) // as if it had come to slot 7
	pass(t, tx, rx, k)
	if s := tx.slots[7].state.Load(); s != word(n+7, 0, free) {
		t.Fatalf("slot 7, which somebody has just made Free, is %#x", s)
	}
	if got, want := tx.segs[0].Load(), word(1, 0, segHole); got != want {
		t.Fatalf("the place where somebody installs is %#x, want %#x", got, want)
	}
	slow.parts[slow.me].growing.Store(0)
	pass(t, tx, rx, 3*n)
}

// An announcement of the dead must not keep memory for ever.
func TestRepairEndsAnAnnouncement(t *testing.T) {
	qs := endless(t, 3)
	tx, rx, slow := qs[0], qs[1], qs[2]
	slow.parts[slow.me].growing.Store(1)
	pass(t, tx, rx, tx.shape.segment)
	if err := slow.Close(); err != nil { // which repairs itself
		t.Fatal(err)
	}
	if got, want := tx.segs[0].Load(), word(1, 0, segHole); got != want {
		t.Fatalf("the drained segment is %#x, want %#x", got, want)
	}
}

// Four segments come round all the time, and handles lose their CPU wherever they
// are. Each message must be received once, and each sender's in order where
// nobody returns them.
func TestStormThroughFourSegments(t *testing.T) {
	for _, returns := range []bool{false, true} {
		t.Run(fmt.Sprintf("returns %t", returns), func(t *testing.T) { stormSegments(t, returns) })
	}
}

func stormSegments(t *testing.T, returns bool) {
	const senders, receivers, each = 3, 3, 30_000
	qs := endless(t, 4)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var left atomic.Int64
	left.Store(senders * each)
	got := make([]atomic.Int32, senders*each)
	errs := make(chan error, senders+receivers)
	for i := range senders {
		go func() {
			q := qs[i%2]
			for k := range each {
				if err := q.Send(ctx, &isthmus.Message{Type: int64(i*each + k)}); err != nil {
					errs <- fmt.Errorf("send: %w", err)
					return
				}
			}
			errs <- nil
		}()
	}
	for i := range receivers {
		go func() { errs <- drainSegments(ctx, cancel, qs[2+i%2], returns && i == 0, each, got, &left) }()
	}
	for range senders + receivers {
		if err := <-errs; err != nil {
			t.Errorf("%v; %d messages left", err, left.Load())
			cancel()
		}
	}
	for id := range got {
		if n := got[id].Load(); n != 1 && !t.Failed() {
			t.Errorf("message %d was received %d times", id, n)
		}
	}
}

// drainSegments receives until all messages are there; then it ends the others.
func drainSegments(ctx context.Context, end func(), q *Queue, returns bool, each int, got []atomic.Int32, left *atomic.Int64) error {
	newest := map[int]int64{}
	for n := 0; ; n++ {
		var m isthmus.Message
		var err error
		if n%8 == 0 || returns {
			var c Claim
			if c, err = q.Claim(ctx, Anyone); err == nil {
				m = c.Message
				if returns && n%3 == 0 {
					err = c.Return()
					if err == nil {
						continue
					}
				} else {
					err = c.Ack()
				}
			}
		} else {
			err = q.Receive(ctx, Anyone, nil, true, &m)
		}
		if left.Load() == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		from := int(m.Type) / each
		if last, ok := newest[from]; ok && m.Type <= last && m.Redelivered == 0 {
			return fmt.Errorf("message %d of sender %d came after %d", m.Type, from, last)
		}
		if m.Redelivered == 0 {
			newest[from] = m.Type
		}
		got[m.Type].Add(1)
		if left.Add(-1) == 0 {
			end()
			return nil
		}
	}
}

// However low the limit is, one message has room.
func TestLowestLimit(t *testing.T) {
	for _, c := range []Config{
		{Memory: 100, MaxMessage: 100},
		{Memory: 1, MaxMessage: 64},
		{Memory: 64 << 10},
		{Memory: 512 << 10, MaxMessage: 8192},
		{Memory: 1 << 20, MaxMessage: 1 << 20},
		{Memory: 2 << 20, MaxMessage: 2 << 20},
		{Memory: 5 << 20, MaxMessage: 5 << 20},
	} {
		c.Kind, c.Capacity, c.Participants = region.Mailbox, isthmus.Unbounded, 2
		if c.MaxMessage == 0 {
			c.Memory, c.MaxMessage = max(c.Memory, DefaultMaxMessage), DefaultMaxMessage
		}
		dir, err := os.MkdirTemp("/dev/shm", "isthmus-test-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		q, err := Create(dir, "x", c, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for round := range int64(3) { // a small one, and then the largest
			for _, size := range []int{min(c.MaxMessage, 100), c.MaxMessage} {
				if err := q.TrySend(&isthmus.Message{Data: make([]byte, size), Type: round}); err != nil {
					t.Errorf("limit %d, a message of %d bytes, round %d: %v", c.Memory, size, round, err)
					continue
				}
				if m := receiveThe(t, q, round); len(m.Data) != size {
					t.Errorf("%d bytes came, want %d", len(m.Data), size)
				}
			}
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Close must not give the place up while a receiver of the same handle has a
// message in its hands: the claim would go to whoever takes the place.
func TestCloseWaitsForReceivers(t *testing.T) {
	for range 200 {
		dir := t.TempDir()
		q, err := Create(dir, "x", Config{Kind: region.Mailbox, Capacity: isthmus.Bounded(8), MaxMessage: 1 << 16}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(dir, "x", region.Mailbox, Options{})
		if err != nil {
			t.Fatal(err)
		}
		m := isthmus.Message{Data: make([]byte, 1<<16)}
		for range 8 {
			if err := q.TrySend(&m); err != nil {
				t.Fatal(err)
			}
		}
		began, ended := make(chan int), make(chan error)
		go func() {
			close(began)
			for {
				var m isthmus.Message
				if err := r.TryReceive(Anyone, nil, true, &m); err != nil && err != isthmus.ErrEmpty {
					ended <- err
					return
				}
			}
		}()
		<-began
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, isthmus.ErrClosed) {
			t.Fatalf("a receiver of a handle that was closed got: %v", err)
		}
		_ = q.Close()
	}
}
