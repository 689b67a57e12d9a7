package mailbox

import (
	"io/fs"
	"time"

	"github.com/isthmus-ipc/isthmus/internal/ring"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Stat is what a mailbox looks like at one moment, more or less: it goes on
// changing while it is looked at. The parts of it that participants write
// (numbers, names) are as true as the participants are.
type Stat struct {
	// Name is the mailbox's name, "" if it is anonymous.
	Name string `json:"name"`
	// UID and GID own the mailbox's file; Mode is its permission.
	UID  int         `json:"uid"`
	GID  int         `json:"gid"`
	Mode fs.FileMode `json:"mode"`
	// Created is when the mailbox was created.
	Created time.Time `json:"created"`
	// Removed says that the name is gone, and that every call ends with ErrRemoved.
	Removed bool `json:"removed,omitempty"`

	// Capacity is how many messages it holds.
	Capacity Capacity `json:"capacity"`
	// Depth is how many messages no receiver has yet; Bytes is the size of their data.
	Depth int   `json:"depth"`
	Bytes int64 `json:"bytes"`
	// Sending is how many messages are being written at this moment.
	Sending int `json:"sending"`
	// MaxMessage is the size of the largest message, in bytes.
	MaxMessage int `json:"max_message"`
	// Memory is the room for the data of larger messages, in bytes; Reserved is
	// what the whole mailbox takes of the machine's memory.
	Memory   int64 `json:"memory"`
	Reserved int64 `json:"reserved"`

	// Senders and Receivers are how many of the handles that are open now have
	// sent, and received. A handle may be both. Waiters is how many wait at this moment.
	Senders   int `json:"senders"`
	Receivers int `json:"receivers"`
	Waiters   int `json:"waiters"`
	// Sent and Received count messages since the mailbox was created; Deaths
	// the participants that died without leaving.
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
	Deaths   uint64 `json:"deaths"`

	// Claims are the messages in receivers' hands.
	Claims []ClaimStat `json:"claims"`
	// Participants are the handles, this one among them; at most
	// MaxParticipants fit.
	Participants    []ParticipantStat `json:"participants"`
	MaxParticipants int               `json:"max_participants"`
}

// ClaimStat is a message that a receiver has claimed and not acknowledged.
type ClaimStat struct {
	// Place is the receiver's ParticipantStat.Place, PID its process.
	Place int `json:"place"`
	PID   int `json:"pid"`
	// Size is the message's, in bytes.
	Size int `json:"size"`
	// Redelivered counts the receivers that had the message before.
	Redelivered int `json:"redelivered"`
}

// ParticipantStat is one handle on a mailbox.
type ParticipantStat struct {
	// Place tells the handles of a mailbox apart.
	Place int `json:"place"`
	// PID is the process, numbered in its own PID namespace.
	PID  int    `json:"pid"`
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
	Name string `json:"name,omitempty"`
	// Sender and Receiver say what the handle has done so far.
	Sender   bool `json:"sender"`
	Receiver bool `json:"receiver"`
	// Alive is what the kernel says, PID or no PID.
	Alive bool `json:"alive"`
	// Foreign says that PID belongs to another PID namespace than this process.
	Foreign bool `json:"foreign,omitempty"`
	// Joined is when the handle was opened.
	Joined time.Time `json:"joined"`
	// Sent and Received count its messages.
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
	// WaitsFor is "message", "room" or "receipt", and "" if it does not wait.
	WaitsFor string `json:"waits_for,omitempty"`
}

// Stat describes the mailbox.
func (m *Mailbox) Stat() (Stat, error) {
	rs, err := m.q.Stat()
	if err != nil {
		return Stat{}, wrap("stat", m.name, err)
	}
	st := Stat{
		Name: m.name, Created: rs.Created, Removed: rs.Removed,
		Capacity: rs.Capacity, Depth: rs.Depth, Bytes: rs.Bytes, Sending: rs.Writing,
		MaxMessage: rs.MaxMessage, Memory: rs.Memory, Reserved: rs.Reserved,
		Sent: rs.Sent, Received: rs.Received, Deaths: rs.Deaths, MaxParticipants: rs.MaxMembers,
		Claims: []ClaimStat{}, Participants: []ParticipantStat{},
	}
	for _, c := range rs.Claims {
		st.Claims = append(st.Claims, ClaimStat{Place: c.Holder, PID: c.PID, Size: c.Size, Redelivered: c.Redelivered})
	}
	for _, p := range rs.Participants {
		st.add(p)
	}
	f, err := sys.Fstat(m.q.Region().File())
	if err != nil {
		return Stat{}, wrap("stat", m.name, err)
	}
	st.UID, st.GID, st.Mode = f.UID, f.GID, fs.FileMode(f.Mode).Perm()
	return st, nil
}

func (st *Stat) add(p ring.ParticipantStat) {
	ps := ParticipantStat{
		Place: p.Place, PID: p.PID, UID: p.UID, GID: p.GID, Name: p.Name,
		Sender: p.Sender, Receiver: p.Receiver, Alive: p.Alive, Foreign: p.Foreign,
		Joined: p.Joined, Sent: p.Sent, Received: p.Received,
	}
	switch {
	case p.WaitsForMessage:
		ps.WaitsFor = "message"
	case p.WaitsForRoom:
		ps.WaitsFor = "room"
	case p.WaitsForReceipt:
		ps.WaitsFor = "receipt"
	}
	if ps.WaitsFor != "" {
		st.Waiters++
	}
	if ps.Sender {
		st.Senders++
	}
	if ps.Receiver {
		st.Receivers++
	}
	st.Participants = append(st.Participants, ps)
}
