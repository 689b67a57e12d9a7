//go:build linux

package socket_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/internal/sys"
	"github.com/isthmus-ipc/isthmus/socket"
)

const nobody = 65534

// sendRole sends a message, and says what came of it.
func sendRole(args []string) error {
	c, err := socket.Dial(background, args[0], args[1], &socket.Config{Allow: &socket.Allow{Anyone: true}})
	if err != nil {
		fmt.Println("dial:", errors.Is(err, fs.ErrPermission), err)
		return nil
	}
	fmt.Println("send:", c.Send(background, text(args[2])))
	_, _ = os.Stdin.Read(make([]byte, 1))
	return nil
}

func asNobody(t *testing.T) proctest.Options {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT PROVEN: another user's process can be started by root only; run as root")
	}
	// The test binary must be one that nobody can run.
	exe := filepath.Join(shortDir(t), "test")
	b, err := os.ReadFile(os.Args[0])
	check(t, err)
	check(t, os.WriteFile(exe, b, 0o755))
	check(t, os.Chmod(filepath.Dir(exe), 0o755))
	return proctest.Options{Exe: exe, Attr: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}}
}

// TestAllow proves who is let through, for each network and for paths and
// abstract names, with a process of another user.
func TestAllow(t *testing.T) {
	opts := asNobody(t)
	for _, c := range []struct {
		name    string
		allow   *socket.Allow
		at      string
		through bool
	}{
		{"path, by default", nil, "path", true},
		{"abstract, by default", nil, "@", false},
		{"same user", &socket.Allow{User: true}, "path", false},
		{"same group", &socket.Allow{Group: true}, "path", false},
		{"nobody named", &socket.Allow{}, "path", false},
		{"listed", &socket.Allow{UIDs: []int{7, nobody}}, "path", true},
		{"group listed", &socket.Allow{GIDs: []int{nobody}}, "@", true},
		{"others listed", &socket.Allow{UIDs: []int{7}, GIDs: []int{8}}, "path", false},
		{"anyone", &socket.Allow{Anyone: true}, "@", true},
	} {
		for _, network := range pathNetworks {
			t.Run(c.name+"/"+network, func(t *testing.T) {
				dir := shortDir(t)
				check(t, os.Chmod(dir, 0o755))
				at := dir + "/s"
				if c.at == "@" {
					at = "@" + filepath.Base(dir)
				}
				r, err := socket.OpenReceiver(background, network, at, &socket.Config{Mode: 0o666, Allow: c.allow})
				check(t, err)
				defer r.Close()
				p := proctest.Start(t, opts, "send", network, at, "hello")
				if line := p.Line(); c.through && line != "send: <nil>" {
					t.Logf("%s", line) // a refused sender may learn of it here, or not yet
				}
				m, err := r.TryReceive()
				if c.through {
					if err != nil || m.From.UID != nobody || m.From.GID != nobody || m.From.PID != p.PID() || !m.From.Verified {
						t.Errorf("received %+v, %v", m, err)
					}
					return
				}
				if !errors.Is(err, isthmus.ErrEmpty) || r.Stats().Refused != 1 || r.Stats().Accepted != 0 {
					t.Errorf("received %+v, %v; %+v", m, err, r.Stats())
				}
				works(t, network, at, mustAllowMe(t, r, c.allow, network, &at))
			})
		}
	}
}

// mustAllowMe is r if it lets this process through, and another one if not.
func mustAllowMe(t *testing.T, r *socket.Receiver, allow *socket.Allow, network string, at *string) *socket.Receiver {
	t.Helper()
	if allow == nil || allow.User || allow.Group {
		return r
	}
	*at += "2"
	r, err := socket.OpenReceiver(background, network, *at, nil)
	check(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

// TestAllowOfDial proves that one who dials can refuse whom he finds.
func TestAllowOfDial(t *testing.T) {
	at := filepath.Join(shortDir(t), "s")
	l, err := socket.Listen(background, socket.Unix, at, nil)
	check(t, err)
	defer l.Close()
	_, err = socket.Dial(background, socket.Unix, at, &socket.Config{Allow: &socket.Allow{UIDs: []int{nobody}}})
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v", err)
	}
	c, err := socket.Dial(background, socket.Unix, at, &socket.Config{Allow: &socket.Allow{User: true}})
	check(t, err)
	c.Close()
}

// TestNoPermission proves that the default mode keeps another user out.
func TestNoPermission(t *testing.T) {
	opts := asNobody(t)
	dir := shortDir(t)
	check(t, os.Chmod(dir, 0o755))
	l, err := socket.Listen(background, socket.Unix, dir+"/s", nil)
	check(t, err)
	defer l.Close()
	p := proctest.Start(t, opts, "send", socket.Unix, dir+"/s", "x")
	if line := p.Line(); line[:10] != "dial: true" {
		t.Error(line)
	}
}

// TestPeer proves who is at the other end, and that his end is noticed.
func TestPeer(t *testing.T) {
	at := filepath.Join(shortDir(t), "s")
	l, err := socket.Listen(background, socket.Unix, at, nil)
	check(t, err)
	defer l.Close()
	p := proctest.Start(t, proctest.Options{}, "send", socket.Unix, at, "hello")
	c, err := l.Accept(background)
	check(t, err)
	defer c.Close()
	p.Expect("send: <nil>")
	want := isthmus.Identity{PID: p.PID(), UID: os.Geteuid(), GID: os.Getegid(), Verified: true}
	if got, err := c.Peer(); got != want || err != nil {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	fd, err := c.PeerPIDFD()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Log("no SO_PEERPIDFD before Linux 6.5")
	} else {
		check(t, err)
		defer fd.Close()
	}
	if m, err := c.Receive(background); err != nil || m.From != want {
		t.Errorf("from %+v, %v", m.From, err)
	}
	p.Kill()
	if _, err := c.Receive(background); !errors.Is(err, io.EOF) {
		t.Errorf("after its death: %v", err)
	}
	if fd != nil {
		check(t, fd.SetReadDeadline(time.Now().Add(10*time.Second)))
		check(t, sys.WaitPidFD(fd))
	}
	if err := c.Send(background, text("")); !errors.Is(err, isthmus.ErrPeerDied) || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a send after its death: %v", err)
	}
	tcp, err := net2(t)
	check(t, err)
	if _, err := tcp.Peer(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("over TCP: %v", err)
	}
}
