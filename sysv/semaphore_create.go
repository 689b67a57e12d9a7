package sysv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// SemaphoreConfig says what semaphore set to create. For a set that exists
// already it does not matter.
type SemaphoreConfig struct {
	// Mode is the permission: reading is looking, writing ("alter") is operating.
	// The umask does not apply. Default: 0600.
	Mode fs.FileMode
	// Values are what the semaphores begin with, as many as there are. Default:
	// all are 0.
	Values []int
}

// ErrUninitialized is returned by GetSemaphoreSet for a set that somebody
// created, and did not initialise within some seconds.
var ErrUninitialized = errors.New("semaphores are not initialised")

// How a set comes into being.
//
// semget creates, and something else sets the values: between the two, others
// can see a set that is not ready. The way out is that of semctl(2), and of
// W. R. Stevens, UNIX Network Programming, volume 2, 11.2: sem_otime is 0 until
// the first semop. Who creates the set, which IPC_CREAT|IPC_EXCL decides, sets
// the values and then does a semop that changes nothing; all others wait until
// sem_otime is not 0. C programs that do the same fit in.
//
// The kernel does not announce that, so they look again: the one poll in this
// package, for as long as a creator needs for two system calls. If it died in
// between nobody can know that; so after grace the answer is ErrUninitialized. To
// take over would be wrong for a creator that is only stopped.
const (
	grace     = 5 * time.Second
	firstLook = 100 * time.Microsecond
	lastLook  = 20 * time.Millisecond
)

// CreateSemaphoreSet creates a set of count semaphores and initialises it. It is
// an fs.ErrExist if the key has one.
func CreateSemaphoreSet(key Key, count int, c *SemaphoreConfig) (*SemaphoreSet, error) {
	if c == nil {
		c = &SemaphoreConfig{}
	}
	mode, err := permission(c.Mode)
	if err == nil {
		err = c.check(count)
	}
	if err != nil {
		return nil, failure("create", key, err)
	}
	id, err := sys.Semget(int32(key), count, sys.IPCCreate|sys.IPCExcl|mode)
	if err != nil {
		return nil, failure("create", key, setLimit(err, count))
	}
	s := &SemaphoreSet{object: named(key, id)}
	values := c.Values
	if values == nil {
		values = make([]int, count)
	}
	if err := s.initialize(values, count); err != nil {
		_ = sys.SemRemove(id)
		return nil, s.wrap("create", control(err))
	}
	return s, nil
}

func (c *SemaphoreConfig) check(count int) error {
	if c.Values != nil && len(c.Values) != count {
		return fmt.Errorf("%w: %d values for %d semaphores", syscall.EINVAL, len(c.Values), count)
	}
	for i, v := range c.Values {
		if v < 0 || v > maxValue {
			return outOfRange(i, v)
		}
	}
	return nil
}

// GetSemaphoreSet opens the set of a key, and creates it if there is none. Of
// several processes that do that at once, one creates and initialises it, and
// the others wait for that: until ctx ends, or ErrUninitialized after 5 seconds.
// One that exists must not have fewer than count semaphores. With Private it
// creates a new one each time.
//
// A set that ipcmk(1) made counts as not initialised: see Initialize.
func GetSemaphoreSet(ctx context.Context, key Key, count int, c *SemaphoreConfig) (*SemaphoreSet, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, failure("open", key, err)
		}
		s, err := CreateSemaphoreSet(key, count, c)
		if !isErrno(err, syscall.EEXIST) && !isErrno(err, syscall.EIDRM) {
			return s, err
		}
		id, err := sys.Semget(int32(key), count, 0)
		if err == syscall.ENOENT {
			continue // it was removed meanwhile
		}
		if err != nil {
			return nil, failure("open", key, setLimit(err, count))
		}
		s = &SemaphoreSet{object: named(key, id)}
		err = s.awaitInitialized(ctx)
		if err == syscall.EIDRM || err == syscall.EINVAL {
			continue
		}
		if err != nil {
			return nil, s.wrap("open", err)
		}
		return s, nil
	}
}

// Initialize sets all values, and marks the set as initialised. It is for a set
// whose creator does not do that, as ipcmk(1), or died before it could. Nobody
// else should be using the set.
func (s *SemaphoreSet) Initialize(values ...int) error {
	return s.control("initialize", func() error {
		ds, err := sys.SemStat(s.id)
		if err != nil {
			return err
		}
		return s.initialize(values, int(ds.Count))
	})
}

func (s *SemaphoreSet) initialize(values []int, count int) error {
	if err := s.setAll(values, count); err != nil {
		return err
	}
	// Up and down at once changes nothing but sem_otime. Others may be at work
	// already, so which of the two can come first is not certain.
	up, down := sys.Sembuf{Delta: 1, Flags: sys.IPCNoWait}, sys.Sembuf{Delta: -1, Flags: sys.IPCNoWait}
	err := sys.Semop(s.id, []sys.Sembuf{up, down}, true)
	if err == syscall.ERANGE { // the value is the largest
		err = sys.Semop(s.id, []sys.Sembuf{down, up}, true)
	}
	return err
}

// awaitInitialized returns when sem_otime is set.
func (s *SemaphoreSet) awaitInitialized(ctx context.Context) error {
	began := time.Now()
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		ds, err := sys.SemStat(s.id)
		if err != nil {
			return err
		}
		if ds.Operated != 0 {
			return nil
		}
		if age := time.Since(time.Unix(ds.Changed, 0)); age > grace+time.Second || time.Since(began) > grace {
			return fmt.Errorf("%w: the set was created, and for %v nobody has done the first operation: use OpenSemaphoreSet and Initialize, or remove the set", ErrUninitialized, grace)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// setLimit says which limit an errno of semget is about.
func setLimit(err error, count int) error {
	l, e := sys.SemInfo()
	if e != nil {
		return err
	}
	switch err {
	case syscall.EINVAL:
		switch {
		case count <= 0:
			return fmt.Errorf("%w: a set has at least 1 semaphore", err)
		case count > l.PerSet:
			return exceeded(fmt.Errorf("%w: %d semaphores", err, count), "kernel.sem (the first number, semmsl)", l.PerSet)
		}
		return fmt.Errorf("%w: the set exists, and has fewer than %d semaphores", err, count)
	case syscall.ENOSPC:
		if l.SetsUsed >= l.Sets {
			return exceeded(err, "kernel.sem (the fourth number, semmni)", l.Sets)
		}
		return exceeded(err, "kernel.sem (the second number, semmns)", fmt.Sprintf("%d, of which %d are taken", l.Semaphores, l.SemaphoresUsed))
	}
	return err
}
