//go:build linux

package crashtest

import (
	"syscall"
	"testing"

	"github.com/isthmus-ipc/isthmus/mailbox"
)

// chunkLoans is how many loans of one unit a chunk of the arena has.
const chunkLoans = 512

// TestShrinkerRings: who gives a chunk's memory back has its units in hand for
// a moment. A sender that finds the limit reached in that moment sleeps, and
// must be told when it is over; nobody else has anything to tell it.
func TestShrinkerRings(t *testing.T) {
	w := newWorld(t, shapeNamed("unbounded"), large)
	w.open()
	var loans []mailbox.Loan
	for range chunkLoans + 1 { // the last one gives a second chunk memory
		l, err := w.tx.TryLoan(1 << 10)
		if err != nil {
			t.Fatal(err)
		}
		loans = append(loans, l)
	}
	if err := loans[chunkLoans].Cancel(); err != nil {
		t.Fatal(err)
	}
	p := w.victim("linger", "shrink.chunk", "STOP")
	p.Expect("ready")
	p.Say("")
	p.Stopped()
	w.sendAsync() // there is no memory for a third chunk
	w.waited()
	p.Signal(syscall.SIGCONT)
	w.eventually("the send returns, for which there is room", func() bool { return w.pending() == 0 })
	p.Say("")
	_, got := reported(lastWords(t, p))
	p.Wait()
	if !got[1] { // the victim looks once more when it has shrunk the arena
		w.receiveOne()
	}
	for i := range chunkLoans {
		if err := loans[i].Cancel(); err != nil {
			t.Fatal(err)
		}
	}
	w.check()
}

// TestChunkWithAStoppedOwner: a process that was stopped when it had given a
// chunk memory, and had not yet said so, holds up nobody but itself.
func TestChunkWithAStoppedOwner(t *testing.T) {
	w := newWorld(t, shapeNamed("unbounded"), large)
	w.open()
	p := w.victim("send", "grow.chunk", "STOP")
	p.Expect("ready")
	p.Say("")
	p.Stopped()
	before := w.look().Reserved
	if _, err := w.tx.TryLoan(1 << 10); err != nil {
		t.Fatal(err)
	}
	if after := w.look().Reserved; after != before {
		t.Fatalf("a loan of 1 KiB reserved %d bytes, though a chunk with memory is there", after-before)
	}
	w.listen()
	w.exchange(3)
	p.Signal(syscall.SIGCONT)
	lastWords(t, p)
	p.Wait()
	w.eventually("the victim's message comes", func() bool { return w.has(victimID) })
}
