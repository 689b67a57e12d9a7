package ring

import (
	"errors"
	"os"
	"sync/atomic"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Stat is what a queue looks like at one moment, more or less: it goes on
// changing while it is looked at.
type Stat struct {
	Capacity     isthmus.Capacity
	MaxMessage   int
	Memory       int64 // bytes for larger messages
	Depth        int   // messages that no receiver has
	Bytes        int64 // in them
	Writing      int   // messages being sent
	Offers       int   // receivers that wait at capacity zero
	Claims       []ClaimStat
	Participants []ParticipantStat
	MaxMembers   int

	Sent, Received uint64
	Deaths         uint64
	Reserved       int64 // bytes of memory behind the region
	Created        time.Time
	Removed        bool
}

// ClaimStat is a message in a receiver's hands.
type ClaimStat struct {
	Holder      int // its place among the participants
	PID         int
	Size        int
	Redelivered int
}

// ParticipantStat is one handle.
type ParticipantStat struct {
	Place            int
	PID, UID, GID    int
	Name             string
	Sender, Receiver bool
	Alive            bool
	Foreign          bool // of another PID namespace
	Joined           time.Time
	Sent, Received   uint64
	WaitsForMessage  bool
	WaitsForRoom     bool
	WaitsForReceipt  bool
}

// Stat describes the queue.
func (q *Queue) Stat() (st Stat, err error) {
	q.calls.Add(1)
	defer q.exit(region.Faults(), &err)
	if err := q.gone(); err == isthmus.ErrClosed {
		return st, err
	}
	return q.stat(), nil
}

func (q *Queue) stat() Stat {
	g := q.r.Geometry()
	st := Stat{
		Capacity: isthmus.Bounded(int(q.shape.slots)), MaxMessage: int(q.shape.maxMessage),
		Memory: int64(q.shape.units * q.shape.unit), MaxMembers: len(q.parts),
		Deaths: q.control.deaths.Load(), Sent: q.control.sent.Load(), Received: q.control.received.Load(),
		Reserved: q.r.Blocks(), Created: time.Unix(0, g.Created), Removed: q.r.Removed(),
	}
	switch q.shape.mode {
	case modeZero:
		st.Capacity = isthmus.Zero
	case modeUnbounded:
		st.Capacity, st.Memory = isthmus.Unbounded, int64(q.shape.limit)
	}
	q.statSlots(&st)
	q.statParticipants(&st)
	return st
}

func (q *Queue) statSlots(st *Stat) {
	for _, slots := range q.spans() {
		q.statSpan(st, slots)
	}
}

func (q *Queue) statSpan(st *Stat, slots []slot) {
	for i := range slots {
		sl := &slots[i]
		s := sl.state.Load()
		size := int(loadSize(sl))
		switch phaseOf(s) {
		case ready:
			st.Depth++
			st.Bytes += int64(size)
		case writing:
			st.Writing++
		case offered:
			st.Offers++
		case claimed:
			c := ClaimStat{Holder: ownerOf(s), Size: size, Redelivered: int(loadAttempts(sl))}
			if c.Holder < len(q.parts) {
				c.PID = int(q.parts[c.Holder].pid.Load())
			}
			st.Claims = append(st.Claims, c)
		}
	}
}

func (q *Queue) statParticipants(st *Stat) {
	own := q.self.ns.Load()
	for i := range q.parts {
		p := &q.parts[i]
		if p.live.Load() == 0 || i == q.me && q.opts.Inspect {
			continue
		}
		roles := p.roles.Load()
		n := min(p.nlen.Load(), region.MaxName)
		ps := ParticipantStat{
			Place: i, PID: int(p.pid.Load()), UID: int(p.uid.Load()), GID: int(p.gid.Load()), Name: string(p.name[:n]),
			Sender: roles&roleSender != 0, Receiver: roles&roleReceiver != 0,
			Alive: i == q.me || q.r.Held(i), Foreign: p.ns.Load() != own, Joined: time.Unix(0, p.joined.Load()),
			Sent: atomic.LoadUint64(&p.sent), Received: atomic.LoadUint64(&p.received),
			WaitsForMessage: q.bells[bellMessage].Waiting(i), WaitsForRoom: q.bells[bellRoom].Waiting(i),
			WaitsForReceipt: q.bells[bellReceipt].Waiting(i),
		}
		st.Sent += ps.Sent
		st.Received += ps.Received
		st.Participants = append(st.Participants, ps)
	}
}

// File is a descriptor of an anonymous queue, to hand to a child process. The
// caller closes it.
func (q *Queue) File() (*os.File, error) {
	if q.r.Name() != "" {
		return nil, errors.New("it has a name: open it by that")
	}
	return sys.Reopen(q.r.File())
}
