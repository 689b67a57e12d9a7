package ring

import (
	"fmt"
	"structs"
	"sync/atomic"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/wait"
)

// Sizes, in bytes. docs/LAYOUT.md draws them.
const (
	slotSize    = 128
	inlineBytes = 72 // a message up to this size lies in its slot
	controlAt   = 1024
	bellsAt     = 2048
	pageSize    = 4096

	// MaxParticipants is the most handles that one region can have.
	MaxParticipants = 512
	// MaxSlots is the most messages that a bounded region holds.
	MaxSlots = 1 << 24
	// MaxMessage is the largest message that a region can be made for.
	MaxMessage = 1 << 31
)

// slot holds one message, or refers to its payload. Only the state is ever
// waited on or changed by more than one process at a time; whoever moved the
// state to Writing or Claimed has the rest to itself.
type slot struct {
	_        structs.HostLayout
	state    atomic.Uint64
	id       uint64 // who sent it: see message ids
	size     uint32
	flags    uint16
	attempts uint16 // receivers that had it and died or returned it
	typ      int64
	priority uint32
	pid      uint32
	uid, gid uint32
	serial   uint32 // of the claim
	_        uint32
	inline   [inlineBytes]byte // or, if flagExternal, first unit and number of units
}

const (
	flagExternal = 1 << iota // the payload is in the arena
	flagDeliver              // the sender waits for the receipt
	flagGift                 // sent by a TrySend, at capacity zero, for which a receiver waited
)

// control is what all participants share beside the slots.
type control struct {
	_       structs.HostLayout
	members atomic.Uint32 // changes when somebody joins
	_       [124]byte
	tail    atomic.Uint64 // the position of the next send, or a little less
	_       [120]byte
	head    atomic.Uint64 // {epoch, position}: no message is before it
	_       [120]byte
	// totals of participants that have left
	sent, received, deaths atomic.Uint64
}

// participant describes a handle. Its token (package region) tells whether it
// is alive; whoever holds the token may write here.
type participant struct {
	_      structs.HostLayout
	live   atomic.Uint32
	gen    atomic.Uint32
	pid    atomic.Uint32
	uid    atomic.Uint32
	gid    atomic.Uint32
	roles  atomic.Uint32
	ns     atomic.Uint64 // its PID namespace
	joined atomic.Int64  // nanoseconds since 1970
	nlen   atomic.Uint32
	fd     atomic.Uint32 // 1 + the descriptor that holds its token
	name   [region.MaxName]byte
	_      [4]byte
	// 1 + the place at which it installs a segment (grow.go)
	growing atomic.Uint64
	_       [32]byte

	// Only the participant writes what follows (but see renewHeads).
	sent, received uint64 // messages
	tail           uint64 // the position after its last send
	head           uint64 // {epoch, position}: no message was before it
	_              [32]byte
}

const (
	roleSender = 1 << iota
	roleReceiver
)

// bells
const (
	bellMessage = iota // there is a message
	bellRoom           // there is room
	bellReceipt        // a message was received
	bells
)

type bellBits struct {
	bits  [8]atomic.Uint64 // MaxParticipants bits
	armed atomic.Uint64
	_     [56]byte
}

type mode uint64

const (
	modeZero mode = 1 + iota
	modeBounded
	modeUnbounded
)

// shape is a region's geometry. It is computed from eight numbers in the header,
// each checked, so a reader never believes an offset that it finds in memory.
type shape struct {
	mode         mode
	slots        uint64
	maxMessage   uint64
	participants uint64
	units        uint64
	unit         uint64 // bytes
	segment      uint64 // slots, of an unbounded queue
	limit        uint64 // bytes, of an unbounded queue

	participantsAt, cellsAt, segsAt, chunksAt, slotsAt, unitsAt, arenaAt, size uint64

	reserve uint64 // how much of it has memory from the beginning
}

func (s *shape) words() (w [14]uint64) {
	copy(w[:], []uint64{uint64(s.mode), s.slots, s.maxMessage, s.participants, s.units, s.unit, s.segment, s.limit})
	return w
}

func shapeOf(w [14]uint64) (*shape, error) {
	s := &shape{mode: mode(w[0]), slots: w[1], maxMessage: w[2], participants: w[3], units: w[4], unit: w[5], segment: w[6], limit: w[7]}
	return s, s.place()
}

func (s *shape) place() error {
	switch {
	case s.mode < modeZero || s.mode > modeUnbounded,
		s.slots == 0 || s.mode != modeUnbounded && (s.slots > MaxSlots || s.segment != 0),
		s.mode == modeUnbounded && !s.growable(),
		s.maxMessage > MaxMessage,
		s.participants == 0 || s.participants > MaxParticipants,
		s.units > 1<<31 || s.unit > 1<<32 || s.units != 0 && s.unit == 0,
		s.units*s.unit > 1<<44,
		s.maxMessage > inlineBytes && s.units*s.unit < s.maxMessage:
		return fmt.Errorf("%w: impossible geometry %d", isthmus.ErrCorrupt, s.words())
	}
	s.participantsAt = region.HeaderSize
	s.cellsAt = s.participantsAt + s.participants*256
	s.segsAt = s.cellsAt + s.participants*bells*64
	if s.mode == modeUnbounded {
		s.chunksAt = s.segsAt + s.slots/s.segment*8
		s.slotsAt = roundUp(s.chunksAt+s.units/chunkUnits*4, pageSize)
	} else {
		s.slotsAt = roundUp(s.segsAt, slotSize)
	}
	s.unitsAt = s.slotsAt + s.slots*slotSize
	s.arenaAt = s.unitsAt + s.units*8
	if s.units > 0 {
		s.arenaAt = roundUp(s.arenaAt, pageSize)
	}
	s.size = roundUp(s.arenaAt+s.units*s.unit, pageSize)
	s.reserve = s.size
	if s.mode == modeUnbounded {
		s.reserve = s.slotsAt
	}
	return nil
}

// growable checks what grow decides.
func (s *shape) growable() bool {
	pow2 := func(n uint64) bool { return n != 0 && n&(n-1) == 0 }
	return pow2(s.slots) && pow2(s.segment) && s.segment >= minSegment && s.segment <= s.slots && s.slots <= 1<<34 &&
		s.slots/s.segment <= 2*maxSegments && s.units%chunkUnits == 0 && (s.unit == 0 || s.unit%1024 == 0) && s.limit <= 1<<44
}

func roundUp(n, to uint64) uint64 { return (n + to - 1) / to * to }

// shared is the typed view of a region.
type shared struct {
	control *control
	parts   []participant
	slots   []slot
	segs    []atomic.Uint64
	chunks  []atomic.Uint32
	units   []atomic.Uint64
	arena   []byte
	bells   [bells]wait.Bell
}

func view(r *region.Region, s *shape) (*shared, error) {
	if s.size > uint64(r.Geometry().Size) {
		return nil, fmt.Errorf("%w: the region has %d bytes, its geometry needs %d", isthmus.ErrCorrupt, r.Geometry().Size, s.size)
	}
	var v shared
	var err error
	get := func(e error) {
		if err == nil {
			err = e
		}
	}
	c, e := region.View[control](r, controlAt, 1)
	get(e)
	v.parts, e = region.View[participant](r, s.participantsAt, s.participants)
	get(e)
	v.slots, e = region.View[slot](r, s.slotsAt, s.slots)
	get(e)
	if s.mode == modeUnbounded {
		v.segs, e = region.View[atomic.Uint64](r, s.segsAt, s.slots/s.segment)
		get(e)
		v.chunks, e = region.View[atomic.Uint32](r, s.chunksAt, s.units/chunkUnits)
		get(e)
	}
	v.units, e = region.View[atomic.Uint64](r, s.unitsAt, s.units)
	get(e)
	v.arena, e = region.View[byte](r, s.arenaAt, s.units*s.unit)
	get(e)
	cells, e := region.View[wait.Cell](r, s.cellsAt, s.participants*bells)
	get(e)
	bits, e := region.View[bellBits](r, bellsAt, bells)
	get(e)
	if err != nil {
		return nil, err
	}
	v.control = &c[0]
	p := int(s.participants)
	for i := range v.bells {
		v.bells[i].Init(bits[i].bits[:wait.BellWords(p)], cells[i*p:(i+1)*p], &bits[i].armed)
	}
	return &v, nil
}
