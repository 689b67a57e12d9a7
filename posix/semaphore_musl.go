package posix

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
	"github.com/isthmus-ipc/isthmus/internal/wait"
)

// muslSemaphore is sem_t of musl: words for the value, whose highest bit says
// that somebody may sleep, for the number of those who wait, and for what kind
// it is (src/thread/sem_timedwait.c, sem_post.c). The deaths leave what they do
// in glibc's.
type muslSemaphore struct{ value, waiters, mark *uint32 }

const mayWait = 1 << 31

func (m *muslSemaphore) check() error {
	switch mark := atomic.LoadUint32(m.mark); {
	case mark == 0 && atomic.LoadUint32(m.value) == asleep:
		return fmt.Errorf("%w: somebody waits for it by the rules of musl up to 1.2.3 (Libc: OldMusl)", isthmus.ErrCorrupt)
	case mark == 0:
		return nil
	case mark == sharedMark:
		return fmt.Errorf("%w: it is a semaphore of glibc (Libc: Glibc), or one that threads of a process share", isthmus.ErrCorrupt)
	}
	return fmt.Errorf("%w: it is no semaphore of musl", isthmus.ErrCorrupt)
}

func (m *muslSemaphore) take() bool {
	for {
		v := atomic.LoadUint32(m.value)
		if v&MaxValue == 0 {
			return false
		}
		if atomic.CompareAndSwapUint32(m.value, v, v-1) {
			return true
		}
	}
}

func (m *muslSemaphore) post() bool {
	for {
		v, n := atomic.LoadUint32(m.value), atomic.LoadUint32(m.waiters)
		if v&MaxValue == MaxValue {
			return false
		}
		next := v + 1
		if n <= 1 {
			next &^= mayWait
		}
		if atomic.CompareAndSwapUint32(m.value, v, next) {
			if v&mayWait != 0 {
				if n > 1 {
					sys.Wake(m.value, 1)
				} else {
					sys.Wake(m.value, math.MaxInt32)
				}
			}
			return true
		}
	}
}

func (m *muslSemaphore) wait(ctx context.Context, end *wait.Ending) error {
	for !m.take() {
		atomic.AddUint32(m.waiters, 1)
		atomic.CompareAndSwapUint32(m.value, 0, mayWait)
		err := wait.OnUntil(ctx, end, m.value, mayWait)
		n := atomic.AddUint32(m.waiters, math.MaxUint32)
		if err != nil {
			if n > 0 && atomic.LoadUint32(m.value)&MaxValue > 0 {
				sys.Wake(m.value, 1)
			}
			return err
		}
	}
	return nil
}

func (m *muslSemaphore) look() (value, waiters int) {
	return int(atomic.LoadUint32(m.value) & MaxValue), int(int32(atomic.LoadUint32(m.waiters)))
}

// oldMuslSemaphore is what musl up to 1.2.3 does with the same words: the value
// is -1 while it is 0 and somebody may sleep, and no bit of it says so else.
type oldMuslSemaphore struct{ muslSemaphore }

const asleep = math.MaxUint32 // -1

func (m *oldMuslSemaphore) check() error {
	v, mark := atomic.LoadUint32(m.value), atomic.LoadUint32(m.mark)
	if mark == 0 && v > MaxValue && v != asleep {
		return fmt.Errorf("%w: somebody waits for it by the rules of musl from 1.2.4 on (Libc: Musl)", isthmus.ErrCorrupt)
	}
	if mark == 0 {
		return nil
	}
	return m.muslSemaphore.check()
}

func (m *oldMuslSemaphore) take() bool {
	for {
		v := atomic.LoadUint32(m.value)
		if v == 0 || v > MaxValue {
			return false
		}
		next := v - 1
		if v == 1 && atomic.LoadUint32(m.waiters) != 0 {
			next = asleep
		}
		if atomic.CompareAndSwapUint32(m.value, v, next) {
			return true
		}
	}
}

func (m *oldMuslSemaphore) post() bool {
	for {
		v, n := atomic.LoadUint32(m.value), atomic.LoadUint32(m.waiters)
		if v == MaxValue {
			return false
		}
		next := v + 1
		if v > MaxValue {
			next = 1
		}
		if atomic.CompareAndSwapUint32(m.value, v, next) {
			if v > MaxValue || n != 0 {
				sys.Wake(m.value, 1)
			}
			return true
		}
	}
}

func (m *oldMuslSemaphore) wait(ctx context.Context, end *wait.Ending) error {
	for !m.take() {
		atomic.AddUint32(m.waiters, 1)
		atomic.CompareAndSwapUint32(m.value, 0, asleep)
		err := wait.OnUntil(ctx, end, m.value, asleep)
		n := atomic.AddUint32(m.waiters, math.MaxUint32)
		if err != nil {
			if v := atomic.LoadUint32(m.value); n > 0 && v != 0 && v <= MaxValue {
				sys.Wake(m.value, 1)
			}
			return err
		}
	}
	return nil
}

func (m *oldMuslSemaphore) look() (value, waiters int) {
	v := atomic.LoadUint32(m.value)
	if v > MaxValue {
		v = 0
	}
	return int(v), int(int32(atomic.LoadUint32(m.waiters)))
}
