//go:build linux

package history

import (
	"encoding/binary"
	"fmt"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
	"github.com/isthmus-ipc/isthmus/process"
)

const (
	boxName      = "box"
	ownerName    = "owner"
	participants = 16
)

// shape is a queue whose histories are checked.
type shape struct {
	name     string
	capacity isthmus.Capacity
	sizes    []int // of messages
	claims   bool  // receivers claim, too
	inbox    bool  // a process's inbox, and not a mailbox
	named    bool  // every receive names a source
	calls    int   // that a player makes in a round, or a few more
}

// inSlot is the size up to which a message lies in its slot, without the arena.
const inSlot = 72

var (
	inSlots = []int{8, 40, inSlot}
	allOver = []int{8, inSlot, 3000, 6000} // in the slot; copied, then taken; taken, then copied
)

var shapes = []shape{
	{name: "1", capacity: isthmus.Bounded(1), sizes: inSlots, claims: true, calls: 20},
	{name: "3", capacity: isthmus.Bounded(3), sizes: inSlots, claims: true, calls: 20},
	{name: "8", capacity: isthmus.Bounded(8), sizes: inSlots, claims: true, calls: 20},
	{name: "3-plain", capacity: isthmus.Bounded(3), sizes: inSlots, calls: 20},
	{name: "3-large", capacity: isthmus.Bounded(3), sizes: allOver, claims: true, calls: 20},
	{name: "unbounded", capacity: isthmus.Unbounded, sizes: inSlots, claims: true, calls: 20},
	{name: "unbounded-large", capacity: isthmus.Unbounded, sizes: allOver, claims: true, calls: 20},
	{name: "zero", capacity: isthmus.Zero, sizes: inSlots, calls: 20},
	{name: "zero-claims", capacity: isthmus.Zero, sizes: allOver, claims: true, calls: 20},
	{name: "inbox-3", capacity: isthmus.Bounded(3), sizes: inSlots, inbox: true, calls: 20},
	{name: "inbox-unbounded", capacity: isthmus.Unbounded, sizes: allOver, inbox: true, calls: 10},
	{name: "inbox-named", capacity: isthmus.Unbounded, sizes: inSlots, inbox: true, named: true, calls: 20},
	{name: "inbox-zero", capacity: isthmus.Zero, sizes: inSlots, inbox: true, calls: 20},
}

func shapeNamed(name string) shape {
	for _, s := range shapes {
		if s.name == name {
			return s
		}
	}
	panic("no shape " + name)
}

func (s shape) zero() bool { return s.capacity == isthmus.Zero }

// places is how many messages it holds, 0 if there is no bound.
func (s shape) places() int { return max(0, s.capacity.Messages()) }

// lifts tells whether a receiver that wants a copy of the message makes it
// before it takes it, and so never has it in its hands.
func (s shape) lifts(id uint64) bool { return !s.inbox && s.size(id) <= 4<<10 }

func (s shape) maxMessage() int { return s.sizes[len(s.sizes)-1] }

// memory is enough for an unbounded queue, and for all messages of a bounded one.
func (s shape) memory() int64 {
	if s.capacity == isthmus.Unbounded {
		return 16 << 20
	}
	return 0
}

func (s shape) mailbox(dir string) *mailbox.Config {
	return &mailbox.Config{Capacity: s.capacity, MaxMessage: s.maxMessage(), Memory: s.memory(), Participants: participants, Dir: dir}
}

func (s shape) process(dir string) *process.Config {
	return &process.Config{Capacity: s.capacity, MaxMessage: s.maxMessage(), Memory: s.memory(), Senders: participants, Dir: dir}
}

// A message's number says who sent it, and which of its messages it is. Its
// size and its bytes follow from the number.
func newID(sender int, n uint64) uint64 { return uint64(sender)<<32 | n }

func senderOf(id uint64) uint64 { return id >> 32 }

func (s shape) size(id uint64) int { return s.sizes[id*2654435761>>16%uint64(len(s.sizes))] }

func (s shape) message(id uint64) isthmus.Message {
	b := make([]byte, s.size(id))
	fill(b, id)
	return isthmus.Message{Type: int64(id), Data: b}
}

func fill(b []byte, id uint64) {
	binary.LittleEndian.PutUint64(b, id)
	for i := 8; i < len(b); i++ {
		b[i] = byte(uint64(i)*7 + id)
	}
}

// identify is the number of a message, which must be whole.
func (s shape) identify(m *isthmus.Message) (uint64, error) {
	want := s.message(uint64(m.Type))
	if string(m.Data) != string(want.Data) {
		return 0, fmt.Errorf("message %#x has %d bytes, %.20x…, want %d bytes, %.20x…", m.Type, len(m.Data), m.Data, len(want.Data), want.Data)
	}
	return uint64(m.Type), nil
}
