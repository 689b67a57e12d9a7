package sysv

import (
	"fmt"
	"sync"
	"syscall"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// allValues has room for the values of any set: GETALL and SETALL take no length,
// and the set is what its ID says at that moment.
var allValues = sync.Pool{New: func() any { return new([1 << 16]uint16) }}

// Values returns the values of all semaphores (semctl GETALL), as they were at
// one moment.
func (s *SemaphoreSet) Values() (values []int, err error) {
	err = s.control("read values", func() error {
		ds, err := sys.SemStat(s.id)
		if err != nil {
			return err
		}
		all := allValues.Get().(*[1 << 16]uint16)
		defer allValues.Put(all)
		if err := sys.SemGetAll(s.id, all[:]); err != nil {
			return err
		}
		for _, v := range all[:min(ds.Count, 1<<16)] {
			values = append(values, int(v))
		}
		return nil
	})
	return values, err
}

// SetValues sets the values of all semaphores at once (semctl SETALL), wakes who
// waits for that, and forgets what processes would have undone. There must be as
// many values as semaphores.
func (s *SemaphoreSet) SetValues(values ...int) error {
	return s.control("set values", func() error {
		ds, err := sys.SemStat(s.id)
		if err != nil {
			return err
		}
		return s.setAll(values, int(ds.Count))
	})
}

func (s *SemaphoreSet) setAll(values []int, count int) error {
	if len(values) != count || count > 1<<16 {
		return fmt.Errorf("%w: %d values for %d semaphores", errCount, len(values), count)
	}
	all := allValues.Get().(*[1 << 16]uint16)
	defer allValues.Put(all)
	for i, v := range values {
		if v < 0 || v > maxValue {
			return outOfRange(i, v)
		}
		all[i] = uint16(v)
	}
	return sys.SemSetAll(s.id, all[:])
}

// maxValue is SEMVMX of linux/sem.h.
const maxValue = 32767

// errCount is an EINVAL that does not say that the set is gone.
var errCount = fmt.Errorf("%w", syscall.EINVAL)

func outOfRange(i, v int) error {
	return fmt.Errorf("%w: semaphore %d cannot be %d: a value is 0 to %d (SEMVMX)", syscall.ERANGE, i, v, maxValue)
}

// indexed makes a call for semaphore i. The kernel says EINVAL both for an index
// and for an ID that does not exist.
func (s *SemaphoreSet) indexed(op string, i int, call func(id, i int) (int, error)) (n int, err error) {
	err = s.control(op, func() error {
		var err error
		if i < 0 || i >= 1<<16 {
			return fmt.Errorf("%w: semaphore %d", errCount, i)
		}
		if n, err = call(s.id, i); err == syscall.EINVAL {
			if ds, e := sys.SemStat(s.id); e == nil && uint64(i) >= ds.Count {
				return fmt.Errorf("%w: semaphore %d of a set of %d", errCount, i, ds.Count)
			}
		}
		return err
	})
	return n, err
}

// Value is the value of semaphore i (semctl GETVAL).
func (s *SemaphoreSet) Value(i int) (int, error) {
	return s.indexed("read value", i, sys.SemGetVal)
}

// SetValue sets the value of semaphore i (semctl SETVAL), wakes who waits for
// that, and forgets what processes would have undone of it.
func (s *SemaphoreSet) SetValue(i, value int) error {
	_, err := s.indexed("set value", i, func(id, i int) (int, error) {
		if value < 0 || value > maxValue {
			return 0, outOfRange(i, value)
		}
		return 0, sys.SemSetVal(id, i, value)
	})
	return err
}

// LastPID is the process that last changed semaphore i, 0 if none has (semctl
// GETPID). It may have ended.
func (s *SemaphoreSet) LastPID(i int) (int, error) {
	return s.indexed("read last process", i, sys.SemGetPID)
}

// WaitingForIncrease is how many threads wait for semaphore i to become larger
// (semctl GETNCNT). A Go process that uses this package has up to 8 threads for
// goroutines that wait for the same, however many those are.
func (s *SemaphoreSet) WaitingForIncrease(i int) (int, error) {
	return s.indexed("read waiters", i, sys.SemGetN)
}

// WaitingForZero is how many threads wait for semaphore i to become 0 (semctl
// GETZCNT), as WaitingForIncrease.
func (s *SemaphoreSet) WaitingForZero(i int) (int, error) {
	return s.indexed("read waiters", i, sys.SemGetZ)
}
