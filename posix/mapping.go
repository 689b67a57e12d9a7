package posix

import (
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Mapping is bytes of a shared memory object in this process's memory. Other
// processes can change them at any time, and cut them off (Resize).
//
// ReadAt, WriteAt and Do may be called from several goroutines at once. They
// order nothing: who shares bytes needs something that says whose turn it is,
// a Semaphore for instance.
type Mapping struct {
	mu       sync.RWMutex
	mem      []byte
	name     string
	readOnly bool
}

// Map maps n bytes at off, which is a multiple of the page size; n 0: all from
// off to the object's end. A mapping lasts until its own Close.
func (m *SharedMemory) Map(off int64, n int) (*Mapping, error) {
	mem, err := m.mapped(off, n)
	if err != nil {
		return nil, wrap("map", memoryMechanism, m.name, err)
	}
	return &Mapping{mem: mem, name: m.name, readOnly: m.readOnly}, nil
}

func (m *SharedMemory) mapped(off int64, n int) ([]byte, error) {
	st, err := m.stat()
	if err != nil {
		return nil, err
	}
	bad := func(format string, a ...any) error {
		return &explained{text: fmt.Sprintf(format, a...), errno: syscall.EINVAL}
	}
	page := int64(os.Getpagesize())
	switch {
	case off < 0 || off%page != 0:
		return nil, bad("offset %d is not a multiple of the page size, %d", off, page)
	case n < 0 || off > st.Size || int64(n) > st.Size-off:
		return nil, bad("%d bytes at %d are not within the object's %d", n, off, st.Size)
	case n == 0 && st.Size-off > int64(^uint(0)>>1):
		return nil, bad("%d bytes are more than can be mapped", st.Size-off)
	case n == 0:
		n = int(st.Size - off)
	}
	if n == 0 {
		return nil, bad("there is nothing to map at %d: the object has %d bytes", off, st.Size)
	}
	return sys.MapShm(m.f, off, n, m.readOnly)
}

// Len is the number of bytes.
func (v *Mapping) Len() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.mem)
}

// Bytes is the memory itself, until Close: nil after it. A slice that is used
// after Close, or beyond the end of an object that was cut short, is a fault
// that ends the process; in a function that Do calls the latter is an error. A
// write to a ReadOnly mapping is a fault, too.
func (v *Mapping) Bytes() []byte {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.mem
}

// Do calls use with the memory, and makes a fault of use's own goroutine in it
// an error: isthmus.ErrCorrupt if the object was cut short, and an EACCES for
// writing to a ReadOnly mapping. Close waits until use returns.
func (v *Mapping) Do(use func(mem []byte) error) error {
	return wrap("use", memoryMechanism, v.name, v.do(use))
}

func (v *Mapping) do(use func(mem []byte) error) (err error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.mem == nil {
		return isthmus.ErrClosed
	}
	defer v.explain(&err)
	defer region.GuardBytes(v.mem, region.Faults(), &err)
	return use(v.mem)
}

// explain looks whether a fault came of writing where one must not: the memory
// is there to be read.
func (v *Mapping) explain(err *error) {
	if !v.readOnly || *err == nil || !region.Intact(v.mem) {
		return
	}
	if e, ok := (*err).(interface{ Unwrap() error }); ok && e.Unwrap() == isthmus.ErrCorrupt {
		*err = &explained{text: "this mapping is for reading only", errno: syscall.EACCES}
	}
}

// ReadAt copies from the memory (io.ReaderAt). It is an isthmus.ErrCorrupt if
// the object was cut short.
func (v *Mapping) ReadAt(p []byte, off int64) (n int, err error) {
	err = v.do(func(mem []byte) error {
		if off < 0 || off > int64(len(mem)) {
			return &explained{text: fmt.Sprintf("offset %d is not within %d bytes", off, len(mem)), errno: syscall.EINVAL}
		}
		n = copy(p, mem[off:])
		return nil
	})
	if err == nil && n < len(p) {
		return n, io.EOF
	}
	return n, wrap("read", memoryMechanism, v.name, err)
}

// WriteAt copies to the memory (io.WriterAt). It writes all of p or, if that
// does not fit, nothing. It is an isthmus.ErrCorrupt if the object was cut short.
func (v *Mapping) WriteAt(p []byte, off int64) (n int, err error) {
	err = v.do(func(mem []byte) error {
		if v.readOnly {
			return &explained{text: "this mapping is for reading only", errno: syscall.EACCES}
		}
		if off < 0 || off > int64(len(mem)) || int64(len(p)) > int64(len(mem))-off {
			return &explained{text: fmt.Sprintf("%d bytes at %d are not within the %d of the mapping", len(p), off, len(mem)), errno: syscall.EINVAL, is: isthmus.ErrTooLarge}
		}
		n = copy(mem[off:], p)
		return nil
	})
	return n, wrap("write", memoryMechanism, v.name, err)
}

// Close ends the mapping, when Do, ReadAt and WriteAt have returned. What Bytes
// gave must not be used any more.
func (v *Mapping) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.mem == nil {
		return wrap("unmap", memoryMechanism, v.name, isthmus.ErrClosed)
	}
	mem := v.mem
	v.mem = nil
	return wrap("unmap", memoryMechanism, v.name, sys.Unmap(mem))
}
