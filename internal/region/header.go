package region

import (
	"errors"
	"fmt"
	"hash/fnv"
	"structs"
	"sync/atomic"
	"unsafe"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// Layout constants; docs/LAYOUT.md describes every byte.
const (
	Major      = 1 // readers of another major refuse the file
	Minor      = 0 // higher minors only add what older readers may ignore
	HeaderSize = 4096

	magic     = "ISTHMUS\n"
	byteOrder = 0x01020304
	checked   = 256 // bytes that the checksum covers
)

// Kind is what a region holds.
type Kind uint32

// The kinds of regions.
const (
	Mailbox Kind = 1 + iota
	Inbox
	Registry
)

func (k Kind) String() string {
	switch k {
	case Mailbox:
		return "mailbox"
	case Inbox:
		return "process"
	case Registry:
		return "registry"
	}
	return fmt.Sprintf("kind %d", uint32(k))
}

// header begins every region. Its first 256 bytes never change once the
// region has a name.
type header struct {
	_        structs.HostLayout
	magic    [8]byte
	order    uint32
	major    uint16
	minor    uint16
	kind     uint32
	features uint32 // bits that a reader must know: 0 so far
	size     uint64
	created  int64 // nanoseconds since 1970
	creator  uint32
	_        uint32
	_        [80]byte
	geometry [14]uint64 // what the kind says, see package ring
	_        [8]byte
	sum      uint64 // FNV-1a of the 248 bytes before

	_       [256]byte
	removed atomic.Uint32 // 1: the name is gone or about to go
}

func sum(mem []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(mem[:checked-8])
	return h.Sum64()
}

// ErrVersion is returned for a region of another version of the layout.
var ErrVersion = errors.New("unknown layout")

// check reads the header once, and returns a private copy of what it says.
func check(mem []byte, fileSize int64, kind Kind) (Geometry, error) {
	var h header
	private := unsafe.Slice((*byte)(unsafe.Pointer(&h)), unsafe.Sizeof(h))
	copy(private[:checked], mem)
	corrupt := func(format string, args ...any) (Geometry, error) {
		return Geometry{}, fmt.Errorf("%w: %s", isthmus.ErrCorrupt, fmt.Sprintf(format, args...))
	}
	switch {
	case string(h.magic[:]) != magic:
		return corrupt("not a region of Isthmus (the file does not begin with its magic number)")
	case h.order != byteOrder:
		return corrupt("the region is of another byte order")
	case h.major != Major:
		return Geometry{}, fmt.Errorf("%w: %d.%d, this program knows %d.x: use one version of Isthmus on both sides", ErrVersion, h.major, h.minor, Major)
	case h.features != 0:
		return Geometry{}, fmt.Errorf("%w: features %#x are from a later version", ErrVersion, h.features)
	case h.sum != sum(private):
		return corrupt("the header's checksum is wrong")
	case Kind(h.kind) != kind:
		return corrupt("it is a %v, not a %v", Kind(h.kind), kind)
	case h.size < HeaderSize || fileSize < 0 || h.size > uint64(fileSize):
		return corrupt("the file has %d bytes, its header says %d: it was truncated", fileSize, h.size)
	}
	return Geometry{Size: int64(h.size), Created: h.created, Creator: int(h.creator), Words: h.geometry}, nil
}

// Geometry is the private copy of a region's header.
type Geometry struct {
	Size    int64
	Created int64 // nanoseconds since 1970
	Creator int   // PID
	Words   [14]uint64
}

func head(mem []byte) *header { return (*header)(unsafe.Pointer(unsafe.SliceData(mem))) }
