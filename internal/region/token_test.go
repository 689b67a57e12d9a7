//go:build linux

package region

import (
	"os"
	"syscall"
	"testing"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// TestTokenOutlivesNoHandle closes a handle whose open file description lives
// on, as in a child that has been forked and does not yet run its program.
func TestTokenOutlivesNoHandle(t *testing.T) {
	for name, end := range map[string]func(*Region){"close": (*Region).Close, "leave": (*Region).Leave} {
		dir := where(t)
		a := made(t, dir)
		defer a.Close()
		b, err := Open(dir, "a", Mailbox)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			if ok, err := b.Take(i); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		fd, err := syscall.Dup(b.Descriptor())
		if err != nil {
			t.Fatal(err)
		}
		end(b)
		for i := range 2 {
			if a.Held(i) {
				t.Errorf("%s: token %d is still taken", name, i)
			}
		}
		_ = syscall.Close(fd)
	}
}

// TestHeldBy asks the kernel for a token's holder, also when somebody has taken
// so many locks that the kernel's answer has no end.
func TestHeldBy(t *testing.T) {
	dir := where(t)
	r := made(t, dir)
	defer r.Close()
	other, err := Open(dir, "a", Mailbox)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if ok, err := other.Take(1); !ok || err != nil {
		t.Fatal(ok, err)
	}
	uid, gid := sys.Credentials()
	pid, fd := os.Getpid(), other.Descriptor()
	for name, c := range map[string]struct {
		i, pid, fd, uid, gid int
		want                 bool
	}{
		"right":        {1, pid, fd, uid, gid, true},
		"token":        {0, pid, fd, uid, gid, false},
		"process":      {1, os.Getppid(), fd, uid, gid, false},
		"no process":   {1, -1, fd, uid, gid, false},
		"descriptor":   {1, pid, r.Descriptor(), uid, gid, false},
		"no such file": {1, pid, -1, uid, gid, false},
		"user":         {1, pid, fd, uid + 1, gid, false},
		"group":        {1, pid, fd, uid, gid + 1, false},
	} {
		if got := r.HeldBy(c.i, c.pid, c.fd, c.uid, c.gid); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	for i := 3; i < 6000; i += 2 {
		if ok, err := other.Take(i); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if !r.HeldBy(1, pid, fd, uid, gid) || r.HeldBy(5999, pid, fd, uid, gid) {
		t.Error("only the beginning of the answer should be read")
	}
}
