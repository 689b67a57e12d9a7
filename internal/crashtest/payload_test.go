//go:build linux

package crashtest

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// A payload is {id: 8 bytes, checksum of the rest and the id: 4 bytes, noise}:
// a message of which a byte is missing, or another's, is found out.
const minPayload = 12

func payload(id uint64, size int) []byte {
	b := make([]byte, max(size, minPayload))
	fill(b, id)
	return b
}

// fill makes b, of at least minPayload bytes, the payload of message id.
func fill(b []byte, id uint64) {
	binary.LittleEndian.PutUint64(b, id)
	noise := rand.NewPCG(id, uint64(len(b)))
	for i := minPayload; i < len(b); i++ {
		b[i] = byte(noise.Uint64())
	}
	binary.LittleEndian.PutUint32(b[8:], sum(b))
}

func sum(b []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(b[:8]), crc32.IEEETable, b[minPayload:])
}

// identify checks that a message is whole, and returns its id. The id is in
// the message's type as well, which travels apart from the payload.
func identify(m *isthmus.Message) (uint64, error) {
	if len(m.Data) < minPayload {
		return 0, fmt.Errorf("a message of %d bytes, which nobody sent", len(m.Data))
	}
	id := binary.LittleEndian.Uint64(m.Data)
	switch {
	case binary.LittleEndian.Uint32(m.Data[8:]) != sum(m.Data):
		return 0, fmt.Errorf("message %d (%d bytes) is half-written: wrong checksum", id, len(m.Data))
	case m.Type != int64(id):
		return 0, fmt.Errorf("message %d has the type of message %d", id, m.Type)
	}
	return id, nil
}

func message(id uint64, size int) isthmus.Message {
	return isthmus.Message{Data: payload(id, size), Type: int64(id)}
}
