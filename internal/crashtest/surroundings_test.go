//go:build linux

package crashtest

import (
	"os"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// What is there before the victim comes.

// absent: no mailbox.
func (w *world) absent() {}

// listening: a survivor sleeps until there is a message.
func (w *world) listening() {
	w.t.Helper()
	w.open()
	w.listen()
	w.exchange(1)
	w.parked()
}

// loaded: two messages.
func (w *world) loaded() {
	w.t.Helper()
	w.open()
	w.preload(2)
}

// full: no room.
func (w *world) full() {
	w.t.Helper()
	w.open()
	w.preload(w.shape.slots)
}

// crowded: a sender waits, for room or, at capacity zero, for the receipt.
func (w *world) crowded() {
	w.t.Helper()
	if w.shape.zero() {
		w.open()
		w.preload(1)
	} else {
		w.full()
		w.sendAsync()
	}
	w.waited()
}

// waited waits until a survivor's sender sleeps.
func (w *world) waited() {
	w.t.Helper()
	w.eventually("a sender sleeps", func() bool {
		for _, p := range w.look().Participants {
			if (p.WaitsForRoom || p.WaitsForReceipt) && p.PID == os.Getpid() {
				return true
			}
		}
		return false
	})
}

// segmentSlots is how many slots of an unbounded mailbox get memory together.
const segmentSlots = 256

// lap is how many messages it takes until the same slot comes again.
func (w *world) lap() int {
	if w.shape.unbounded() {
		return 16384 // the power of two after memory / 128 bytes + one segment
	}
	return w.shape.slots
}

// overtaken: a survivor holds a claim on message 1, and all other slots have
// been used since, so that the next sender meets the claimed one.
func (w *world) overtaken() {
	w.t.Helper()
	w.open()
	w.sendAsync()
	c, err := w.rx.Claim(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	w.held = &c
	w.eventually("message 1 is claimed, and no other is there", func() bool { return w.look().Depth == 0 })
	for range w.lap() - 1 {
		if w.shape.zero() {
			w.preload(1) // so that the receiver never waits, and offers a slot
		} else {
			w.sendAsync()
		}
		w.receiveOne()
		if w.shape.unbounded() { // so many goroutines would distort the order
			w.eventually("the send returns", func() bool { return w.pending() == 0 })
		}
	}
}

func (w *world) receiveOne() {
	w.t.Helper()
	m, err := w.rx.Receive(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	w.note(&m)
}

// lastOfFirst, lastOfSecond: one message, the last that its segment has room for.
func (w *world) lastOfFirst()  { w.last(segmentSlots) }
func (w *world) lastOfSecond() { w.last(2 * segmentSlots) }

func (w *world) last(n int) {
	w.t.Helper()
	w.open()
	w.preload(n)
	for range n - 1 {
		w.receiveOne()
	}
}

// drained: no message, but the memory of many large ones is still there.
func (w *world) drained() {
	w.t.Helper()
	w.open()
	const n = 512/5 + 10 // more than a chunk of 512 units holds
	w.preload(n)
	for range n {
		w.receiveOne()
	}
}

// letGo ends the claim of overtaken.
func (w *world) letGo() {
	w.t.Helper()
	if w.held == nil {
		return
	}
	w.note(new(w.held.Message()))
	if err := w.held.Ack(); err != nil {
		w.t.Fatal(err)
	}
	w.held = nil
}

// one: a message, which a process that is to die will claim; but none at
// capacity zero, where the sender that waits would notice the death.
func (w *world) one() {
	w.t.Helper()
	w.open()
	if !w.shape.zero() {
		w.preload(1)
	}
}

// bury lets a process die with its hands full; nobody has noticed yet.
func (w *world) bury() {
	w.t.Helper()
	p := w.victim("corpse", "send.filled", "KILL")
	p.Expect("ready")
	p.Say("")
	p.WaitKilled()
}

// withCorpseAndCrowd: no place is left but a dead one's.
func (w *world) withCorpseAndCrowd() {
	w.t.Helper()
	w.one()
	w.gather()
	w.bury()
}

// gather leaves one place to take.
func (w *world) gather() {
	w.t.Helper()
	for range participants - 4 {
		m, err := mailbox.Attach(boxName, w.shape.config(w.dir))
		if err != nil {
			w.t.Fatal(err)
		}
		w.crowd = append(w.crowd, m)
	}
}

// disperse ends the crowd.
func (w *world) disperse() {
	w.t.Helper()
	for _, m := range w.crowd {
		if err := m.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	w.crowd = nil
}

// giveOnce demands, at capacity zero, that a waiting receiver can be given a
// message by a sender that does not wait.
func (w *world) giveOnce() {
	w.t.Helper()
	if !w.shape.zero() {
		return
	}
	w.next++
	id := w.next
	var err error
	end := time.Now().Add(bound)
	for err = isthmus.ErrFull; err != nil; err = w.tx.TrySend(message(id, w.size)) {
		if time.Now().After(end) {
			w.t.Fatalf("a receiver waits, but TrySend says: %v\n%s", err, w.describe())
		}
		time.Sleep(100 * time.Microsecond)
	}
	w.mu.Lock()
	w.acked[id] = true
	w.mu.Unlock()
	w.eventually("the gift arrives", func() bool { return w.has(id) })
}
