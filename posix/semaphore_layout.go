package posix

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/sys"
	"github.com/isthmus-ipc/isthmus/internal/wait"
)

// Libc is a C library: each has semaphores of its own.
type Libc int

const (
	// Glibc is the GNU C library, 64-bit. The file of a named semaphore is
	// /dev/shm/sem.NAME.
	Glibc Libc = iota
	// Musl is musl from 1.2.4 on. The file is /dev/shm/NAME.
	Musl
	// OldMusl is musl up to 1.2.3, which does something else with the same
	// bytes. It can lose a wake-up (1.2.4 mended that), and so can what shares
	// a semaphore with it.
	OldMusl
)

func (l Libc) String() string {
	switch l {
	case Glibc:
		return "glibc"
	case Musl:
		return "musl"
	case OldMusl:
		return "musl up to 1.2.3"
	}
	return "unknown C library"
}

// layout is what a C library does with the bytes of a semaphore. A fault in any
// of its methods is the caller's to guard.
type layout interface {
	check() error
	take() bool
	post() bool // false: the value would be too high
	wait(ctx context.Context, end *wait.Ending) error
	look() (value, waiters int)
}

// sharedMark is what both libraries keep in a word: FUTEX_PRIVATE_FLAG. With
// glibc it marks a semaphore that processes share, with musl one that they do not.
const sharedMark = 128

// fresh is a new semaphore that processes share.
func (l Libc) fresh(value uint32) ([]byte, error) {
	b := make([]byte, SemaphoreSize)
	switch l {
	case Glibc:
		binary.NativeEndian.PutUint64(b, uint64(value))
		binary.NativeEndian.PutUint32(b[8:], sharedMark)
	case Musl, OldMusl:
		binary.NativeEndian.PutUint32(b, value)
	default:
		return nil, fmt.Errorf("%w: %v", errors.ErrUnsupported, l)
	}
	return b, nil
}

func newLayout(mem []byte, l Libc) (layout, error) {
	if strconv.IntSize != 64 {
		return nil, fmt.Errorf("%w: only the semaphores of 64-bit C libraries are known", errors.ErrUnsupported)
	}
	data, err := region.Word64(mem, 0)
	if err != nil {
		return nil, err
	}
	var words [4]*uint32
	for i := range words {
		if words[i], err = region.Word32(mem, 4*i); err != nil {
			return nil, err
		}
	}
	switch l {
	case Glibc:
		low := words[0]
		if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
			low = words[1]
		}
		return &glibcSemaphore{data: data, value: low, mark: words[2]}, nil
	case Musl:
		return &muslSemaphore{words[0], words[1], words[2]}, nil
	case OldMusl:
		return &oldMuslSemaphore{muslSemaphore{words[0], words[1], words[2]}}, nil
	}
	return nil, fmt.Errorf("%w: %v", errors.ErrUnsupported, l)
}

// glibcSemaphore is struct new_sem of sysdeps/nptl/internaltypes.h where there
// are 64-bit atomics: the value is the lower half of data, the number of those
// who wait the upper half (nptl/sem_waitcommon.c).
//
//	who        does                                   a death after it leaves
//	taker      data-1 if value > 0                    a value less by 1, for ever
//	waiter     data+1<<32; sleeps while value is 0    a waiter too many: a needless wake for each post
//	           then data-1-1<<32                      as a taker
//	poster     data+1; wakes one if there are waiters a sleeper that is not woken, until the next post
//
// A sleeper that leaves because its context ended may have been the one who was
// woken. So it wakes another one if there is something to take.
type glibcSemaphore struct {
	data  *uint64
	value *uint32 // the futex: the lower half
	mark  *uint32
}

const oneWaiter = 1 << 32

func (g *glibcSemaphore) check() error {
	data, mark := atomic.LoadUint64(g.data), atomic.LoadUint32(g.mark)
	switch {
	case mark == sharedMark && uint32(data) <= MaxValue:
		return nil
	case mark == sharedMark:
		return fmt.Errorf("%w: a semaphore of glibc has no value of %d", isthmus.ErrCorrupt, uint32(data))
	case mark == 0 && data>>32 == sharedMark:
		return fmt.Errorf("%w: it looks like a semaphore of a 32-bit program, which those of 64 bits cannot share", isthmus.ErrCorrupt)
	case mark == 0:
		return fmt.Errorf("%w: it is no semaphore of glibc that processes share: musl's (Libc: Musl), or one that threads of a process share", isthmus.ErrCorrupt)
	}
	return fmt.Errorf("%w: it is no semaphore of glibc", isthmus.ErrCorrupt)
}

func (g *glibcSemaphore) take() bool {
	for {
		d := atomic.LoadUint64(g.data)
		if uint32(d) == 0 {
			return false
		}
		if atomic.CompareAndSwapUint64(g.data, d, d-1) {
			return true
		}
	}
}

func (g *glibcSemaphore) post() bool {
	for {
		d := atomic.LoadUint64(g.data)
		if uint32(d) >= MaxValue {
			return false
		}
		if atomic.CompareAndSwapUint64(g.data, d, d+1) {
			if d>>32 > 0 {
				sys.Wake(g.value, 1)
			}
			return true
		}
	}
}

func (g *glibcSemaphore) wait(ctx context.Context, end *wait.Ending) error {
	atomic.AddUint64(g.data, oneWaiter)
	for {
		d := atomic.LoadUint64(g.data)
		if uint32(d) == 0 {
			if err := wait.OnUntil(ctx, end, g.value, 0); err != nil {
				d := atomic.AddUint64(g.data, math.MaxUint64-oneWaiter+1)
				if uint32(d) > 0 && d>>32 > 0 {
					sys.Wake(g.value, 1)
				}
				return err
			}
			continue
		}
		if atomic.CompareAndSwapUint64(g.data, d, d-1-oneWaiter) {
			return nil
		}
	}
}

func (g *glibcSemaphore) look() (value, waiters int) {
	d := atomic.LoadUint64(g.data)
	return int(uint32(d)), int(d >> 32)
}
