//go:build linux && interop

package posix

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/posix"
)

var background = context.Background()

// eachCreator runs a test with the object created by C, and by us.
func eachCreator(t *testing.T, test func(t *testing.T, theirs bool)) {
	for _, theirs := range []bool{true, false} {
		t.Run(map[bool]string{true: "TheyCreate", false: "WeCreate"}[theirs], func(t *testing.T) { test(t, theirs) })
	}
}

func TestQueue(t *testing.T) {
	for _, blocking := range []bool{false, true} {
		eachCreator(t, func(t *testing.T, theirs bool) {
			name, p := newName(), c(t)
			cfg := &posix.QueueConfig{MaxMessages: 4, MaxMessage: 100, Blocking: blocking}
			var q *posix.Queue
			var err error
			if theirs {
				p.must("", "qcreate %s 4 100", name)
				q, err = posix.AttachQueue(name, cfg)
			} else {
				q, err = posix.CreateQueue(name, cfg)
				p.must("", "qopen %s", name)
			}
			must(t, err)
			defer q.Close()
			defer posix.RemoveQueue(name)
			p.must("4 100 0", "qattr %s", name)
			queuePasses(t, p, q)
			queueWaits(t, p, q)
			queueKilled(t, p, q)
		})
	}
}

func queuePasses(t *testing.T, p *peer, q *posix.Queue) {
	t.Helper()
	p.must("", "qsend - low 1")
	p.must("", "qsend - high 32767")
	for _, want := range []struct {
		text string
		prio uint32
	}{{"high", 32767}, {"low", 1}} {
		m, err := q.Receive(background)
		if err != nil || string(m.Data) != want.text || m.Priority != want.prio {
			t.Fatalf("received %+v (%v), want %v", m, err, want)
		}
	}
	must(t, q.Send(background, isthmus.Message{Data: []byte("low"), Priority: 2}))
	must(t, q.Send(background, isthmus.Message{Data: []byte("high"), Priority: 7}))
	p.must("high 7", "qreceive -")
	p.must("low 2", "qreceive -")
}

// queueWaits has each side wait for the other.
func queueWaits(t *testing.T, p *peer, q *posix.Queue) {
	t.Helper()
	p.begin("qreceive -")
	p.inSyscall(syscall.SYS_MQ_TIMEDRECEIVE)
	must(t, q.Send(background, isthmus.Message{Data: []byte("hello")}))
	p.ends("hello 0")
	got := make(chan string)
	go func() { m, err := q.Receive(background); got <- fmt.Sprint(string(m.Data), err) }()
	p.must("", "qsend - back 0")
	if s := <-got; s != "back<nil>" {
		t.Fatalf("received %q", s)
	}
	for i := range 4 {
		must(t, q.TrySend(isthmus.Message{Data: []byte(fmt.Sprint(i))}))
	}
	p.begin("qsend - fifth 0")
	p.inSyscall(syscall.SYS_MQ_TIMEDSEND)
	for _, want := range []string{"0", "1", "2", "3", "fifth"} {
		m, err := q.Receive(background)
		if err != nil || string(m.Data) != want {
			t.Fatalf("received %q (%v), want %q", m.Data, err, want)
		}
	}
	p.ends("")
}

// queueKilled kills the C program while it waits: nothing is lost by that.
func queueKilled(t *testing.T, p *peer, q *posix.Queue) {
	t.Helper()
	p.must("", "qnotify -")
	if _, err := q.Notify(); !errors.Is(err, syscall.EBUSY) {
		t.Fatalf("Notify beside another process's: %v", err)
	}
	p.begin("qreceive -")
	p.inSyscall(syscall.SYS_MQ_TIMEDRECEIVE)
	p.kill()
	n, err := q.Notify()
	must(t, err)
	must(t, q.Send(background, isthmus.Message{Data: []byte("after")}))
	must(t, n.Wait(background))
	m, err := q.TryReceive()
	if err != nil || string(m.Data) != "after" {
		t.Fatalf("received %q (%v)", m.Data, err)
	}
}

// semaphore opens one semaphore on both sides.
func semaphore(t *testing.T, p *peer, theirs bool, value int, cfg posix.SemaphoreConfig) *posix.Semaphore {
	t.Helper()
	name := newName()
	cfg.Value = value
	var s *posix.Semaphore
	var err error
	if theirs {
		p.must("", "screate %s %d", name, value)
		s, err = posix.AttachSemaphore(name, &cfg)
	} else {
		s, err = posix.CreateSemaphore(name, &cfg)
		p.must("", "sopen %s", name)
	}
	must(t, err)
	t.Cleanup(func() { _ = posix.RemoveSemaphore(name, &cfg); _ = s.Close() })
	return s
}

func waiters(t *testing.T, s *posix.Semaphore, want int) {
	t.Helper()
	proctest.Eventually(t, 20*time.Second, "they wait", func() bool {
		st, err := s.Stat()
		return err == nil && st.Waiters == want
	})
}

func TestSemaphore(t *testing.T) {
	eachCreator(t, func(t *testing.T, theirs bool) { semaphoreWorks(t, c(t), theirs, posix.SemaphoreConfig{}) })
}

func semaphoreWorks(t *testing.T, p *peer, theirs bool, cfg posix.SemaphoreConfig) {
	p.must("32", "ssize")
	s := semaphore(t, p, theirs, 1, cfg)
	p.must("1", "svalue -")
	must(t, s.Wait(background))
	p.refused(syscall.EAGAIN, "stry -")
	p.refused(syscall.ETIMEDOUT, "stimed - 20")
	p.begin("swait -") // they wait for us
	waiters(t, s, 1)
	must(t, s.Post())
	p.ends("")
	waited := make(chan error) // we wait for them
	go func() { waited <- s.Wait(background) }()
	waiters(t, s, 1)
	p.must("", "spost -")
	must(t, <-waited)
	p.begin("stimed - 60000")
	waiters(t, s, 1)
	must(t, s.Post())
	p.ends("")

	p.begin("swait -") // a waiter is killed: the next one is served
	waiters(t, s, 1)
	p.kill()
	go func() { waited <- s.Wait(background) }()
	waiters(t, s, 2)
	must(t, s.Post())
	// The kernel has forgotten the dead one, though the count has not.
	must(t, <-waited)
}

// TestSemaphoreHolderKilled: what C took is lost with it, and what we took.
func TestSemaphoreHolderKilled(t *testing.T) {
	p := c(t)
	s := semaphore(t, p, true, 1, posix.SemaphoreConfig{})
	p.must("", "swait -")
	p.kill()
	if err := s.TryWait(); !errors.Is(err, isthmus.ErrEmpty) {
		t.Errorf("a dead holder's permit: %v", err)
	}
}

// TestSemaphoreContended has C and many goroutines take and give by turns.
func TestSemaphoreContended(t *testing.T) {
	for compiler, cfg := range map[string]posix.SemaphoreConfig{"gcc": {}, "musl-gcc": {Libc: musl(t)}} {
		program := compile(t, compiler, "peer.c")
		p, q := start(t, program), start(t, program)
		s := semaphore(t, p, false, 1, cfg)
		q.must("", "sopen %s", s.Name())
		const count = 3000
		p.begin("smany - %d", count)
		q.begin("smany - %d", count)
		inside := 0
		var group sync.WaitGroup
		for range 12 {
			group.Go(func() {
				for range count / 12 {
					if err := s.Wait(background); err != nil {
						t.Error(err)
						return
					}
					if inside++; inside != 1 {
						t.Errorf("%d are inside", inside)
					}
					inside--
					if err := s.Post(); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
		p.ends("")
		q.ends("")
		if st, err := s.Stat(); err != nil || st.Value != 1 || st.Waiters != 0 {
			t.Errorf("at the end it is %+v (%v)", st, err)
		}
	}
}

// TestSemaphoreMusl is TestSemaphore with musl's rules.
func TestSemaphoreMusl(t *testing.T) {
	eachCreator(t, func(t *testing.T, theirs bool) {
		semaphoreWorks(t, start(t, compile(t, "musl-gcc", "peer.c")), theirs, posix.SemaphoreConfig{Libc: musl(t)})
	})
}

// musl is which of the two protocols the musl of this machine has: it is seen
// in the value of a semaphore that somebody waits for.
func musl(t *testing.T) posix.Libc {
	t.Helper()
	name, p := newName(), start(t, compile(t, "musl-gcc", "peer.c"))
	p.must("", "screate %s 0", name)
	p.begin("swait -")
	p.inSyscall(syscall.SYS_FUTEX)
	b, err := os.ReadFile("/dev/shm" + name)
	must(t, err)
	p.kill()
	must(t, os.Remove("/dev/shm"+name))
	switch v := binary.NativeEndian.Uint32(b); v {
	case 1<<32 - 1:
		return posix.OldMusl
	case 1 << 31:
		return posix.Musl
	default:
		t.Fatalf("musl says %#x of a semaphore that is waited for", v)
	}
	return 0
}

// TestUnnamed shares a sem_t in shared memory.
func TestUnnamed(t *testing.T) {
	eachCreator(t, func(t *testing.T, theirs bool) {
		name, p := newName(), c(t)
		p.must("", "mcreate %s 4096", name)
		m, err := posix.AttachSharedMemory(name, nil)
		must(t, err)
		defer m.Close()
		defer posix.RemoveSharedMemory(name)
		v, err := m.Map(0, 0)
		must(t, err)
		defer v.Close()
		var s *posix.Semaphore
		if theirs {
			p.must("", "sinit - 128")
			s, err = posix.SemaphoreAt(v.Bytes()[128:], nil)
		} else {
			s, err = posix.NewSemaphore(v.Bytes()[128:], &posix.SemaphoreConfig{Value: 2})
			p.must("", "sat - 128")
		}
		must(t, err)
		defer s.Close()
		p.must("", "swait -")
		must(t, s.Wait(background))
		p.begin("swait -")
		waiters(t, s, 1)
		must(t, s.Post())
		p.ends("")
	})
}

func TestSharedMemory(t *testing.T) {
	eachCreator(t, func(t *testing.T, theirs bool) {
		name, p := newName(), c(t)
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
		if n, err := m.Size(); n != 5000 || err != nil {
			t.Errorf("it has %d bytes (%v)", n, err)
		}
		v, err := m.Map(0, 0)
		must(t, err)
		defer v.Close()
		p.must("", "mwrite - theirs")
		if got := string(v.Bytes()[:6]); got != "theirs" {
			t.Errorf("read %q", got)
		}
		_, err = v.WriteAt([]byte("ours\x00"), 0)
		must(t, err)
		p.must("ours", "mread -")
		p.must("", "mwrite - last-words")
		p.kill()
		if got := string(v.Bytes()[:10]); got != "last-words" {
			t.Errorf("after its death: %q", got)
		}
		if theirs {
			must(t, posix.RemoveSharedMemory(name))
		} else {
			c(t).must("", "mremove %s", name)
		}
		if _, err := posix.AttachSharedMemory(name, nil); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("it is removed, and opens: %v", err)
		}
	})
}
