//go:build linux

package history

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/ring"
	"github.com/isthmus-ipc/isthmus/internal/sys"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

const (
	players      = 5
	inboxSenders = players - 1
	bound        = 10 * time.Second // for what should happen at once, on a machine that is shared
)

// world is a queue with the processes that play on it. It outlives many rounds.
type world struct {
	t     testing.TB
	shape shape
	dir   string
	rng   *rand.Rand
	seats []*seat
	box   *mailbox.Mailbox // the test's own handle, which drains a mailbox
	look  *ring.Queue      // and the one that sees and repairs
	kills int
}

// seat is a player, as the test sees it.
type seat struct {
	*proctest.Proc
	number int
	log    *journal
	died   int64 // when it was killed, at the earliest; 0: it lives
}

// tempDir is a directory for queues, in shared memory as in production.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "isthmus-history-")
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

// newWorld is a queue with all its players.
func newWorld(t testing.TB, s shape, seed uint64) *world {
	t.Helper()
	return seatWorld(t, s, seed, players)
}

func seatWorld(t testing.TB, s shape, seed uint64, n int) *world {
	t.Helper()
	dir := tempDir(t)
	err := os.Mkdir(filepath.Join(dir, "journals"), 0o700)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, shape: s, dir: dir, rng: rand.New(rand.NewPCG(seed, 0))}
	kind, name := region.Mailbox, boxName
	if s.inbox {
		kind, name = region.Inbox, ownerName
		w.sit(0)
	} else if w.box, err = mailbox.Create(boxName, s.mailbox(dir)); err != nil {
		t.Fatal(err)
	}
	if w.look, err = ring.Open(dir, name, kind, ring.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.leave)
	for len(w.seats) < n {
		w.sit(len(w.seats))
	}
	return w
}

// sit starts a player and waits until it is ready. Whoever follows another in
// a seat has its number and as many more as there are players.
func (w *world) sit(number int) {
	w.t.Helper()
	log, err := openJournal(journalPath(w.dir, number))
	if err != nil {
		w.t.Fatal(err)
	}
	s := &seat{number: number, log: log}
	s.Proc = proctest.Start(w.t, proctest.Options{}, "player", w.dir, w.shape.name, fmt.Sprint(number))
	s.Expect("ready")
	if i := number % players; i < len(w.seats) {
		w.seats[i] = s
	} else {
		w.seats = append(w.seats, s)
	}
}

// leave ends what is still there.
func (w *world) leave() {
	for _, s := range w.seats {
		if s.died == 0 {
			_ = s.log.close()
		}
	}
	_ = w.look.Close()
	if w.box != nil {
		_ = w.box.Close()
	}
}

// end tells the players to leave, who must do so in peace.
func (w *world) end() {
	w.t.Helper()
	for _, s := range w.seats {
		_ = s.In.Close()
	}
	for _, s := range w.seats {
		s.Wait()
	}
}

// troubles say what happens to the players of a round.
type troubles struct {
	stops bool // they are stopped for moments
	kills int  // so many are killed
}

// round lets the players play, and returns what they did. The queue is empty
// before and after.
func (w *world) round(tr troubles) *history {
	w.t.Helper()
	for _, s := range w.seats {
		s.log.clear()
	}
	start := sys.Clock() + int64(250*time.Microsecond)
	for _, s := range w.seats {
		s.Say(fmt.Sprintf("play %d %d %d", w.rng.Uint64(), start, w.shape.calls))
	}
	over := make(chan struct{})
	var stopper sync.WaitGroup
	if tr.stops {
		seats, seed := slices.Clone(w.seats), w.rng.Uint64()
		stopper.Go(func() { stopSome(seats, seed, over) })
	}
	w.kill(start, tr.kills)
	for _, s := range w.seats {
		if s.died == 0 {
			s.await(w)
		}
	}
	close(over)
	stopper.Wait()
	return w.collect()
}

// stopSome stops players, one at a time, wherever they are, and continues them.
func stopSome(seats []*seat, seed uint64, over chan struct{}) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for {
		select {
		case <-over:
			return
		default:
		}
		s := seats[rng.IntN(len(seats))]
		s.Signal(syscall.SIGSTOP)
		// It is the random moment that is tested, and how long it lasts.
		time.Sleep(time.Duration(rng.IntN(150)) * time.Microsecond)
		s.Signal(syscall.SIGCONT)
		time.Sleep(time.Duration(rng.IntN(50)) * time.Microsecond)
	}
}

// kill kills n players while they play; never the owner of an inbox, with whom
// all that is in it goes.
func (w *world) kill(start int64, n int) {
	for range n {
		i := w.rng.IntN(len(w.seats))
		s := w.seats[i]
		if s.died != 0 || w.shape.inbox && i == 0 {
			continue
		}
		at := time.Duration(start-sys.Clock()) + time.Duration(w.rng.IntN(1200))*time.Microsecond
		time.Sleep(at) // it is the random moment that is tested
		s.died = sys.Clock()
		s.Kill()
		w.kills++
	}
}

// await waits until the player has done what it was told.
func (s *seat) await(w *world) {
	w.t.Helper()
	hang := time.AfterFunc(bound, func() {
		w.t.Errorf("player %d hangs; its journal ends with %+v", s.number, s.log.last())
		s.Signal(syscall.SIGKILL)
	})
	s.Expect("done")
	hang.Stop()
}

func (j *journal) last() record {
	all := j.read()
	if len(all) == 0 {
		return record{}
	}
	return all[len(all)-1]
}

// collect receives what is left, and puts together what everybody did. For
// those who were killed others take their seats.
func (w *world) collect() *history {
	w.t.Helper()
	own := &journal{all: make([]record, journalRecords)}
	h := &history{shape: w.shape}
	w.repaired()
	for i, s := range w.seats {
		if s.died == 0 && (w.shape.zero() || w.shape.inbox) && (i == 0 || !w.shape.inbox) {
			s.Say("drain")
			s.await(w)
		}
	}
	if !w.shape.inbox {
		w.drain(own)
	}
	for _, s := range w.seats {
		for _, r := range s.log.read() {
			h.calls = append(h.calls, &call{record: r, by: s.number, died: s.died})
		}
	}
	for _, r := range own.read() {
		h.calls = append(h.calls, &call{record: r, by: -1})
	}
	for _, s := range w.seats {
		if s.died == 0 {
			continue
		}
		if err := s.log.close(); err != nil {
			w.t.Fatal(err)
		}
		w.sit(s.number + players)
	}
	return h
}

// repaired waits until nothing is left of the dead. It counts the participants
// and does not ask who is alive: one who is just being repaired seems to be.
func (w *world) repaired() {
	w.t.Helper()
	want := 1 // w.look
	if w.box != nil {
		want++
	}
	for _, s := range w.seats {
		if s.died == 0 {
			want++
		}
	}
	proctest.Eventually(w.t, bound, "the dead are repaired", func() bool {
		if err := w.look.Sweep(); err != nil {
			w.t.Fatal(err)
		}
		st, err := w.look.Stat()
		if err != nil {
			w.t.Fatal(err)
		}
		return len(st.Participants) == want && st.Writing == 0 && (w.shape.inbox || len(st.Claims) == 0)
	})
}

func (w *world) drain(own *journal) {
	w.t.Helper()
	for own.left() > 0 {
		r := own.begin(tryReceive, 0, 0)
		m, err := w.box.TryReceive()
		o, err := told(err)
		if err != nil {
			w.t.Fatal(err)
		}
		r.end(o, uint64(m.Type), uint64(m.Redelivered))
		if o == empty {
			break
		}
		if _, err := w.shape.identify(&m); err != nil {
			w.t.Error(err)
		}
	}
	if st, err := w.look.Stat(); err != nil || st.Depth != 0 {
		w.t.Errorf("%d messages are there when nobody has any, and nobody gets them (%v)", st.Depth, err)
	}
}
