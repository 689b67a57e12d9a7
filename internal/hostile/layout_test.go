//go:build linux

package hostile

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"os"
	"syscall"
	"testing"
	"unsafe"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// The layout, as docs/LAYOUT.md has it, written down a second time: an attacker
// has no use for the packages' own constants.
const (
	membersAt = 1024
	tailAt    = 1152
	headAt    = 1280
	totalsAt  = 1408
	bitsAt    = 2048
	partsAt   = 4096
	partSize  = 256
	slotSize  = 128
	removedAt = 512
	geoAt     = 128
	sumAt     = 248
)

type layout struct {
	slots, maxMessage, parts, units, unit uint64
	cells, slotsAt, unitsAt, arenaAt      uint64
}

func up(n, to uint64) uint64 { return (n + to - 1) / to * to }

func layoutOf(b []byte) layout {
	w := func(i int) uint64 { return binary.LittleEndian.Uint64(b[geoAt+8*i:]) }
	l := layout{slots: w(1), maxMessage: w(2), parts: w(3), units: w(4), unit: w(5)}
	l.cells = partsAt + l.parts*partSize
	l.slotsAt = up(l.cells+l.parts*3*64, slotSize)
	l.unitsAt = l.slotsAt + l.slots*slotSize
	l.arenaAt = l.unitsAt + l.units*8
	if l.units > 0 {
		l.arenaAt = up(l.arenaAt, 4096)
	}
	return l
}

// seal recomputes a header's checksum.
func seal(b []byte) {
	h := fnv.New64a()
	_, _ = h.Write(b[:sumAt])
	binary.LittleEndian.PutUint64(b[sumAt:], h.Sum64())
}

// mapFile maps a file as an attacker does, who asks nobody.
func mapFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return syscall.Mmap(int(f.Fd()), 0, int(st.Size()), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
}

func mapped(t testing.TB, path string) []byte {
	t.Helper()
	b, err := mapFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(b) })
	return b
}

func word64(b []byte, at uint64) *uint64 { return (*uint64)(unsafe.Pointer(&b[at])) }
func word32(b []byte, at uint64) *uint32 { return (*uint32)(unsafe.Pointer(&b[at])) }

// TestLayout proves that the scribblers aim at what they mean to hit.
func TestLayout(t *testing.T) {
	cfg := mailbox.Config{Dir: shmDir(t), Capacity: mailbox.Bounded(6), MaxMessage: 3000, Memory: 8000, Participants: 3}
	m := create(t, cfg)
	for _, size := range []int{5, 2000} {
		if err := m.Send(context.Background(), isthmus.Message{Data: make([]byte, size), Type: 77}); err != nil {
			t.Fatal(err)
		}
	}
	b := mapped(t, boxPath(cfg.Dir))
	l := layoutOf(b)
	if l.slots != 6 || l.parts != 3 || l.maxMessage != 3000 || l.units*l.unit < 8000 {
		t.Fatalf("geometry: %+v", l)
	}
	if end := up(l.arenaAt+l.units*l.unit, 4096); end != uint64(len(b)) {
		t.Errorf("the file has %d bytes, the layout %d", len(b), end)
	}
	one := l.slotsAt + slotSize
	if p, s := *word64(b, one)&7, *word32(b, one+16); p != 3 || s != 2000 || *word64(b, one+24) != 77 {
		t.Errorf("slot 1: phase %d, size %d, type %d", p, s, *word64(b, one+24))
	}
	taken := uint64(0)
	for i := range l.units {
		taken |= *word64(b, l.unitsAt+8*i)
	}
	if taken>>62 == 0 {
		t.Error("no unit belongs to anybody, though a message must lie in one")
	}
	if *word32(b, partsAt) != 1 || *word32(b, partsAt+8) != uint32(os.Getpid()) || *word64(b, partsAt+208) != 2 {
		t.Error("participant 0 is not this process, with two messages sent")
	}
	if *word32(b, membersAt) == 0 {
		t.Error("nobody ever joined")
	}
	was := *word64(b, sumAt)
	if seal(b); *word64(b, sumAt) != was {
		t.Error("the checksum is another one")
	}
}
