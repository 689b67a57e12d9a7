//go:build linux

package crashtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/ring"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

const (
	boxName      = "box"
	participants = 12

	small  = 40   // bytes: lies in a slot
	medium = 3000 // lies in three units of the arena; a receiver copies it before it takes it
	large  = 5000 // lies in five; a receiver claims it first
	units  = 31   // of 1 KiB; so many that four large messages fit wherever the first begins
)

// shape is a capacity to test.
type shape struct {
	name     string
	capacity isthmus.Capacity
	memory   int64
	slots    int // messages that can be in it at a time, those of waiting senders included; 0: see limits
}

var shapes = []shape{
	{"zero", isthmus.Zero, units << 10, 128},
	{"bounded", isthmus.Bounded(4), units << 10, 4},
	{"unbounded", isthmus.Unbounded, 1280 << 10, 0},
}

func shapeNamed(name string) shape {
	for _, s := range shapes {
		if s.name == name {
			return s
		}
	}
	panic("no shape " + name)
}

func (s shape) config(dir string) *mailbox.Config {
	return &mailbox.Config{Capacity: s.capacity, MaxMessage: 8192, Memory: s.memory, Participants: participants, Dir: dir}
}

func (s shape) zero() bool      { return s.capacity == isthmus.Zero }
func (s shape) unbounded() bool { return s.capacity == isthmus.Unbounded }

// tempDir is a directory for objects, in shared memory as in production.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "isthmus-crashtest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// world is a mailbox with its survivors, which live in the test's process: a
// handle that sends, one that receives, and one that looks on.
type world struct {
	t      testing.TB
	shape  shape
	size   int
	dir    string
	tx, rx *mailbox.Mailbox
	stat   *ring.Queue
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu    sync.Mutex
	acked map[uint64]bool // sends that returned
	got   map[uint64]int  // received by survivors: how often redelivered
	end   error           // why listen ended
	next  uint64
	out   int // sends that have not returned
	held  *mailbox.Claim
	crowd []*mailbox.Mailbox
}

func newWorld(t testing.TB, s shape, size int) *world {
	w := &world{t: t, shape: s, size: size, dir: tempDir(t), acked: map[uint64]bool{}, got: map[uint64]int{}}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	t.Cleanup(func() {
		w.cancel()
		w.tasks.Wait()
	})
	return w
}

// open makes the survivors join, and creates the mailbox if there is none.
func (w *world) open() {
	w.t.Helper()
	var err error
	if w.tx, err = mailbox.Open(boxName, w.shape.config(w.dir)); err != nil {
		w.t.Fatal(err)
	}
	if w.rx, err = mailbox.Open(boxName, w.shape.config(w.dir)); err != nil {
		w.t.Fatal(err)
	}
	if w.stat, err = ring.Open(w.dir, boxName, region.Mailbox, ring.Options{}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) look() ring.Stat {
	w.t.Helper()
	st, err := w.stat.Stat()
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	end := time.Now().Add(bound)
	for !ok() {
		if time.Now().After(end) {
			w.t.Fatalf("not within %v: %s\n%s", bound, what, w.describe())
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func (w *world) describe() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := fmt.Sprintf("%d sends acknowledged, %d waiting; %d messages received; listener %v", len(w.acked), w.out, len(w.got), w.end)
	if len(w.got) < 20 {
		s += fmt.Sprintf("\nacknowledged %v, received %v", w.acked, w.got)
	}
	if w.stat != nil {
		st, err := w.stat.Stat()
		s += fmt.Sprintf("\n%+v %v", st, err)
	}
	return s
}

// sendAsync sends the next message, and notes when the send has returned.
func (w *world) sendAsync() uint64 {
	w.next++
	id := w.next
	w.mu.Lock()
	w.out++
	w.mu.Unlock()
	w.tasks.Go(func() {
		err := w.tx.Send(w.ctx, message(id, w.size))
		w.mu.Lock()
		defer w.mu.Unlock()
		w.out--
		if err == nil {
			w.acked[id] = true
		} else if w.ctx.Err() == nil && !errors.Is(err, isthmus.ErrRemoved) {
			w.t.Errorf("send %d: %v", id, err)
		}
	})
	return id
}

// preload puts k messages into the mailbox, in order; at capacity zero their
// senders wait.
func (w *world) preload(k int) {
	w.t.Helper()
	for range k {
		depth := w.look().Depth
		w.sendAsync()
		w.eventually("preload", func() bool { return w.look().Depth == depth+1 })
	}
}

// listen starts a receiver, which sleeps whenever there is nothing.
func (w *world) listen() {
	w.tasks.Go(func() {
		for {
			m, err := w.rx.Receive(w.ctx)
			if err != nil {
				w.mu.Lock()
				w.end = err
				w.mu.Unlock()
				return
			}
			w.note(&m)
		}
	})
}

func (w *world) note(m *isthmus.Message) {
	id, err := identify(m)
	if err != nil {
		w.t.Error(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, twice := w.got[id]; twice {
		w.t.Errorf("message %d was received twice (redelivered %d)", id, m.Redelivered)
	}
	w.got[id] = m.Redelivered
}

func (w *world) has(id uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.got[id]
	return ok
}

func (w *world) isAcked(id uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked[id]
}

// parked waits until the listener sleeps (at capacity zero: and offers).
func (w *world) parked() {
	w.t.Helper()
	w.eventually("the listener sleeps", func() bool {
		st := w.look()
		waits := 0
		for _, p := range st.Participants {
			if p.WaitsForMessage && p.PID == os.Getpid() {
				waits++
			}
		}
		return waits == 1 && st.Depth == 0 && (!w.shape.zero() || st.Offers > 0)
	})
}

// exchange passes messages between the survivors, one after the other, each
// within the bound.
func (w *world) exchange(k int) {
	w.t.Helper()
	for range k {
		id := w.sendAsync()
		w.eventually(fmt.Sprintf("survivors exchange message %d", id), func() bool { return w.has(id) && w.isAcked(id) })
	}
}

// victim starts a process in the victim's role that dies or stops at a point.
func (w *world) victim(script, at, signal string) *proctest.Proc {
	w.t.Helper()
	return proctest.Start(w.t, proctest.Options{
		Exe: crashable(w.t.(*testing.T)),
		Env: []string{"ISTHMUS_CRASH=" + at, "ISTHMUS_CRASH_SIGNAL=" + signal},
	}, "victim", w.dir, w.shape.name, fmt.Sprint(w.size), script)
}

// check demands all that must hold when the victim is gone, and removes the
// mailbox.
func (w *world) check() {
	w.t.Helper()
	w.stopListening()
	own := 3
	if m, err := w.rx.TryReceive(); !errors.Is(err, isthmus.ErrEmpty) { // who finds nothing looks for the dead
		w.t.Fatalf("a message is left: %v, %v", m.Type, err)
	}
	w.eventually("all slots are free and all participants alive", func() bool {
		st := w.look()
		return st.Depth == 0 && st.Writing == 0 && st.Offers == 0 && len(st.Claims) == 0 && len(st.Participants) == own
	})
	w.checkCapacity()
	w.checkPlaces(own)
	w.checkRemoval()
}

// stopListening ends the listener and all that the survivors send.
func (w *world) stopListening() {
	w.t.Helper()
	w.cancel()
	done := make(chan struct{})
	go func() {
		w.tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(bound):
		w.t.Fatalf("survivors' calls do not end with their context\n%s", w.describe())
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
}

// checkPlaces demands that all places but our own can be taken.
func (w *world) checkPlaces(own int) {
	w.t.Helper()
	n := 0
	for ; ; n++ {
		m, err := mailbox.Attach(boxName, w.shape.config(w.dir))
		if errors.Is(err, ring.ErrCrowded) {
			break
		}
		if err != nil {
			w.t.Fatal(err)
		}
		defer m.Close()
	}
	if n != participants-own {
		w.t.Fatalf("%d more participants can join, want %d", n, participants-own)
	}
}

// checkRemoval removes the mailbox and demands that nothing is left.
func (w *world) checkRemoval() {
	w.t.Helper()
	for _, m := range []*mailbox.Mailbox{w.tx, w.rx} {
		if err := m.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := w.stat.Close(); err != nil {
		w.t.Fatal(err)
	}
	if err := mailbox.Remove(boxName, w.shape.config(w.dir)); err != nil {
		w.t.Fatal(err)
	}
	w.holds(0)
}

// holds demands that the directory has n entries.
func (w *world) holds(n int) {
	w.t.Helper()
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(entries) != n {
		w.t.Fatalf("the directory holds %v, want %d entries", entries, n)
	}
}
