package frame_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/isthmus-ipc/isthmus/internal/frame"
)

func TestRoundTrip(t *testing.T) {
	for _, h := range []frame.Header{
		{}, {Length: 1}, {Length: 70000, Type: -1}, {Type: math.MinInt64, Files: 253}, {Length: math.MaxInt32, Type: 1, Files: 1},
	} {
		var b [frame.MaxHeaderSize]byte
		n := h.Put(&b)
		if n != h.Size() {
			t.Errorf("%+v: Put wrote %d bytes, Size is %d", h, n, h.Size())
		}
		for short := range n {
			if _, size, err := frame.Parse(b[:short], math.MaxInt32); size != 0 || err != nil {
				t.Errorf("%+v: the first %d bytes: size %d, %v", h, short, size, err)
			}
		}
		got, size, err := frame.Parse(append(b[:n:n], "payload"...), math.MaxInt32)
		if got != h || size != n || err != nil {
			t.Errorf("%+v: parsed as %+v, %d bytes, %v", h, got, size, err)
		}
	}
}

// TestBytes holds the layout that other languages write.
func TestBytes(t *testing.T) {
	var b [frame.MaxHeaderSize]byte
	n := frame.Header{Length: 0x01020304, Type: -2, Files: 5}.Put(&b)
	want := []byte{0xB7, 1, 1, 5, 4, 3, 2, 1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if !bytes.Equal(b[:n], want) {
		t.Errorf("% x, want % x", b[:n], want)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		want error
	}{
		{[]byte{'G'}, frame.ErrMalformed},
		{[]byte{0xB7, 2}, frame.ErrMalformed},
		{[]byte{0xB7, 1, 2}, frame.ErrMalformed},
		{[]byte{0xB7, 1, 0, 254}, frame.ErrMalformed},
		{[]byte{0xB7, 1, 0, 0, 1, 1, 0, 0}, frame.ErrTooLong},
		{[]byte{0xB7, 1, 0, 0, 0xff, 0xff, 0xff, 0xff}, frame.ErrTooLong},
	} {
		if _, _, err := frame.Parse(c.b, 256); !errors.Is(err, c.want) {
			t.Errorf("% x: %v, want %v", c.b, err, c.want)
		}
	}
}

// TestGrow proves that memory follows what arrived, whatever was announced.
func TestGrow(t *testing.T) {
	b := frame.Grow(nil, math.MaxInt32)
	for len(b) < 10<<20 {
		if limit := 2*len(b) + frame.Step; cap(b) > limit {
			t.Fatalf("%d bytes have arrived, and there is memory for %d", len(b), cap(b))
		}
		b = frame.Grow(b[:cap(b)], math.MaxInt32)
	}
	if b := frame.Grow(nil, 100); cap(b) != 100 {
		t.Errorf("a payload of 100 bytes gets %d", cap(b))
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{0xB7, 1, 1, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, 64)
	f.Add([]byte{0xB7, 1, 0, 253, 0, 0, 0, 0}, 0)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		limit = max(limit, 0)
		h, size, err := frame.Parse(b, limit)
		if err != nil || size == 0 {
			return
		}
		if size > len(b) || h.Length < 0 || h.Length > limit || h.Files > frame.MaxFiles {
			t.Fatalf("% x: %+v, %d bytes", b, h, size)
		}
	})
}
