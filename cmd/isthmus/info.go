package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os/user"
	"strconv"
	"time"

	"github.com/isthmus-ipc/isthmus/address"
	"github.com/isthmus-ipc/isthmus/mailbox"
	"github.com/isthmus-ipc/isthmus/process"
)

// mailboxRecord is a mailbox as ls and stat show it with --json: what Stat
// says, and in words what the numbers in it mean.
type mailboxRecord struct {
	Kind     string `json:"kind"`
	Address  string `json:"address"`
	Owner    string `json:"owner"`
	Mode     string `json:"mode"`     // in octal
	Capacity string `json:"capacity"` // zero, a number, or unbounded
	mailbox.Stat
}

// processRecord is a process, likewise. What it has in common with a mailbox has
// the same key.
type processRecord struct {
	Kind         string           `json:"kind"`
	Address      string           `json:"address"`
	Owner        string           `json:"owner"`
	Mode         string           `json:"mode"`
	Name         string           `json:"name"`
	PID          int              `json:"pid"`
	UID          int              `json:"uid"`
	GID          int              `json:"gid"`
	Alive        bool             `json:"alive"`
	Created      time.Time        `json:"created"`
	Capacity     string           `json:"capacity"`
	MaxMessage   int              `json:"max_message"`
	Depth        int              `json:"depth"`
	Bytes        int64            `json:"bytes"`
	Reserved     int64            `json:"reserved"`
	Senders      int              `json:"senders"`
	Receivers    int              `json:"receivers"`
	Waiters      int              `json:"waiters"`
	Sent         uint64           `json:"sent"`
	Received     uint64           `json:"received"`
	Participants []process.Sender `json:"participants"`
}

func recordOf(i address.Info) any {
	if p := i.Process; p != nil {
		return processRecord{
			Kind: string(i.Address.Scheme), Address: i.Address.String(), Owner: userName(i.UID), Mode: modeText(i), Name: i.Address.Name,
			PID: p.Owner.PID, UID: p.Owner.UID, GID: p.Owner.GID, Alive: p.Alive, Created: i.Created,
			Capacity: i.Capacity, MaxMessage: p.MaxMessage, Depth: i.Depth, Bytes: i.Bytes, Reserved: i.Reserved,
			Senders: i.Senders, Receivers: i.Receivers, Waiters: i.Waiters, Sent: i.Sent, Received: i.Received,
			Participants: p.Senders,
		}
	}
	return mailboxRecord{
		Kind: string(i.Address.Scheme), Address: i.Address.String(), Owner: userName(i.UID),
		Mode: modeText(i), Capacity: i.Capacity, Stat: *i.Mailbox,
	}
}

// modeText is the permission of an endpoint's file, in octal.
func modeText(i address.Info) string {
	var mode fs.FileMode
	if i.Process != nil {
		mode = i.Process.Mode
	} else {
		mode = i.Mailbox.Mode
	}
	return fmt.Sprintf("%04o", mode.Perm())
}

// processText is the process that an endpoint belongs to.
func processText(i address.Info) string {
	switch p := i.Process; {
	case p == nil:
		return "-"
	case p.Alive:
		return strconv.Itoa(p.Owner.PID)
	default:
		return fmt.Sprintf("%d (dead)", p.Owner.PID)
	}
}

func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// bytesText is a number of bytes for a person to read.
func bytesText(n int64) string {
	const letters = "KMGTPE"
	if n < 1<<10 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, i := float64(n)/1024, 0
	for f >= 1024 && i < len(letters)-1 {
		f, i = f/1024, i+1
	}
	if f == float64(int64(f)) {
		return fmt.Sprintf("%d %ciB", int64(f), letters[i])
	}
	return fmt.Sprintf("%.1f %ciB", f, letters[i])
}
