// Package frame marks where a message begins and ends in a stream of bytes.
//
// A frame is, all numbers little-endian:
//
//	byte 0      0xB7
//	byte 1      the version, 1
//	byte 2      flags: 1 a type follows the header
//	byte 3      how many descriptors came with the frame, 0 to 253
//	bytes 4-7   the payload's length, unsigned
//	bytes 8-15  the type, signed, if flag 1 is set
//	then        the payload
//
// A reader checks a header before it believes the length, and gives memory for
// what has arrived, not for what was announced: see [Grow].
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

const (
	// HeaderSize is the number of bytes in a header without a type.
	HeaderSize = 8
	// MaxHeaderSize is the number of bytes in one with a type.
	MaxHeaderSize = 16
	// MaxFiles is the kernel's limit of descriptors (SCM_MAX_FD of net/scm.h).
	MaxFiles = 253
	// MaxLength is the longest payload that a header can announce.
	MaxLength = math.MaxUint32

	magic    = 0xB7
	version  = 1
	flagType = 1
)

var (
	// ErrMalformed is returned for bytes that are no header.
	ErrMalformed = errors.New("not a frame")
	// ErrTooLong is returned for a payload longer than the reader's maximum.
	ErrTooLong = errors.New("a frame is longer than the maximum")
)

// Header is what precedes a payload.
type Header struct {
	Length int   // bytes in the payload
	Type   int64 // 0 is not written
	Files  int   // descriptors that come with the frame
}

// Size is the number of bytes that the header takes.
func (h Header) Size() int {
	if h.Type != 0 {
		return MaxHeaderSize
	}
	return HeaderSize
}

// Put writes h to b and returns its size. It is up to the caller that Length
// and Files are in range.
func (h Header) Put(b *[MaxHeaderSize]byte) int {
	b[0], b[1], b[2], b[3] = magic, version, 0, byte(h.Files)
	binary.LittleEndian.PutUint32(b[4:], uint32(h.Length))
	if h.Type == 0 {
		return HeaderSize
	}
	b[2] = flagType
	binary.LittleEndian.PutUint64(b[8:], uint64(h.Type))
	return MaxHeaderSize
}

// Parse reads the header at the beginning of b. The size is 0, and the error
// nil, if b ends before the header does. A header that announces more than limit
// bytes is an ErrTooLong, and Length then says how many.
func Parse(b []byte, limit int) (h Header, size int, err error) {
	if len(b) < HeaderSize {
		return h, 0, prefix(b)
	}
	if err := prefix(b[:HeaderSize]); err != nil {
		return h, 0, err
	}
	size = HeaderSize
	if b[2] == flagType {
		size = MaxHeaderSize
	}
	if len(b) < size {
		return h, 0, nil
	}
	length := uint64(binary.LittleEndian.Uint32(b[4:]))
	if length > uint64(limit) {
		return Header{Length: int(min(length, math.MaxInt))}, 0, fmt.Errorf("%w: it has %d bytes, the maximum is %d", ErrTooLong, length, limit)
	}
	h.Length, h.Files = int(length), int(b[3])
	if size == MaxHeaderSize {
		h.Type = int64(binary.LittleEndian.Uint64(b[8:]))
	}
	return h, size, nil
}

// prefix checks as much of a header as there is.
func prefix(b []byte) error {
	switch {
	case len(b) > 0 && b[0] != magic:
		return fmt.Errorf("%w: it begins with byte %#02x, not %#02x", ErrMalformed, b[0], magic)
	case len(b) > 1 && b[1] != version:
		return fmt.Errorf("%w: it is of version %d, not %d", ErrMalformed, b[1], version)
	case len(b) > 2 && b[2]&^flagType != 0:
		return fmt.Errorf("%w: it has the unknown flags %#02x", ErrMalformed, b[2])
	case len(b) > 3 && b[3] > MaxFiles:
		return fmt.Errorf("%w: it announces %d descriptors, the limit is %d", ErrMalformed, b[3], MaxFiles)
	}
	return nil
}

// Step is how much memory a reader gives ahead of what has arrived, at least.
const Step = 64 << 10

// Grow returns a buffer that begins with what is in b, all of which arrived, and
// has room for more of a payload of length bytes: as much again as arrived, and
// at least Step bytes, so that an announced length costs its sender something.
func Grow(b []byte, length int) []byte {
	if len(b) < cap(b) {
		return b
	}
	room := min(length, max(2*len(b), Step))
	if room <= cap(b) {
		return b
	}
	bigger := make([]byte, len(b), room)
	copy(bigger, b)
	return bigger
}
