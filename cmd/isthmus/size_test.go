package main

import (
	"io"
	"strings"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
)

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"1": 1, "4096": 4096, "64K": 65536, "64k": 65536, "64KiB": 65536, "64KB": 64000, "1MiB": 1 << 20,
		"2G": 2 << 30, "7b": 7, "8388607T": 8388607 << 40,
	} {
		if got, err := parseSize(in); err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "K", "0", "-1", "1.5K", "1X", "1 K", "9000000T", "99999999999999999999", "é"} {
		if got, err := parseSize(in); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", in, got)
		}
	}
}

func TestParseCapacity(t *testing.T) {
	for in, want := range map[string]isthmus.Capacity{
		"zero": isthmus.Zero, "0": isthmus.Zero, "unbounded": isthmus.Unbounded, "1": isthmus.Bounded(1), "4096": isthmus.Bounded(4096),
	} {
		if got, err := parseCapacity(in); err != nil || got != want {
			t.Errorf("parseCapacity(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-1", "many", "1K"} {
		if got, err := parseCapacity(in); err == nil {
			t.Errorf("parseCapacity(%q) = %v, want an error", in, got)
		}
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 300<<10) // longer than the buffer
	in := newLines(strings.NewReader("a\n\n"+long+"\nlast"), '\n', 400<<10)
	for i, want := range []string{"a", "", long, "last"} {
		got, err := in.next()
		if err != nil || string(got) != want || in.n != i+1 {
			t.Fatalf("line %d: %d bytes, %v; want %d", in.n, len(got), err, len(want))
		}
	}
	if _, err := in.next(); err != io.EOF {
		t.Fatalf("after the last line: %v", err)
	}
	for _, most := range []int{2, 280 << 10} {
		in := newLines(strings.NewReader(long), '\n', most)
		if _, err := in.next(); err != isthmus.ErrTooLarge {
			t.Errorf("a line of %d bytes where %d are allowed: %v", len(long), most, err)
		}
	}
}

func TestLinesAllocateNothing(t *testing.T) {
	in := newLines(strings.NewReader(strings.Repeat("a line\n", 2000)), '\n', 100)
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := in.next(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a line", n)
	}
}

func TestBytesText(t *testing.T) {
	for in, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 4 << 20: "4 MiB", 1 << 40: "1 TiB"} {
		if got := bytesText(in); got != want {
			t.Errorf("bytesText(%d) = %q, want %q", in, got, want)
		}
	}
}
