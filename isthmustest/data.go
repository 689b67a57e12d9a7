package isthmustest

import (
	"bytes"
	"errors"
	"math"
	"os"
	"slices"

	isthmus "github.com/isthmus-ipc/isthmus"
)

var dataChecks = []check{
	{"Data", testData, nil},
	{"Types", testTypes, nil},
	{"TooLarge", testTooLarge, nil},
	{"SmallBuffer", testSmallBuffer, func(m *Mechanism, _ place) bool { return m.Into }},
	{"SenderReusesBuffer", testSenderReuses, stores},
	{"ReceiverOwnsData", testReceiverOwns, func(_ *Mechanism, p place) bool { return p != receiverElsewhere }},
	{"From", testFrom, func(m *Mechanism, _ place) bool { return m.Identity }},
	{"NoPriority", testNoPriority, func(m *Mechanism, _ place) bool { return !m.Priorities }},
	{"Priority", testPriority, func(m *Mechanism, p place) bool { return m.Priorities && stores(m, p) }},
}

// sizes are those at which implementations change their ways.
func (f *fixture) sizes() []int {
	sizes := []int{0, 1, 7, 8, 63, 64, 65, 71, 72, 73, 127, 128, 1023, 1024, 1025, 4095, 4096, 4097, f.m.MaxMessage - 1, f.m.MaxMessage}
	sizes = slices.DeleteFunc(sizes, func(n int) bool { return n > f.m.MaxMessage })
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

// testData passes every size by every pair of calls.
func testData(f *fixture) {
	s, r := f.sender(), f.receiver()
	untyped, _ := f.m.typeOf(0)
	for _, by := range f.sendVerbs() {
		for _, with := range f.receiveVerbs() {
			if f.m.Capacity == isthmus.Zero && by == trySend && (with == tryReceive || with == tryReceiveInto) {
				continue // neither waits for the other: see RendezvousNeedsOneThatWaits
			}
			for _, n := range f.sizes() {
				data := bytes.Repeat([]byte{0, 1, 0xff, '\n'}, n/4+1)[:n]
				got := f.pass(s, r, by, with, isthmus.Message{Data: data})
				if !bytes.Equal(got.Data, data) {
					f.Fatalf("%s, %s: sent %d bytes, received %d other ones", by, with, n, len(got.Data))
				}
				if got.Redelivered != 0 || got.Priority != 0 || got.Type != untyped {
					f.Fatalf("%s, %s: received %+v", by, with, got)
				}
			}
		}
	}
	r.empty()
}

func testTypes(f *fixture) {
	s, r := f.sender(), f.receiver()
	for _, by := range f.sendVerbs() {
		for _, typ := range []int64{1, -1, math.MaxInt32 + 1, math.MaxInt64, math.MinInt64} {
			m := isthmus.Message{Data: number(0).Data, Type: typ}
			want, ok := f.m.typeOf(typ)
			if !ok {
				f.refused(s.do(by, m), errors.ErrUnsupported, by)
				continue
			}
			if got := f.pass(s, r, by, receive, m); got.Type != want {
				f.Fatalf("%s: sent type %d, received %d, want %d", by, typ, got.Type, want)
			}
		}
	}
	r.empty()
}

// testTooLarge proves that a message too large is refused, and harms nothing.
func testTooLarge(f *fixture) {
	s, r := f.sender(), f.receiver()
	for _, by := range f.sendVerbs() {
		for _, n := range []int{f.m.MaxMessage + 1, 2*f.m.MaxMessage + 1} {
			f.refused(s.do(by, isthmus.Message{Data: make([]byte, n)}), isthmus.ErrTooLarge, by)
		}
		r.empty()
		f.pass(s, r, by, receive, number(0))
	}
	r.empty()
}

// testSmallBuffer proves that a message larger than the buffer stays where it is.
func testSmallBuffer(f *fixture) {
	s, r := f.sender(), f.receiver()
	size := f.m.MaxMessage
	sent := []*call{
		s.start(background, send, isthmus.Message{Data: frame(0, 0, size)}),
	}
	for _, with := range []verb{receiveInto, tryReceiveInto, receiveInto} {
		small := request{Verb: with, Handle: r.h, Buffer: size - 1}
		a := r.r.start(background, small).wait(f)
		for with == tryReceiveInto && errors.Is(a.Err, isthmus.ErrEmpty) {
			a = r.r.start(background, small).wait(f)
		}
		f.refused(a.Err, isthmus.ErrTooLarge, with)
	}
	got := r.must(receiveInto)
	if id, err := readFrame(got.Data); err != nil || id != 0 || len(got.Data) != size || got.Redelivered != 0 {
		f.Fatalf("received %d bytes (%v), redelivered %d times", len(got.Data), err, got.Redelivered)
	}
	for _, c := range sent {
		if err := c.wait(f).Err; err != nil {
			f.Fatal(err)
		}
	}
	r.empty()
}

// testSenderReuses sends all that there is room for from one buffer, which
// changes after each call (as it does in every check: see handle.once).
func testSenderReuses(f *fixture) {
	s, r := f.sender(), f.receiver()
	for _, size := range []int{frameHeader, min(64, f.m.MaxMessage), f.m.MaxMessage} {
		n := 0
		for ; n < 16; n++ {
			err := s.do(trySend, isthmus.Message{Data: frame(0, uint32(n), size)})
			if errors.Is(err, isthmus.ErrFull) && n > 0 {
				break
			}
			if err != nil {
				f.Fatal(err)
			}
		}
		f.wants(r.drain(), 0, 0, n)
	}
}

// testReceiverOwns proves that what was received stays as it is, whatever goes
// on, and that a receiver may write into it.
func testReceiverOwns(f *fixture) {
	s, r := f.sender(), f.receiver()
	const count = 40
	var kept [][]byte
	for i := range count {
		size := []int{frameHeader, min(72, f.m.MaxMessage), f.m.MaxMessage}[i%3]
		got := f.pass(s, r, send, receive, isthmus.Message{Data: frame(0, uint32(i), size)})
		if i%2 == 0 {
			kept = append(kept, got.Data)
			continue
		}
		data := got.Data[:cap(got.Data)]
		for j := range data {
			data[j] = 0xee
		}
	}
	for i, data := range kept {
		if id, err := readFrame(data); err != nil || id != frameID(0, uint32(2*i)) {
			f.Fatalf("message %d has changed since it was received: %v", 2*i, err)
		}
	}
}

func testFrom(f *fixture) {
	s, r := f.sender(), f.receiver()
	want := isthmus.Identity{PID: f.senderPID, UID: os.Geteuid(), GID: os.Getegid()}
	for _, by := range f.sendVerbs() {
		// What a sender writes there itself is nobody's business.
		m := isthmus.Message{Data: number(0).Data, From: isthmus.Identity{PID: 1, UID: 4711, GID: 4712}}
		got := f.pass(s, r, by, receive, m).From
		got.Name, got.Verified = want.Name, want.Verified
		if got != want {
			f.Fatalf("%s: it is from %+v, want %+v", by, got, want)
		}
	}
}

func testNoPriority(f *fixture) {
	s, r := f.sender(), f.receiver()
	for _, by := range f.sendVerbs() {
		m := isthmus.Message{Data: number(0).Data, Priority: 1}
		f.refused(s.do(by, m), errors.ErrUnsupported, by)
	}
	r.empty()
}

// testPriority proves that the highest comes first, and among equals the oldest.
func testPriority(f *fixture) {
	s, r := f.sender(), f.receiver()
	sent := 0
	for _, p := range []uint32{1, 0, 3, 2, 3, 0, 1, 2} {
		err := s.do(trySend, isthmus.Message{Data: frame(p, uint32(sent), frameHeader), Priority: p})
		if errors.Is(err, isthmus.ErrFull) {
			break
		}
		if err != nil {
			f.Fatal(err)
		}
		sent++
	}
	seen := r.drain()
	if len(seen) != sent {
		f.Fatalf("sent %d, received %d", sent, len(seen))
	}
	for i := 1; i < len(seen); i++ {
		a, b := seen[i-1], seen[i]
		if a>>32 < b>>32 || a>>32 == b>>32 && uint32(a) > uint32(b) {
			f.Fatalf("message %d of priority %d came before %d of %d", uint32(a), a>>32, uint32(b), b>>32)
		}
	}
}
