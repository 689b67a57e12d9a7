package region

import (
	"fmt"
	"unsafe"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// View is n values of type T, which must hold no pointers, at byte off of the
// region. What it shows can change at any time.
func View[T any](r *Region, off, n uint64) ([]T, error) {
	var zero T
	size := uint64(unsafe.Sizeof(zero))
	if off%uint64(unsafe.Alignof(zero)) != 0 || off > uint64(len(r.mem)) || n > (uint64(len(r.mem))-off)/size {
		return nil, fmt.Errorf("%w: %d × %d bytes at %d are not within the %d of the region", isthmus.ErrCorrupt, n, size, off, len(r.mem))
	}
	if n == 0 {
		return nil, nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&r.mem[off])), n), nil
}

// within tells whether address a is in the mapping.
func (r *Region) within(a uintptr) bool {
	if len(r.mem) == 0 {
		return false
	}
	base := uintptr(unsafe.Pointer(unsafe.SliceData(r.mem)))
	return a >= base && a-base < uintptr(len(r.mem))
}
