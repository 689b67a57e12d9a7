//go:build linux && interop

package posix

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/posix"
)

func python(t testing.TB) *peer {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Fatal("python3 is missing: install it")
	}
	return start(t, "python3", filepath.Join("testdata", "peer.py"))
}

// finish ends a Python program as it ends by itself.
func (p *peer) finish() {
	p.t.Helper()
	_ = p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatal(err)
	}
}

func TestPythonSharedMemory(t *testing.T) {
	eachCreator(t, func(t *testing.T, theirs bool) {
		name, p := newName(), python(t)
		var m *posix.SharedMemory
		var err error
		if theirs {
			p.must("", "mcreate %s 5000", name)
			m, err = posix.AttachSharedMemory(name, nil)
		} else {
			m, err = posix.CreateSharedMemory(name, &posix.SharedMemoryConfig{Size: 5000})
			p.must("", "mopen %s", name)
		}
		must(t, err)
		defer m.Close()
		p.must("5000", "msize %s", name)
		v, err := m.Map(0, 0)
		must(t, err)
		defer v.Close()
		p.must("", "mwrite %s theirs", name)
		if got := string(v.Bytes()[:6]); v.Len() != 5000 || got != "theirs" {
			t.Errorf("%d bytes, and they begin with %q", v.Len(), got)
		}
		_, err = v.WriteAt([]byte("ours"), 0)
		must(t, err)
		p.must("ours", "mread %s 4", name)
		p.must("", "mremove %s", name)
		if _, err := posix.AttachSharedMemory(name, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is removed, and opens: %v", err)
		}
		if got := string(v.Bytes()[:4]); got != "ours" {
			t.Errorf("after its removal: %q", got)
		}
	})
}

// TestPythonTracker: a Python program before 3.13 that had only attached to an
// object takes its name away when it ends, also when it is killed; the object
// stays with those who have it. From 3.13 on it does not, with track=False.
func TestPythonTracker(t *testing.T) {
	for _, killed := range []bool{false, true} {
		m, err := posix.CreateSharedMemory(newName(), &posix.SharedMemoryConfig{Size: 4096})
		must(t, err)
		defer m.Close()
		defer posix.RemoveSharedMemory(m.Name())
		p := python(t)
		p.begin("version -")
		var major, minor int
		_, err = fmt.Sscanf(p.line(), "ok %d %d", &major, &minor)
		must(t, err)
		tracks := major == 3 && minor < 13
		if tracks {
			p.must("", "mopen %s", m.Name())
		} else {
			p.must("", "muntracked %s", m.Name())
		}
		p.cmd.Stderr = nil
		if killed {
			p.kill()
		} else {
			p.finish()
		}
		if tracks { // the tracker is a process of its own
			proctest.Eventually(t, 20*time.Second, "Python removes the name", func() bool {
				st, err := m.Stat()
				return err == nil && st.Removed
			})
		} else if st, err := m.Stat(); err != nil || st.Removed {
			t.Errorf("killed %v: it is %+v (%v)", killed, st, err)
		}
		if n, err := m.Size(); n != 4096 || err != nil {
			t.Errorf("killed %v: it has %d bytes (%v)", killed, n, err)
		}
	}
}

func TestPythonSemaphore(t *testing.T) {
	eachCreator(t, func(t *testing.T, theirs bool) {
		name, p := newName(), python(t)
		var s *posix.Semaphore
		var err error
		if theirs {
			p.must("", "screate %s 1", name)
			s, err = posix.AttachSemaphore(name, nil)
		} else {
			s, err = posix.CreateSemaphore(name, &posix.SemaphoreConfig{Value: 1})
			p.must("", "sopen %s", name)
		}
		must(t, err)
		defer s.Close()
		defer posix.RemoveSemaphore(name, nil)
		must(t, s.Wait(background))
		p.must("False", "stry %s", name)
		p.must("False", "stimed %s 0.02", name)
		p.begin("swait %s", name)
		waiters(t, s, 1)
		must(t, s.Post())
		p.ends("")
		waited := make(chan error)
		go func() { waited <- s.Wait(background) }()
		waiters(t, s, 1)
		p.must("", "spost %s", name)
		must(t, <-waited)
		must(t, s.Post())
		p.must("1", "svalue %s", name)
		p.must("", "swait %s", name)
		p.kill()
		if err := s.TryWait(); !errors.Is(err, isthmus.ErrEmpty) {
			t.Errorf("a dead holder's permit: %v", err)
		}
	})
}

func TestPythonQueue(t *testing.T) {
	q, err := posix.CreateQueue(newName(), nil)
	must(t, err)
	defer q.Close()
	defer posix.RemoveQueue(q.Name())
	p := python(t)
	p.must("", "qopen %s", q.Name())
	p.must("", "qsend %s hello 5", q.Name())
	m, err := q.Receive(background)
	if err != nil || string(m.Data) != "hello" || m.Priority != 5 {
		t.Errorf("received %+v (%v)", m, err)
	}
	p.begin("qreceive %s", q.Name())
	must(t, q.Send(background, isthmus.Message{Data: []byte("back"), Priority: 3}))
	p.ends("back 3")
}

// TestNames asks the C library what it says of a name, and compares.
func TestNames(t *testing.T) {
	p := python(t)
	long := func(n int) string { return newName() + strings.Repeat("x", n) }
	base := len(newName())
	names := []string{"", "/", "//", "/a/b", "/x/", newName(), newName()[1:], "/" + newName()}
	for _, n := range []int{251, 252, 254, 255, 256} {
		names = append(names, long(n+1-base))
	}
	errno := func(err error) int {
		var e syscall.Errno
		errors.As(err, &e)
		return int(e)
	}
	for kind, ours := range map[string]func(name string) (opened, removed error){
		"shm": func(name string) (error, error) {
			m, err := posix.OpenSharedMemory(name, nil)
			if err == nil {
				_ = m.Close()
			}
			return err, posix.RemoveSharedMemory(name)
		},
		"sem": func(name string) (error, error) {
			s, err := posix.OpenSemaphore(name, nil)
			if err == nil {
				_ = s.Close()
			}
			return err, posix.RemoveSemaphore(name, nil)
		},
		"mq": func(name string) (error, error) {
			q, err := posix.OpenQueue(name, nil)
			if err == nil {
				_ = q.Close()
			}
			return err, posix.RemoveQueue(name)
		},
	} {
		more := []string{"/.", "/..", "."}
		if kind == "shm" { // to remove a dot is EISDIR there, and ENOENT here
			more = nil
		}
		for _, name := range append(more, names...) {
			opened, removed := ours(name)
			p.must(fmt.Sprint(errno(opened), " ", errno(removed)), "names %s '%s'", kind, name)
		}
	}
}
