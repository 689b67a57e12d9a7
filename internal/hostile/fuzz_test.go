//go:build linux

package hostile

import (
	"context"
	"encoding/binary"
	"os"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// fuzzBoxes are mailboxes that the fuzzer may pick from, each with something
// in it: messages, small and large, a claim, a loan, an end behind it.
var fuzzBoxes = []mailbox.Config{
	{Capacity: mailbox.Bounded(5), MaxMessage: 3000, Memory: 16 << 10, Participants: 3},
	{Capacity: mailbox.Bounded(8), MaxMessage: 64, Participants: 2},
	{Capacity: mailbox.Zero, MaxMessage: 300, Participants: 4},
	{Capacity: mailbox.Unbounded, MaxMessage: 2000, Memory: 256 << 10, Participants: 3},
}

// specimens are the bytes of such mailboxes, without users: a participant
// without a token is a dead one, which the first to come repairs.
func specimens(t testing.TB) [][]byte {
	var all [][]byte
	for _, cfg := range fuzzBoxes {
		cfg.Dir = shmDir(t)
		m := create(t, cfg)
		for i := range 3 {
			_ = m.TrySend(isthmus.Message{Data: make([]byte, i*cfg.MaxMessage/2), Type: int64(i)})
		}
		_, _ = m.TryReceive()
		_, _ = m.TryClaim()
		_, _ = m.TryLoan(cfg.MaxMessage)
		b, err := os.ReadFile(boxPath(cfg.Dir))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// patch writes the fuzzer's bytes into a mailbox. data is a row of patches
// {where: 1 byte, offset: 2, length: 1, bytes}: offsets count from the header,
// the control words, the participants, the slots or the units on.
func patch(b []byte, l layout, data []byte) {
	from := [8]uint64{0, membersAt, bitsAt, partsAt, l.cells, l.slotsAt, l.unitsAt, l.arenaAt}
	for len(data) >= 4 {
		at := from[data[0]%8] + uint64(binary.LittleEndian.Uint16(data[1:]))
		n := min(int(data[3]), len(data)-4)
		if at < uint64(len(b)) {
			copy(b[at:], data[4:4+n])
		}
		data = data[4+n:]
	}
}

const (
	fuzzSeal = 1 << 4 // make the checksum right again
	fuzzLate = 1 << 5 // patch when it is open already
)

// FuzzRegion opens a mailbox in which somebody changed some bytes, and does
// everything with it once.
func FuzzRegion(f *testing.F) {
	all := specimens(f)
	for i := range all {
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i)|fuzzSeal, []byte{0, 128, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0})
		f.Add(uint8(i)|fuzzLate, []byte{5, 0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 5, 16, 0, 8, 255, 255, 255, 255, 1, 0, 0, 0})
		f.Add(uint8(i)|fuzzLate, []byte{5, 56, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255, 6, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 64})
		f.Add(uint8(i)|fuzzLate, []byte{1, 128, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255, 3, 208, 0, 16})
	}
	f.Fuzz(func(t *testing.T, how uint8, data []byte) {
		i := int(how) % len(all)
		cfg := fuzzBoxes[i]
		cfg.Dir = shmDir(t)
		b := append([]byte(nil), all[i]...)
		l := layoutOf(b)
		if how&fuzzLate == 0 {
			patch(b, l, data)
		}
		if how&fuzzSeal != 0 {
			seal(b)
		}
		if err := os.WriteFile(boxPath(cfg.Dir), b, 0o600); err != nil {
			t.Fatal(err)
		}
		within(3*bound, "a fuzzed mailbox", func() { fuzzed(t, cfg, l, how, data) })
	})
}

func fuzzed(t *testing.T, cfg mailbox.Config, l layout, how uint8, data []byte) {
	m, err := mailbox.Attach("box", &cfg)
	if err := typed("attach", err); err != nil {
		t.Error(err)
	}
	if err != nil {
		return
	}
	if how&fuzzLate != 0 {
		patch(mapped(t, boxPath(cfg.Dir)), l, data)
	}
	u := newUser(m, cfg, uint64(len(data)))
	if how&fuzzSeal != 0 {
		u.max = 1 << 32 // it may be another mailbox now
		u.buf = make([]byte, 1<<20)
	}
	past, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	for _, a := range acts {
		for _, patience := range []context.Context{past, nil} {
			ctx, cancel := patience, func() {}
			if ctx == nil {
				ctx, cancel = context.WithTimeout(context.Background(), 200*time.Microsecond)
			}
			if err := typed(a.name, a.do(u, ctx)); err != nil {
				t.Error(err)
			}
			cancel()
		}
	}
	if err := typed("close", m.Close()); err != nil {
		t.Error(err)
	}
}
