package sysv

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestFtok(t *testing.T) {
	for _, c := range []struct {
		dev, ino uint64
		id       int
		want     Key
	}{
		{0x801, 0x12345678, 'A', 0x41015678},
		{0xfe00, 0xffffffff, 0x1ff, -1<<24 | 0xffff},
		{0, 0, 0, 0},
		{1 << 40, 1 << 40, -1, -1 << 24},
	} {
		if got := ftok(c.dev, c.ino, c.id); got != c.want {
			t.Errorf("ftok(%#x, %#x, %d) = %v, want %v", c.dev, c.ino, c.id, got, c.want)
		}
	}
	path := filepath.Join(t.TempDir(), "key")
	if _, err := Ftok(path, 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Ftok of no file: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, path+" link"); err != nil {
		t.Fatal(err)
	}
	a, err1 := Ftok(path, 'A')
	b, err2 := Ftok(path+" link", 'A')
	if err := errors.Join(err1, err2); err != nil || a != b || a>>24 != 'A' {
		t.Errorf("Ftok = %v, and of a link to it %v, %v", a, b, err)
	}
}

func TestParseKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a,b")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := Ftok(path, 'A')
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]Key{
		"0x2a": 42, "0XDEADbeef": -559038737, "0xffffffff": -1, "42": 42, "+42": 42, "-559038737": -559038737,
		"4294967295": -1, "0": Private, "0x0": Private, "-2147483648": -1 << 31,
		path + ",A": key, path + ",65": key, path + ",0x41": key,
	} {
		got, err := ParseKey(s)
		if err != nil || got != want {
			t.Errorf("ParseKey(%q) = %v, %v; want %v", s, got, err, want)
		}
		if again, err := ParseKey(got.String()); err != nil || again != got {
			t.Errorf("ParseKey(%q) = %v, %v; want %v", got.String(), again, err, got)
		}
	}
	for _, s := range []string{"", "0x", "x", "0x123456789", "4294967296", "-2147483649", "1.5", "0x-1", " 1", "1_000",
		",", ",A", path + ",", path + ",256", path + ",-1", path + ",AB", path + ",\xff", path + ",é"} {
		if got, err := ParseKey(s); !errors.Is(err, ErrSyntax) || !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("ParseKey(%q) = %v, %v; want ErrSyntax", s, got, err)
		}
	}
	if _, err := ParseKey("/no such file,A"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ParseKey of a path that does not exist: %v", err)
	}
	var k Key
	if err := k.UnmarshalText([]byte("0x2a")); err != nil || k != 42 {
		t.Errorf("UnmarshalText: %v, %v", k, err)
	}
}

func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"0x2a", "-1", "/tmp,A", ",", "0x", "/tmp,0x41", "/tmp,256"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseKey(s)
		if err != nil {
			return
		}
		if again, err := ParseKey(k.String()); err != nil || again != k {
			t.Fatalf("ParseKey(%q) = %v, which reads back as %v, %v", s, k, again, err)
		}
	})
}
