package address

import (
	"time"

	"github.com/isthmus-ipc/isthmus/mailbox"
	"github.com/isthmus-ipc/isthmus/process"
)

// Info is what an endpoint looks like at one moment, as far as all mechanisms
// can tell. What one alone can tell is in the part that is named for it.
type Info struct {
	Address Address
	// UID owns the endpoint.
	UID int
	// Created is when it was created; a process's when it joined.
	Created time.Time
	// Capacity is zero, a number of messages, or unbounded.
	Capacity string
	// Depth is how many messages no receiver has yet; Bytes is the size of their data.
	Depth int
	Bytes int64
	// Claimed is how many messages are in receivers' hands.
	Claimed int
	// Senders and Receivers are how many handles have sent, and received, so
	// far. The receiver of an inbox is its process, while that lives.
	Senders   int
	Receivers int
	// Waiters is how many wait at this moment; at an inbox, how many senders do.
	Waiters int
	// Sent and Received count messages since Created.
	Sent     uint64
	Received uint64
	// Reserved is what it takes of the machine's memory, in bytes.
	Reserved int64

	// Mailbox is nil if it is none, and so is Process.
	Mailbox *mailbox.Stat
	Process *process.Stat
}

func statMailbox(a Address, o Options) (Info, error) {
	st, err := mailbox.Inspect(a.Name, o.mailbox())
	if err != nil {
		return Info{}, err
	}
	return Info{
		Address: a, UID: st.UID, Created: st.Created, Capacity: st.Capacity.String(),
		Depth: st.Depth, Bytes: st.Bytes, Claimed: len(st.Claims), Reserved: st.Reserved,
		Senders: st.Senders, Receivers: st.Receivers, Waiters: st.Waiters,
		Sent: st.Sent, Received: st.Received, Mailbox: &st,
	}, nil
}
