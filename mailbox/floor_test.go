//go:build linux

package mailbox_test

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

// The floors that the benchmarks are held against: what the machine itself
// takes, in the same run, for the bare exchange.

// floor: one cache line goes to and fro between two processes that spin.
type line struct {
	v atomic.Uint32
	_ [124]byte
}

func words(f *os.File) []line {
	mem, err := syscall.Mmap(int(f.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return unsafe.Slice((*line)(unsafe.Pointer(&mem[0])), 32)
}

// page is a file of one page of shared memory.
func page(b *testing.B) *os.File {
	b.Helper()
	f, err := os.CreateTemp("/dev/shm", "floor")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	if err := errors.Join(os.Remove(f.Name()), f.Truncate(4096)); err != nil {
		b.Fatal(err)
	}
	return f
}

func floorPeer([]string) error {
	w := words(os.NewFile(3, "floor"))
	fmt.Println("ready")
	for i := uint32(1); ; i += 2 {
		for w[0].v.Load() != i {
			if w[1].v.Load() != 0 {
				return nil
			}
		}
		w[0].v.Store(i + 1)
	}
}

func BenchmarkFloor(b *testing.B) {
	f := page(b)
	p := proctest.Start(b, proctest.Options{Files: []*os.File{f}}, "floor")
	p.Expect("ready")
	w := words(f)
	i := uint32(1)
	for b.Loop() {
		w[0].v.Store(i)
		for w[0].v.Load() != i+1 {
		}
		i += 2
	}
	w[1].v.Store(1)
	p.Wait()
}

// parcel is a message of 64 bytes with a word that says that it is there: two
// cache lines, as in a slot.
type parcel struct {
	turn atomic.Uint32
	_    [52]byte
	data [64]byte
	_    [8]byte
}

func parcels(f *os.File) []parcel { return unsafe.Slice((*parcel)(unsafe.Pointer(&words(f)[0])), 16) }

// take waits for the parcel of turn i and copies it out; it is false if all is over.
func take(in *parcel, data []byte, i uint32, stopped *atomic.Uint32) bool {
	for in.turn.Load() != i {
		if stopped.Load() != 0 {
			return false
		}
	}
	copy(data, in.data[:])
	return true
}

func floorMessagePeer([]string) error {
	p, data := parcels(os.NewFile(3, "floor")), make([]byte, 64)
	fmt.Println("ready")
	for i := uint32(1); take(&p[0], data, i, &p[2].turn); i++ {
		copy(p[1].data[:], data)
		p[1].turn.Store(i)
	}
	return nil
}

// BenchmarkFloorMessage is the bare exchange of 64 bytes, copied in and out: one
// sender, one receiver, one place each way, no queue, and nothing survives.
func BenchmarkFloorMessage(b *testing.B) {
	f := page(b)
	child := proctest.Start(b, proctest.Options{Files: []*os.File{f}}, "floorMessage")
	child.Expect("ready")
	p, data := parcels(f), make([]byte, 64)
	i := uint32(1)
	for b.Loop() {
		copy(p[0].data[:], data)
		p[0].turn.Store(i)
		take(&p[1], data, i, &p[2].turn)
		i++
	}
	p[2].turn.Store(1)
	child.Wait()
}

func futexWait(a *uint32, v uint32) {
	_, _, _ = syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(a)), 0, uintptr(v), 0, 0, 0)
}
func futexWake(a *uint32) {
	_, _, _ = syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(a)), 1, 1, 0, 0, 0)
}

func futexPeer([]string) error {
	w := words(os.NewFile(3, "floor"))
	a, c := (*uint32)(unsafe.Pointer(&w[0])), (*uint32)(unsafe.Pointer(&w[1]))
	fmt.Println("ready")
	for i := uint32(1); ; i++ {
		for atomic.LoadUint32(a) != i {
			futexWait(a, i-1)
		}
		if w[2].v.Load() != 0 {
			return nil
		}
		atomic.StoreUint32(c, i)
		futexWake(c)
	}
}

// BenchmarkFutex is the floor of a round trip in which both sides sleep.
func benchFutex(b *testing.B, wrap ...string) {
	f := page(b)
	p := proctest.Start(b, proctest.Options{Files: []*os.File{f}, Wrap: wrap}, "futex")
	p.Expect("ready")
	w := words(f)
	a, c := (*uint32)(unsafe.Pointer(&w[0])), (*uint32)(unsafe.Pointer(&w[1]))
	i := uint32(0)
	trip := func() {
		i++
		atomic.StoreUint32(a, i)
		futexWake(a)
		for atomic.LoadUint32(c) != i {
			futexWait(c, i-1)
		}
	}
	for b.Loop() {
		trip()
	}
	w[2].v.Store(1)
	i++
	atomic.StoreUint32(a, i)
	futexWake(a)
	p.Wait()
}

func BenchmarkFutex(b *testing.B) { benchFutex(b) }
