//go:build linux

package history

import (
	"os"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// What a process does is told by its journal: a file that it shares with the
// test, with a record for each call. It writes what it is about to do, and then
// the time; it does it; it writes how that ended, and then the time. Both times
// are stored atomically, and last. So a process that was killed leaves a record
// without a first time (the call was not made), or without a second one (it was
// made, and whatever it did or did not do nobody was told).
type record struct {
	Verb    verb
	ID      uint64  // the message that is sent, acknowledged or returned
	From    uint64  // whose messages are wanted; 0: anyone's
	Outcome outcome // while Return is 0: not known
	Got     uint64  // the message that was received
	Again   uint64  // its Redelivered
	Call    int64   // when the call was made, by sys.Clock
	Return  int64   // and when it returned
}

type verb uint64

const (
	send verb = 1 + iota
	trySend
	deliver
	receive
	tryReceive
	claim
	tryClaim
	ack
	giveBack
)

var verbNames = [...]string{"?", "Send", "TrySend", "Deliver", "Receive", "TryReceive", "Claim", "TryClaim", "Ack", "Return"}

func (v verb) String() string { return verbNames[v] }

func (v verb) sends() bool    { return v >= send && v <= deliver }
func (v verb) receives() bool { return v >= receive && v <= tryClaim }
func (v verb) claims() bool   { return v == claim || v == tryClaim }

type outcome uint64

const (
	pending outcome = iota
	done
	full    // ErrFull
	empty   // ErrEmpty
	expired // the context ended
	late    // the sender's wait for the receipt was over because the context had ended, and it succeeded
)

var outcomeNames = [...]string{"…", "ok", "full", "empty", "expired", "ok, late"}

func (o outcome) String() string { return outcomeNames[o] }

const (
	journalRecords = 256 // a round's
	journalSize    = journalRecords * int(unsafe.Sizeof(record{}))
)

type journal struct {
	mem  []byte
	all  []record
	next int
}

// openJournal maps a journal, which is made if there is none.
func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(int64(journalSize)); err != nil {
		return nil, err
	}
	mem, err := sys.Map(f, journalSize)
	if err != nil {
		return nil, err
	}
	return &journal{mem: mem, all: unsafe.Slice((*record)(unsafe.Pointer(&mem[0])), journalRecords)}, nil
}

func (j *journal) close() error { return sys.Unmap(j.mem) }

// clear begins a new round.
func (j *journal) clear() {
	clear(j.all)
	j.next = 0
}

func (j *journal) left() int { return len(j.all) - j.next }

// begin notes that a call is about to be made.
func (j *journal) begin(v verb, id, from uint64) *record {
	r := &j.all[j.next]
	j.next++
	r.Verb, r.ID, r.From = v, id, from
	atomic.StoreInt64(&r.Call, sys.Clock())
	return r
}

// end notes how it ended.
func (r *record) end(o outcome, got, again uint64) {
	now := sys.Clock()
	r.Outcome, r.Got, r.Again = o, got, again
	atomic.StoreInt64(&r.Return, now)
}

// read is the journal's calls, when nobody writes to it any more.
func (j *journal) read() (all []record) {
	for i := range j.all {
		r := j.all[i]
		if atomic.LoadInt64(&j.all[i].Call) == 0 {
			break
		}
		if r.Return == 0 {
			r.Outcome, r.Got, r.Again = pending, 0, 0
		}
		all = append(all, r)
	}
	return all
}

func TestClockIsMonotonic(t *testing.T) {
	last := sys.Clock()
	for range 1000 {
		now := sys.Clock()
		if now < last {
			t.Fatalf("%d after %d", now, last)
		}
		last = now
	}
}
