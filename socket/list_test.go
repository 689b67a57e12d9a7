//go:build linux

package socket_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/socket"
)

func TestList(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	p := proctest.Start(t, proctest.Options{}, "listen", socket.UnixPacket, path)
	p.Expect("listening")
	c, err := socket.Dial(background, socket.UnixPacket, path, nil)
	check(t, err)
	defer c.Close()
	check(t, c.Send(background, text("unread or read")))
	hidden := "@isthmus-" + filepath.Base(filepath.Dir(path))
	r, err := socket.OpenReceiver(background, socket.UnixGram, hidden, nil)
	check(t, err)
	defer r.Close()
	d, err := socket.Dial(background, socket.UnixGram, hidden, nil)
	check(t, err)
	defer d.Close()
	check(t, d.Send(background, text("waits")))

	table, err := socket.List()
	check(t, err)
	check(t, table.FindOwners())
	byInode := map[uint32]socket.Info{}
	var listener, gram *socket.Info
	for i, s := range table.Sockets {
		byInode[s.Inode] = s
		switch {
		case s.Name == path && s.State == socket.Listening:
			listener = &table.Sockets[i]
		case s.Name == hidden && s.Network == socket.UnixGram:
			gram = &table.Sockets[i]
		}
	}
	if listener == nil || gram == nil {
		t.Fatalf("of %d sockets none is %s or %s", len(table.Sockets), path, hidden)
	}
	if listener.Network != socket.UnixPacket || listener.UID != os.Geteuid() || listener.Queued != 1 {
		t.Errorf("the listener, at which one waits: %+v", *listener)
	}
	if len(listener.Owners) != 1 || listener.Owners[0].PID != p.PID() {
		t.Errorf("the listener's owners are %+v, want process %d", listener.Owners, p.PID())
	}
	if gram.Queued == 0 || len(gram.Owners) != 1 || gram.Owners[0].PID != os.Getpid() {
		t.Errorf("the datagram socket, at which one waits: %+v", *gram)
	}
	peers := 0
	for _, s := range table.Sockets {
		if s.Peer != 0 && byInode[s.Peer].Peer == s.Inode && s.State == socket.Connected {
			peers++
		}
	}
	if peers == 0 {
		t.Error("no two sockets are each other's peers")
	}
	if os.Geteuid() == 0 && table.Unseen > 0 {
		t.Logf("%d processes could not be looked into", table.Unseen)
	}
}

// TestUnseen proves that what an unprivileged user cannot see is said.
func TestUnseen(t *testing.T) {
	opts := asNobody(t)
	p := proctest.Start(t, opts, "list")
	p.Expect("unseen")
}

// listRole says whether there were processes that it could not look into.
func listRole([]string) error {
	table, err := socket.List()
	if err != nil {
		return err
	}
	if err := table.FindOwners(); err != nil {
		return err
	}
	if table.Unseen == 0 {
		return errors.New("an unprivileged process could look into all others")
	}
	os.Stdout.WriteString("unseen\n")
	return nil
}
