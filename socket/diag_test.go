//go:build linux

package socket

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// message builds a netlink message.
func message(typ uint16, body []byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(nlHeader+len(body)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, make([]byte, 10)...)
	b = append(b, body...)
	return append(b, make([]byte, -len(b)&3)...)
}

func attribute(typ uint16, body []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(body)))
	b = append(binary.NativeEndian.AppendUint16(b, typ), body...)
	return append(b, make([]byte, -len(b)&3)...)
}

func numbers(n ...uint32) (b []byte) {
	for _, n := range n {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	return b
}

func sample() []byte {
	body := append([]byte{1, 5, 1, 0}, numbers(4711, 1, 2)...)
	body = append(body, attribute(attrName, []byte("\x00hidden"))...)
	body = append(body, attribute(attrPeer, numbers(4712))...)
	body = append(body, attribute(attrQueues, numbers(3, 4))...)
	body = append(body, attribute(attrUID, numbers(1000))...)
	body = append(body, attribute(99, []byte("of a later kernel"))...)
	return message(nlDiag, body)
}

func TestParse(t *testing.T) {
	var table Table
	done, err := table.parse(append(sample(), message(nlDone, numbers(0))...))
	if !done || err != nil || len(table.Sockets) != 1 {
		t.Fatalf("%v, %v, %+v", done, err, table)
	}
	s := table.Sockets[0]
	if s.Network != UnixPacket || s.Inode != 4711 || s.Peer != 4712 || s.Name != "@hidden" || s.Queued != 3 || s.Unread != 4 || s.UID != 1000 || s.State != Connected {
		t.Errorf("%+v", s)
	}
	for _, b := range [][]byte{{1}, message(nlDiag, []byte{1}), sample()[:40], message(nlDiag, append(make([]byte, 16), 3, 0, 0, 0)), message(nlDiag, append(make([]byte, 16), attribute(attrPeer, []byte{1})...))} {
		if _, err := table.parse(b); !errors.Is(err, isthmus.ErrCorrupt) {
			t.Errorf("% x: %v", b, err)
		}
	}
	if _, err := table.parse(message(nlError, numbers(^uint32(1)))); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "unix_diag") {
		t.Errorf("a kernel without unix_diag: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample())
	f.Add(append(sample(), message(nlDone, numbers(0))...))
	f.Add(message(nlError, numbers(^uint32(1))))
	f.Fuzz(func(t *testing.T, b []byte) {
		var table Table
		_, _ = table.parse(b)
		if len(table.Sockets) > len(b)/(nlHeader+diagHeader) {
			t.Fatalf("%d sockets in %d bytes", len(table.Sockets), len(b))
		}
	})
}

// FuzzInflow feeds any bytes, in any pieces, to the reader of frames: it never
// panics, and hands out no more than came.
func FuzzInflow(f *testing.F) {
	f.Add([]byte{0xB7, 1, 0, 0, 3, 0, 0, 0, 'a', 'b', 'c', 0xB7, 1, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, uint8(3))
	f.Add([]byte{0xB7, 1, 0, 9, 0, 0, 0, 0}, uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, piece uint8) {
		feedInflow(t, b, int(piece)+1)
	})
}
