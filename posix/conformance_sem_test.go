//go:build linux

package posix_test

import (
	"bytes"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/posix"
)

// value fails the test unless the semaphore has that value.
func value(t testing.TB, s *posix.Semaphore, want int) {
	t.Helper()
	if v, err := s.Value(); err != nil || v != want {
		t.Fatalf("the value is %d (%v), want %d", v, err, want)
	}
}

// waiters waits until so many wait.
func waiters(t testing.TB, s *posix.Semaphore, want int) {
	t.Helper()
	proctest.Eventually(t, 20*time.Second, "they wait", func() bool {
		st, err := s.Stat()
		return err == nil && st.Waiters == want
	})
}

func attachSemaphore(t testing.TB, name string) *posix.Semaphore {
	t.Helper()
	s, err := posix.AttachSemaphore(name, nil)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func worth(n int) *posix.SemaphoreConfig { return &posix.SemaphoreConfig{Value: n} }

var semOpen = []assertion{
	{"1-1", func(t *testing.T) {
		s := newSemaphore(t, worth(1))
		must(t, s.Wait(background))
		must(t, s.Post())
		must(t, s.Close())
	}},
	{"2-1", func(t *testing.T) {
		_, err := posix.CreateSemaphore(newSemaphore(t, nil).Name(), nil)
		refused(t, err, fs.ErrExist)
	}},
	{"3-1", func(t *testing.T) {
		s := newSemaphore(t, &posix.SemaphoreConfig{Mode: 0o400})
		startStranger(t, 0).refused(syscall.EACCES, "sattach %s", s.Name())
	}},
	{"4-1", func(t *testing.T) {
		_, err := posix.CreateSemaphore(newSemaphore(t, nil).Name(), nil)
		refused(t, err, syscall.EEXIST)
	}},
	{"5-1", func(t *testing.T) {
		for _, n := range []int{-1, posix.MaxValue + 1} {
			_, err := posix.CreateSemaphore(newName(t), worth(n))
			refused(t, err, syscall.EINVAL)
		}
	}},
	{"6-1", func(t *testing.T) {
		_, err := posix.AttachSemaphore(newName(t), nil)
		refused(t, err, fs.ErrNotExist, syscall.ENOENT)
	}},
	{"7-1", func(t *testing.T) {
		name := newName(t)
		long := func(n int) string { return name + strings.Repeat("x", n+1-len(name)) }
		s, err := posix.CreateSemaphore(long(251), nil)
		must(t, err)
		must(t, posix.RemoveSemaphore(s.Name(), nil))
		must(t, s.Close())
		for n, want := range map[int]error{252: syscall.ENAMETOOLONG, 255: syscall.ENAMETOOLONG, 256: syscall.EINVAL} {
			_, err = posix.CreateSemaphore(long(n), nil)
			refused(t, err, want)
		}
	}},
	{"8-1", func(t *testing.T) {
		s := newSemaphore(t, worth(2))
		must(t, s.Wait(background))
		must(t, s.TryWait())
		must(t, s.Post())
		value(t, s, 1)
	}},
	{"9-1", func(t *testing.T) {
		s := newSemaphore(t, worth(1))
		must(t, s.Close())
		refused(t, s.Wait(background), isthmus.ErrClosed)
		refused(t, s.Post(), isthmus.ErrClosed)
	}},
	{"10-1", func(t *testing.T) {
		s := newSemaphore(t, worth(3))
		again, err := posix.OpenSemaphore(s.Name(), worth(9))
		must(t, err)
		defer again.Close()
		value(t, again, 3)
	}},
	{"11-1", func(t *testing.T) {
		s := newSemaphore(t, &posix.SemaphoreConfig{Mode: 0o666, Value: 7})
		fi, err := os.Stat("/dev/shm/sem." + s.Name()[1:])
		must(t, err)
		if fi.Mode().Perm() != 0o666&^umask() || fi.Size() != posix.SemaphoreSize {
			t.Errorf("the file has mode %v and %d bytes", fi.Mode(), fi.Size())
		}
		value(t, s, 7)
	}},
	{"12-1", func(t *testing.T) { value(t, newSemaphore(t, worth(posix.MaxValue)), posix.MaxValue) }},
	{"13-1", func(t *testing.T) {
		fi, err := os.Stat("/dev/shm/sem." + newSemaphore(t, nil).Name()[1:])
		must(t, err)
		st := fi.Sys().(*syscall.Stat_t)
		if int(st.Uid) != os.Geteuid() || int(st.Gid) != os.Getegid() {
			t.Errorf("it belongs to %d:%d", st.Uid, st.Gid)
		}
	}},
	{"14-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		a := startActor(t)
		a.must("", "sattach %s", s.Name())
		a.must("", "spost %s", s.Name())
		value(t, s, 1)
	}},
	{"15-1", func(t *testing.T) {
		// Each handle has a mapping, of the same page: the same semaphore.
		s := newSemaphore(t, nil)
		p := attachSemaphore(t, s.Name())
		must(t, p.Post())
		value(t, s, 1)
		must(t, p.Close())
		must(t, s.TryWait())
	}},
	{"15-2", func(t *testing.T) {
		for _, name := range []string{"", "/", "//", "/a/b", "/a/"} {
			_, err := posix.OpenSemaphore(name, nil)
			refused(t, err, syscall.EINVAL)
			refused(t, posix.RemoveSemaphore(name, nil), syscall.ENOENT)
		}
		s := newSemaphore(t, worth(4))
		for _, same := range []string{s.Name()[1:], "/" + s.Name()} {
			value(t, attachSemaphore(t, same), 4)
		}
	}},
}

// inMemory makes a semaphore in shared memory, at byte 64.
func inMemory(t testing.TB, n int) (*posix.Semaphore, *posix.Mapping, string) {
	t.Helper()
	m := newMemory(t, &posix.SharedMemoryConfig{Size: 4096})
	v, err := m.Map(0, 0)
	must(t, err)
	t.Cleanup(func() { _ = v.Close() })
	s, err := posix.NewSemaphore(v.Bytes()[64:], worth(n))
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s, v, m.Name()
}

var semInit = []assertion{
	{"1-1", func(t *testing.T) { s, _, _ := inMemory(t, 5); value(t, s, 5) }},
	{"2-1", func(t *testing.T) {
		s, _, _ := inMemory(t, 1)
		must(t, s.Wait(background))
		refused(t, s.TryWait(), isthmus.ErrEmpty)
		must(t, s.Post())
		must(t, s.Close())
	}},
	{"3-1", func(t *testing.T) {
		s, _, name := inMemory(t, 0)
		a := startActor(t)
		a.must("", "mattach %s", name)
		a.must("", "sat %s 64", name)
		a.begin("swait %s", name)
		waiters(t, s, 1)
		must(t, s.Post())
		a.ends("")
	}},
	{"4-1", func(t *testing.T) {
		// One of pshared 0 wakes nobody in another process: it is refused.
		mem := make([]byte, 64)
		_, err := posix.SemaphoreAt(mem, nil)
		refused(t, err, isthmus.ErrCorrupt)
	}},
	{"5-1", func(t *testing.T) { inMemory(t, 0) }},
	{"6-1", func(t *testing.T) {
		_, err := posix.NewSemaphore(make([]byte, 64), worth(posix.MaxValue+1))
		refused(t, err, syscall.EINVAL)
	}},
	{"7-1", na("no resource is taken: there is no limit to meet")},
	{"8-1", na("no privilege is needed")},
	{"9-1", func(t *testing.T) {
		s, v, _ := inMemory(t, 1)
		copied := bytes.Clone(v.Bytes()[64:])
		must(t, s.Wait(background))
		p, err := posix.SemaphoreAt(copied, nil)
		must(t, err)
		value(t, p, 1) // the copy is another one
	}},
	{"11-1", func(t *testing.T) {
		_, err := posix.NewSemaphore(make([]byte, 64)[1:], nil)
		refused(t, err) // not at a multiple of 8
		_, err = posix.NewSemaphore(make([]byte, posix.SemaphoreSize-1), nil)
		refused(t, err, syscall.EINVAL)
	}},
}

const noDestroy = "an unnamed semaphore is bytes of its owner: Close is all that there is, and glibc's sem_destroy does nothing either"

var semDestroy = []assertion{
	{"1-1", func(t *testing.T) {
		s, _, _ := inMemory(t, 1)
		must(t, s.Close())
		refused(t, s.Wait(background), isthmus.ErrClosed)
	}},
	{"2-1", na(noDestroy)},
	{"3-1", func(t *testing.T) {
		closeWakes(t, func(t *testing.T) *posix.Semaphore { s, _, _ := inMemory(t, 0); return s })
	}},
	{"4-1", func(t *testing.T) {
		s, _, _ := inMemory(t, 1)
		must(t, s.Close())
		refused(t, s.Close(), isthmus.ErrClosed)
	}},
	{"5-1", na(noDestroy)}, {"6-1", na(noDestroy)}, {"7-1", na(noDestroy)}, {"8-1", na(noDestroy)},
}

// closeWakes closes a handle on which many wait.
func closeWakes(t *testing.T, open func(*testing.T) *posix.Semaphore) {
	t.Helper()
	s := open(t)
	errs := make(chan error)
	for range 30 {
		go func() { errs <- s.Wait(background) }()
	}
	waiters(t, s, 30)
	must(t, s.Close())
	for range 30 {
		refused(t, <-errs, isthmus.ErrClosed)
	}
}

var semClose = []assertion{
	{"1-1", func(t *testing.T) { must(t, newSemaphore(t, nil).Close()) }},
	{"2-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		before := mappings(t)
		for range 200 {
			p, err := posix.AttachSemaphore(s.Name(), nil)
			must(t, err)
			must(t, p.Close())
		}
		if n := mappings(t); n > before+20 {
			t.Errorf("there were %d mappings, and are %d", before, n)
		}
	}},
	{"3-1", func(t *testing.T) {
		s := newSemaphore(t, worth(3))
		must(t, attachSemaphore(t, s.Name()).Close())
		value(t, attachSemaphore(t, s.Name()), 3)
	}},
	{"4-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		must(t, s.Close())
		refused(t, s.Close(), isthmus.ErrClosed)
	}},
	{"4-2", func(t *testing.T) { closeWakes(t, func(t *testing.T) *posix.Semaphore { return newSemaphore(t, nil) }) }},
}

func mappings(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	must(t, err)
	return bytes.Count(b, []byte("\n"))
}

var semUnlink = []assertion{
	{"1-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		must(t, posix.RemoveSemaphore(s.Name(), nil))
		_, err := posix.AttachSemaphore(s.Name(), nil)
		refused(t, err, fs.ErrNotExist)
	}},
	{"2-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		a := startActor(t)
		a.must("", "sattach %s", s.Name())
		must(t, posix.RemoveSemaphore(s.Name(), nil))
		a.must("", "spost %s", s.Name())
		must(t, s.Wait(background))
	}},
	{"3-1", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("NOT PROVEN: needs root, who can be another user")
		}
		s := newSemaphore(t, &posix.SemaphoreConfig{Mode: 0o666})
		startStranger(t, 0).refused(syscall.EACCES, "sremove %s", s.Name())
		attachSemaphore(t, s.Name())
	}},
	{"4-1", func(t *testing.T) { refused(t, posix.RemoveSemaphore(newName(t), nil), syscall.ENOENT) }},
	{"5-1", func(t *testing.T) {
		refused(t, posix.RemoveSemaphore("/"+strings.Repeat("x", 252), nil), syscall.ENAMETOOLONG)
		refused(t, posix.RemoveSemaphore("/"+strings.Repeat("x", 256), nil), syscall.ENOENT)
	}},
	{"6-1", func(t *testing.T) {
		s := newSemaphore(t, worth(5))
		must(t, posix.RemoveSemaphore(s.Name(), nil))
		again, err := posix.OpenSemaphore(s.Name(), nil)
		must(t, err)
		defer again.Close()
		value(t, again, 0)
		value(t, s, 5)
	}},
	{"7-1", func(t *testing.T) {
		s := newSemaphore(t, nil)
		waited := make(chan error)
		go func() { waited <- s.Wait(background) }()
		waiters(t, s, 1)
		must(t, posix.RemoveSemaphore(s.Name(), nil))
		must(t, s.Post())
		must(t, <-waited)
	}},
	{"8-1", func(t *testing.T) { must(t, posix.RemoveSemaphore(newSemaphore(t, nil).Name(), nil)) }},
	{"9-1", func(t *testing.T) {
		s := newSemaphore(t, worth(2))
		must(t, posix.RemoveSemaphore(s.Name(), nil))
		value(t, s, 2)
	}},
}

// TestSemaphoreRace creates one semaphore many times over at once: all get the
// same one, whole.
func TestSemaphoreRace(t *testing.T) {
	for range 50 {
		name := newName(t)
		var created atomic.Int32
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				s, err := posix.OpenSemaphore(name, worth(10))
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				if err := s.Wait(background); err != nil {
					t.Error(err)
				}
				if c, err := posix.CreateSemaphore(name, nil); err == nil {
					created.Add(1)
					_ = c.Close()
				}
			})
		}
		group.Wait()
		s, err := posix.AttachSemaphore(name, nil)
		must(t, err)
		value(t, s, 2)
		must(t, s.Close())
		must(t, posix.RemoveSemaphore(name, nil))
		if created.Load() != 0 {
			t.Errorf("%d created it again", created.Load())
		}
	}
}
