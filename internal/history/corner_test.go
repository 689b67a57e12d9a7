//go:build linux

package history

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/internal/sys"
	"github.com/isthmus-ipc/isthmus/mailbox"
	"github.com/isthmus-ipc/isthmus/process"
)

// The corners: short histories, made step by step, in which a queue that leaves
// nothing open would do something else. With -history.strictly and the name of
// what the rules leave open the test shows what that is about, by failing.

// script is a history that is being made.
type script struct {
	t testing.TB
	h *history
	n uint64
}

func newScript(t testing.TB, s shape) *script { return &script{t: t, h: &history{shape: s}} }

// did notes a call of a player that is over.
func (s *script) did(by int, from int64, r record, err error) outcome {
	s.t.Helper()
	o, err := told(err)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Call, r.Return, r.Outcome = from, sys.Clock(), o
	s.h.calls = append(s.h.calls, &call{record: r, by: by})
	return o
}

// tooLate notes a call whose context had ended.
func (s *script) tooLate(by int, from int64, r record, err error) *call {
	s.t.Helper()
	o := s.did(by, from, r, err)
	c := s.h.calls[len(s.h.calls)-1]
	if o == done {
		c.Outcome = late
	}
	return c
}

func (s *script) trySend(by int, m *mailbox.Mailbox) outcome {
	s.t.Helper()
	s.n++
	id, from := newID(by, s.n), sys.Clock()
	return s.did(by, from, record{Verb: trySend, ID: id}, m.TrySend(s.h.shape.message(id)))
}

func (s *script) tryReceive(by int, m *mailbox.Mailbox) outcome {
	s.t.Helper()
	from := sys.Clock()
	msg, err := m.TryReceive()
	return s.did(by, from, record{Verb: tryReceive, Got: uint64(msg.Type), Again: uint64(msg.Redelivered)}, err)
}

func (s *script) claim(by int, m *mailbox.Mailbox) mailbox.Claim {
	s.t.Helper()
	from := sys.Clock()
	c, err := m.TryClaim()
	s.did(by, from, record{Verb: tryClaim, Got: uint64(c.Message().Type), Again: uint64(c.Message().Redelivered)}, err)
	return c
}

func (s *script) giveBack(by int, c mailbox.Claim) {
	s.t.Helper()
	id, from := uint64(c.Message().Type), sys.Clock()
	s.did(by, from, record{Verb: giveBack, ID: id}, c.Return())
}

// drain receives all that is there.
func (s *script) drain(by int, m *mailbox.Mailbox) {
	s.t.Helper()
	for s.tryReceive(by, m) == done {
	}
}

// create is a mailbox of a shape, and a handle on it for each of n.
func create(t testing.TB, dir string, s shape, n int) (all []*mailbox.Mailbox) {
	t.Helper()
	for range n {
		m, err := mailbox.Open(boxName, s.mailbox(dir))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		all = append(all, m)
	}
	return all
}

// TestReturnedBehind: a claimed message is passed over by a sender who finds
// the queue full. So it comes back a lap later, behind those sent meanwhile.
func TestReturnedBehind(t *testing.T) {
	s := newScript(t, named("3"))
	m := create(t, tempDir(t), s.h.shape, 2)
	for range 3 {
		s.trySend(1, m[0])
	}
	c := s.claim(2, m[1])
	if o := s.trySend(1, m[0]); o != full {
		t.Fatalf("a fourth message of three: %v", o)
	}
	s.giveBack(2, c)
	s.drain(2, m[1])
	s.h.demand(t)
}

// TestInTheWay: a message that came back is a lap behind the tail, so that the
// queue is full though all the other places are free.
func TestInTheWay(t *testing.T) {
	s := newScript(t, named("8"))
	m := create(t, tempDir(t), s.h.shape, 2)
	s.trySend(1, m[0])
	c := s.claim(2, m[1])
	for range 7 {
		s.trySend(1, m[0])
		s.tryReceive(2, m[1])
	}
	s.giveBack(2, c)
	s.trySend(1, m[0])
	s.drain(2, m[1])
	s.h.demand(t)
}

// TestStranded: at capacity zero a receiver waits, and has offered a place to a
// TrySend. A Send comes first, and then, before the receiver looks, a TrySend.
// The receiver takes the first and returns.
func TestStranded(t *testing.T) {
	s := newScript(t, named("zero"))
	w := newQuietWorld(t, s.h.shape)
	waiting := w.seats[0]
	waiting.log.clear()
	waiting.Say("receive")
	proctest.Eventually(t, bound, "an offer", func() bool { st, err := w.look.Stat(); return err == nil && st.Offers == 1 })
	waiting.Signal(syscall.SIGSTOP)
	waiting.Stopped()
	m := create(t, w.dir, s.h.shape, 3)
	first := s.goSend(1, m[0])
	proctest.Eventually(t, bound, "the first message", func() bool { st, err := w.look.Stat(); return err == nil && st.Depth == 1 })
	s.trySend(2, m[1])
	waiting.Signal(syscall.SIGCONT)
	waiting.await(w)
	s.did(1, first.from, record{Verb: send, ID: first.id}, <-first.err)
	// The sender of the second message sends a third; another one receives both.
	third := s.goSend(2, m[1])
	for range 2 {
		proctest.Eventually(t, bound, "a message", func() bool { return s.tryReceive(3, m[2]) == done })
	}
	s.did(2, third.from, record{Verb: send, ID: third.id}, <-third.err)
	waiting.Say("drain")
	waiting.await(w)
	for _, r := range waiting.log.read() {
		s.h.calls = append(s.h.calls, &call{record: r, by: waiting.number})
	}
	w.end()
	s.h.demand(t)
}

// sending is a Send under way.
type sending struct {
	id   uint64
	from int64
	err  chan error
}

func (s *script) goSend(by int, m *mailbox.Mailbox) sending {
	s.n++
	g := sending{newID(by, s.n), sys.Clock(), make(chan error, 1)}
	go func() { g.err <- m.Send(context.Background(), s.h.shape.message(g.id)) }()
	return g
}

// TestPutAside: a process looks for a message of one sender, and puts another's
// aside, which is being delivered. The deliverer's time is over, and it is told
// nil, though nobody has received its message.
func TestPutAside(t *testing.T) {
	s := newScript(t, named("inbox-3"))
	cfg := s.h.shape.process(tempDir(t))
	owner, err := process.Join(ownerName, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	sender, err := process.Join(playerName(1), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	ctx, cancel := context.WithCancel(context.Background())
	id, from, result := newID(1, 1), sys.Clock(), make(chan error, 1)
	go func() { result <- sender.Deliver(ctx, ownerName, s.h.shape.message(id)) }()
	proctest.Eventually(t, bound, "the message", func() bool { st, err := owner.Stat(); return err == nil && st.Depth == 1 })
	looked := sys.Clock()
	_, err = owner.TryReceiveFrom(playerName(2))
	s.did(0, looked, record{Verb: tryReceive, From: 2}, err)
	cancel()
	s.tooLate(1, from, record{Verb: deliver, ID: id}, <-result)
	last := sys.Clock()
	m, err := owner.TryReceive()
	s.did(0, last, record{Verb: tryReceive, Got: uint64(m.Type)}, err)
	s.h.demand(t)
}

// TestForgotten: at capacity zero a message is claimed when its sender's time is
// over. So the sender is told nil, and leaves. Then the claim is given back.
func TestForgotten(t *testing.T) {
	s := newScript(t, named("zero-claims"))
	m := create(t, tempDir(t), s.h.shape, 2)
	ctx, cancel := context.WithCancel(context.Background())
	id, from, result := newID(1, 1), sys.Clock(), make(chan error, 1)
	go func() { result <- m[0].Send(ctx, s.h.shape.message(id)) }()
	proctest.Eventually(t, bound, "the message", func() bool { st, err := m[1].Stat(); return err == nil && st.Depth == 1 })
	c := s.claim(2, m[1])
	cancel()
	sent := s.tooLate(1, from, record{Verb: send, ID: id}, <-result)
	s.giveBack(2, c)
	sent.died = sys.Clock()
	if err := m[0].Close(); err != nil {
		t.Fatal(err)
	}
	s.drain(2, m[1])
	s.h.demand(t)
}

// TestMissed: a receiver that was looking while a message came back may take
// one that was sent later. It is stopped at random moments, so this may or may
// not happen here.
func TestMissed(t *testing.T) {
	shape := named("8")
	w := newQuietWorld(t, shape)
	m := create(t, w.dir, shape, 1)[0]
	looker := w.seats[0]
	missed := 0
	for i := range histories() {
		s := newScript(t, shape)
		s.n = uint64(i * 8)
		s.trySend(1, m)
		c := s.claim(1, m)
		looker.log.clear()
		looker.Say("two")
		time.Sleep(time.Duration(w.rng.IntN(200)) * time.Microsecond) // it is the random moment that is tested
		looker.Signal(syscall.SIGSTOP)
		looker.Stopped()
		s.giveBack(1, c)
		s.trySend(1, m)
		looker.Signal(syscall.SIGCONT)
		looker.await(w)
		for _, r := range looker.log.read() {
			s.h.calls = append(s.h.calls, &call{record: r, by: looker.number})
		}
		s.h.demand(t)
		if ok, err := s.h.check(strict); err == nil && !ok {
			missed++
		}
	}
	w.end()
	t.Logf("%d of %d times", missed, histories())
}

// newQuietWorld is a world with one player, who does what it is told.
func newQuietWorld(t testing.TB, s shape) *world {
	t.Helper()
	return seatWorld(t, s, 1, 1)
}
