//go:build linux

package region

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// sealed is a header with a right checksum.
func sealed(forge func(h *header)) []byte {
	b := make([]byte, HeaderSize)
	h := head(b)
	copy(h.magic[:], magic)
	h.order, h.major, h.kind, h.size = byteOrder, Major, uint32(Mailbox), HeaderSize
	if forge != nil {
		forge(h)
	}
	h.sum = sum(b)
	return b
}

func TestCheckTellsWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		forge   func(h *header)
		size    int64
		corrupt bool
		says    string
	}{
		"right":          {nil, HeaderSize, false, ""},
		"larger file":    {nil, 1 << 40, false, ""},
		"later minor":    {func(h *header) { h.minor = 9 }, HeaderSize, false, ""},
		"magic":          {func(h *header) { h.magic[7] = 0 }, HeaderSize, true, "magic"},
		"byte order":     {func(h *header) { h.order = 0x04030201 }, HeaderSize, true, "byte order"},
		"major 0":        {func(h *header) { h.major = 0 }, HeaderSize, false, "0.0"},
		"major 2":        {func(h *header) { h.major = 2 }, HeaderSize, false, "use one version of Isthmus"},
		"features":       {func(h *header) { h.features = 1 << 31 }, HeaderSize, false, "0x80000000"},
		"kind":           {func(h *header) { h.kind = uint32(Inbox) }, HeaderSize, true, "it is a process, not a mailbox"},
		"kind 0":         {func(h *header) { h.kind = 0 }, HeaderSize, true, "kind 0"},
		"size 0":         {func(h *header) { h.size = 0 }, HeaderSize, true, "says 0"},
		"size too large": {func(h *header) { h.size = HeaderSize + 1 }, HeaderSize, true, "truncated"},
		"size overflow":  {func(h *header) { h.size = 1 << 63 }, HeaderSize, true, "truncated"},
		"negative file":  {nil, -1, true, "truncated"},
	} {
		g, err := check(sealed(c.forge), c.size, Mailbox)
		switch {
		case c.says == "":
			if err != nil || g.Size != HeaderSize {
				t.Errorf("%s: %+v, %v", name, g, err)
			}
		case err == nil || errors.Is(err, isthmus.ErrCorrupt) != c.corrupt || !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: %v, want one that says %q", name, err, c.says)
		}
	}
	b := sealed(nil)
	for bit := range 8 * checked {
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := check(b, HeaderSize, Mailbox); err == nil {
			t.Errorf("bit %d is not covered", bit)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
}

// FuzzHeader proves that whatever passes the check is what the header says, and
// within the file.
func FuzzHeader(f *testing.F) {
	f.Add(sealed(nil)[:checked], int64(HeaderSize), false)
	f.Add(sealed(func(h *header) { h.size = 1 << 63 })[:checked], int64(-1), true)
	f.Add([]byte(magic), int64(0), true)
	f.Fuzz(func(t *testing.T, data []byte, size int64, seal bool) {
		b := make([]byte, HeaderSize)
		copy(b, data)
		if seal {
			binary.LittleEndian.PutUint64(b[checked-8:], sum(b))
		}
		g, err := check(b, size, Mailbox)
		if err != nil {
			if !errors.Is(err, isthmus.ErrCorrupt) && !errors.Is(err, ErrVersion) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		if g.Size < HeaderSize || g.Size > size {
			t.Errorf("size %d in a file of %d bytes", g.Size, size)
		}
		if string(b[:8]) != magic || sum(b) != binary.LittleEndian.Uint64(b[checked-8:]) {
			t.Error("a header without magic or checksum passed")
		}
	})
}

// FuzzCheckName proves that a good name names an entry of its own in a directory.
func FuzzCheckName(f *testing.F) {
	for _, name := range []string{"", "orders", ".", "..", "-x", "a/b", "a\x00b", "ö", "\xff", "a b", strings.Repeat("x", 101), "a\u202eb", "a\u2028"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := CheckName(name)
		if err != nil {
			if !errors.Is(err, ErrName) {
				t.Errorf("%q: %v", name, err)
			}
			if !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\x00\n\x1b") {
				t.Errorf("%q: the error is not for people: %q", name, err)
			}
			return
		}
		if name == "" || len(name) > MaxName || !utf8.ValidString(name) || strings.ContainsAny(name, "/ \x00\n") || name[0] == '.' || name[0] == '-' {
			t.Errorf("%q passed", name)
		}
		path := t.TempDir() + "/" + entry(Mailbox, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Errorf("%q is no file's name: %v", name, err)
		}
	})
}

func TestViewStaysInside(t *testing.T) {
	r := &Region{mem: make([]byte, 4096)}
	for _, c := range []struct {
		off, n uint64
		ok     bool
	}{
		{0, 512, true}, {0, 513, false}, {4096, 0, true}, {4096, 1, false}, {4097, 0, false}, {4088, 1, true}, {4088, 2, false},
		{4, 1, false}, {1 << 63, 1, false}, {^uint64(7), 2, false}, {8, 1 << 61, false}, {0, 1 << 61, false}, {0, ^uint64(0), false},
	} {
		v, err := View[uint64](r, c.off, c.n)
		if (err == nil) != c.ok || err == nil && uint64(len(v)) != c.n || err != nil && !errors.Is(err, isthmus.ErrCorrupt) {
			t.Errorf("%d values at %d: %d, %v", c.n, c.off, len(v), err)
		}
	}
}
