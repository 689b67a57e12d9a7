package posix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/race"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/sys"
	"github.com/isthmus-ipc/isthmus/internal/wait"
)

// MaxValue is the highest value of a semaphore (SEM_VALUE_MAX).
const MaxValue = 1<<31 - 1

// SemaphoreSize is how many bytes a semaphore takes (sizeof(sem_t)).
const SemaphoreSize = 32

// semPrefix is what glibc puts before the name of a semaphore.
const semPrefix = "sem."

// SemaphoreConfig says what semaphore to create. The zero value, and nil, are
// useful: a semaphore of glibc, of value 0, for its owner.
//
// For a semaphore that exists already, only Libc matters.
type SemaphoreConfig struct {
	// Value is how many Waits return at first, 0 to MaxValue.
	Value int
	// Mode is the permission of the file, less the process's umask. Who uses a
	// semaphore must both read and write it. Default: 0600.
	Mode fs.FileMode
	// Libc is whose programs share the semaphore. Default: Glibc.
	Libc Libc
}

// Semaphore is a handle on a POSIX semaphore. Its methods may be called from
// several goroutines at once.
//
// A semaphore has no owner: what a process took by Wait is lost when it dies
// before it calls Post. Neither the kernel nor the C library gives it back.
type Semaphore struct {
	w    layout
	mem  []byte
	name string
	own  bool // mem is a mapping of this handle

	mu     sync.Mutex
	closed atomic.Bool
	users  int // calls under way
	end    wait.Ending
	left   *sync.Cond

	none error // made once, for TryWait
}

// OpenSemaphore opens the semaphore of this name, and creates it as c says if
// there is none.
func OpenSemaphore(name string, c *SemaphoreConfig) (*Semaphore, error) {
	for {
		s, err := c.attach("open", name)
		if !errors.Is(err, fs.ErrNotExist) {
			return s, err
		}
		s, err = c.create("open", name)
		if !errors.Is(err, fs.ErrExist) {
			return s, err
		}
	}
}

// CreateSemaphore creates a semaphore. It is an fs.ErrExist if there is one of
// this name.
func CreateSemaphore(name string, c *SemaphoreConfig) (*Semaphore, error) {
	return c.create("create", name)
}

// AttachSemaphore opens a semaphore that exists. It is an fs.ErrNotExist if
// there is none, and an isthmus.ErrCorrupt if what is there is none of this C
// library: a program in C that opened that might crash.
func AttachSemaphore(name string, c *SemaphoreConfig) (*Semaphore, error) {
	return c.attach("attach", name)
}

// RemoveSemaphore removes a semaphore's name (sem_unlink(3)). Those who have it
// open go on using it.
func RemoveSemaphore(name string, c *SemaphoreConfig) error {
	file, err := semaphoreName(name, c.libc())
	if err != nil {
		return wrap("remove", semaphoreMechanism, name, unlinkName(err))
	}
	return wrap("remove", semaphoreMechanism, name, removeFile(file))
}

func (c *SemaphoreConfig) libc() Libc {
	if c == nil {
		return Glibc
	}
	return c.Libc
}

func (c *SemaphoreConfig) attach(op, name string) (*Semaphore, error) {
	file, err := semaphoreName(name, c.libc())
	if err != nil {
		return nil, wrap(op, semaphoreMechanism, name, err)
	}
	f, err := sys.OpenShm(shmDir+"/"+file, sys.ShmOpening{})
	if err != nil {
		return nil, wrap(op, semaphoreMechanism, name, explainShm(err))
	}
	defer f.Close()
	s, err := openSemaphore(f, name, c.libc())
	return s, wrap(op, semaphoreMechanism, name, err)
}

// openSemaphore maps a file that is a semaphore.
func openSemaphore(f *os.File, name string, l Libc) (*Semaphore, error) {
	st, err := sys.Fstat(f)
	switch {
	case err != nil:
		return nil, err
	case !st.Regular:
		return nil, &explained{text: "there is something of that name that is no file", errno: syscall.EINVAL, is: isthmus.ErrCorrupt}
	case st.Size < SemaphoreSize:
		return nil, &explained{text: fmt.Sprintf("the file has %d bytes, a semaphore has %d: a C program that opens it is killed by SIGBUS; remove it", st.Size, SemaphoreSize), errno: syscall.EINVAL, is: isthmus.ErrCorrupt}
	}
	mem, err := sys.MapShm(f, 0, SemaphoreSize, false)
	if err != nil {
		return nil, err
	}
	s, err := newSemaphore(mem, name, l)
	if err == nil {
		err = s.check()
	}
	if err != nil {
		_ = sys.Unmap(mem)
		return nil, err
	}
	s.own = true
	return s, nil
}

func (c *SemaphoreConfig) create(op, name string) (*Semaphore, error) {
	if c == nil {
		c = &SemaphoreConfig{}
	}
	s, err := c.make(name)
	return s, wrap(op, semaphoreMechanism, name, err)
}

// NewSemaphore makes a semaphore of the first SemaphoreSize bytes of mem, which
// several processes share (sem_init(3) with pshared). mem begins at a multiple
// of 8. It stays the caller's, who unmaps it after Close; there is nothing else
// to destroy. Nobody may use the semaphore meanwhile.
func NewSemaphore(mem []byte, c *SemaphoreConfig) (s *Semaphore, err error) {
	if c == nil {
		c = &SemaphoreConfig{}
	}
	defer func() { err = wrap("create", semaphoreMechanism, "", err) }()
	b, err := c.bytes()
	if err != nil {
		return nil, err
	}
	s, err = newSemaphore(mem, "", c.Libc)
	if err != nil {
		return nil, err
	}
	defer region.GuardBytes(s.mem, region.Faults(), &err)
	copy(s.mem, b)
	return s, nil
}

// SemaphoreAt opens the semaphore in the first SemaphoreSize bytes of mem, as
// NewSemaphore or a C program made it.
func SemaphoreAt(mem []byte, c *SemaphoreConfig) (*Semaphore, error) {
	s, err := newSemaphore(mem, "", c.libc())
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return nil, wrap("attach", semaphoreMechanism, "", err)
	}
	return s, nil
}

func newSemaphore(mem []byte, name string, l Libc) (*Semaphore, error) {
	if len(mem) < SemaphoreSize {
		return nil, &explained{text: fmt.Sprintf("%d bytes are too few for a semaphore, which has %d", len(mem), SemaphoreSize), errno: syscall.EINVAL}
	}
	mem = mem[:SemaphoreSize:SemaphoreSize]
	w, err := newLayout(mem, l)
	if err != nil {
		return nil, err
	}
	s := &Semaphore{w: w, mem: mem, name: name}
	s.left = sync.NewCond(&s.mu)
	s.none = wrap("wait", semaphoreMechanism, name, &also{isthmus.ErrEmpty, syscall.EAGAIN})
	return s, nil
}

func (s *Semaphore) check() (err error) {
	defer region.GuardBytes(s.mem, region.Faults(), &err)
	return s.w.check()
}

// enter and leave bracket every use of the memory.
func (s *Semaphore) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return isthmus.ErrClosed
	}
	s.users++
	return nil
}

func (s *Semaphore) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users--
	if s.users == 0 && s.closed.Load() {
		s.left.Broadcast()
	}
}

// use makes a call on the memory.
func (s *Semaphore) use(op string, call func() error) error {
	if err := s.enter(); err != nil {
		return wrap(op, semaphoreMechanism, s.name, err)
	}
	defer s.leave()
	return wrap(op, semaphoreMechanism, s.name, s.guard(call))
}

func (s *Semaphore) guard(call func() error) (err error) {
	defer region.GuardBytes(s.mem, region.Faults(), &err)
	return call()
}

// Wait takes 1 from the value, and waits for a Post while it is 0. If ctx ends
// first nothing was taken, and the error is ctx's; where the value is not 0 ctx
// is not looked at, as the standard has it.
func (s *Semaphore) Wait(ctx context.Context) error {
	if err := s.TryWait(); err != s.none {
		return err
	}
	if err := s.enter(); err != nil {
		return wrap("wait", semaphoreMechanism, s.name, err)
	}
	defer s.leave()
	if err := s.sleep(ctx); err != nil {
		return wrap("wait", semaphoreMechanism, s.name, err)
	}
	race.Acquire()
	return nil
}

func (s *Semaphore) sleep(ctx context.Context) (err error) {
	defer region.GuardBytes(s.mem, region.Faults(), &err)
	return s.w.wait(ctx, &s.end)
}

// TryWait takes 1 from the value. If that is 0 it is an isthmus.ErrEmpty, and an
// EAGAIN.
func (s *Semaphore) TryWait() error {
	if err := s.enter(); err != nil {
		return wrap("wait", semaphoreMechanism, s.name, err)
	}
	defer s.leave()
	ok, err := s.take()
	switch {
	case err != nil:
		return wrap("wait", semaphoreMechanism, s.name, err)
	case !ok:
		return s.none
	}
	race.Acquire()
	return nil
}

func (s *Semaphore) take() (ok bool, err error) {
	defer region.GuardBytes(s.mem, region.Faults(), &err)
	return s.w.take(), nil
}

// Post adds 1 to the value and wakes one who waits. It is an EOVERFLOW if the
// value is MaxValue.
func (s *Semaphore) Post() error {
	if err := s.enter(); err != nil {
		return wrap("post", semaphoreMechanism, s.name, err)
	}
	defer s.leave()
	race.Release()
	if err := s.give(); err != nil {
		return wrap("post", semaphoreMechanism, s.name, err)
	}
	return nil
}

func (s *Semaphore) give() (err error) {
	defer region.GuardBytes(s.mem, region.Faults(), &err)
	if !s.w.post() {
		return &explained{text: fmt.Sprintf("the value is %d, the highest that there is", MaxValue), errno: syscall.EOVERFLOW}
	}
	return nil
}

// SemaphoreStat is the state of a semaphore at some moment.
type SemaphoreStat struct {
	Value int
	// Waiters is how many wait, as far as the semaphore knows: who is killed
	// while it waits is counted for ever, which does no harm.
	Waiters int
}

// Value is the semaphore's value at some moment: 0 or more.
func (s *Semaphore) Value() (int, error) {
	st, err := s.Stat()
	return st.Value, err
}

// Stat looks at the semaphore.
func (s *Semaphore) Stat() (st SemaphoreStat, err error) {
	err = s.use("stat", func() error { st.Value, st.Waiters = s.w.look(); return nil })
	return st, err
}

// Name is the name that the semaphore was opened by, "" if it has none.
func (s *Semaphore) Name() string { return s.name }

// Close gives the handle up. Waits on it return isthmus.ErrClosed, and have
// taken nothing. The value stays as it is.
func (s *Semaphore) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Swap(true) {
		return wrap("close", semaphoreMechanism, s.name, isthmus.ErrClosed)
	}
	s.end.End()
	for s.users > 0 {
		s.left.Wait()
	}
	if !s.own {
		return nil
	}
	return wrap("close", semaphoreMechanism, s.name, sys.Unmap(s.mem))
}
