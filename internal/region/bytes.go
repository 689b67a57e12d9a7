package region

import (
	"fmt"
	"unsafe"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// GuardBytes is [Region.Guard] for a mapping of somebody else's layout:
//
//	defer region.GuardBytes(mem, region.Faults(), &err)
//
// A fault within mem becomes an ErrCorrupt; any other panic goes on.
func GuardBytes(mem []byte, old bool, err *error) {
	Unfault(old)
	p := recover()
	if p == nil {
		return
	}
	f, ok := p.(interface{ Addr() uintptr })
	if !ok || !covers(mem, f.Addr()) {
		panic(p)
	}
	*err = fmt.Errorf("%w: the file was truncated under its users", isthmus.ErrCorrupt)
}

// covers tells whether a is in one of the pages that mem is on: a fault's
// address may be that of its page.
func covers(mem []byte, a uintptr) bool {
	const page = 64 << 10 // the largest of any system that Go runs on
	if len(mem) == 0 {
		return false
	}
	base := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	return a >= base&^(page-1) && a < base+uintptr(len(mem))
}

// Word32 is the word at byte off of mem.
func Word32(mem []byte, off int) (*uint32, error) { return word[uint32](mem, off) }

// Word64 is the double word at byte off of mem.
func Word64(mem []byte, off int) (*uint64, error) { return word[uint64](mem, off) }

func word[T uint32 | uint64](mem []byte, off int) (*T, error) {
	size := int(unsafe.Sizeof(T(0)))
	if off < 0 || len(mem) < size || off > len(mem)-size {
		return nil, fmt.Errorf("%d bytes at %d are not within the %d given", size, off, len(mem))
	}
	p := unsafe.Pointer(&mem[off])
	if uintptr(p)%uintptr(size) != 0 {
		return nil, fmt.Errorf("the address is not a multiple of %d", size)
	}
	return (*T)(p), nil
}

// Intact tells whether all pages of mem can be read just now.
func Intact(mem []byte) bool {
	var err error
	func() {
		defer GuardBytes(mem, Faults(), &err)
		var sum byte
		for i := 0; i < len(mem); i += 4096 {
			sum += loadByte(&mem[i])
		}
		_ = sum
	}()
	return err == nil
}

// loadByte is a load that the compiler keeps.
//
//go:noinline
func loadByte(p *byte) byte { return *p }
