package sysv

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

const mechanism = "sysv"

// Key names a System V object: processes that know the key find it. Queues,
// segments and semaphore sets have keys of their own each.
type Key int32

// Private (IPC_PRIVATE) is no key: what is created with it is a new object each
// time, which others find by its ID only.
const Private Key = 0

// String is the key as ipcs(1) writes it, "0x0000002a".
func (k Key) String() string { return fmt.Sprintf("0x%08x", uint32(k)) }

// MarshalText writes k as String does.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what ParseKey reads.
func (k *Key) UnmarshalText(text []byte) (err error) {
	*k, err = ParseKey(string(text))
	return err
}

// Ftok is the key that ftok(3) makes of a path that exists and a project's
// number, of which it takes the low 8 bits. Programs in C, Perl and Python get
// the same.
//
// Different paths can have one key: of the file's inode number it takes 16 bits,
// of its device 8. All names of one file have the same key, and a file that was
// replaced has another one. Use id 1 to 255, or a letter: with 0 the key may come
// out as Private.
func Ftok(path string, id int) (Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, &isthmus.Error{Op: "ftok", Mechanism: mechanism, Name: path, Err: err}
	}
	dev, ino, err := sys.DeviceInode(info)
	if err != nil {
		return 0, &isthmus.Error{Op: "ftok", Mechanism: mechanism, Name: path, Err: err}
	}
	return ftok(dev, ino, id), nil
}

// ftok is what sysdeps/../ftok.c of glibc, and musl, make of a file.
func ftok(dev, ino uint64, id int) Key {
	return Key(uint32(ino&0xffff) | uint32(dev&0xff)<<16 | uint32(id&0xff)<<24)
}

// ErrSyntax is returned for a string that is no key. It is an fs.ErrInvalid.
var ErrSyntax error = syntaxError{}

type syntaxError struct{}

func (syntaxError) Error() string        { return "not a key" }
func (syntaxError) Is(target error) bool { return target == fs.ErrInvalid }

// ParseKey reads a key: hexadecimal with 0x, as ipcs(1) writes it; decimal, with
// a sign or without; or PATH,ID, which is Ftok(PATH, ID). ID is a number, or a
// single character as in C's ftok(path, 'R').
func ParseKey(s string) (Key, error) {
	fail := func(err error) (Key, error) {
		return 0, &isthmus.Error{Op: "parse key", Mechanism: mechanism, Name: strconv.Quote(s), Err: err}
	}
	if i := strings.LastIndexByte(s, ','); i >= 0 {
		id, ok := parseProject(s[i+1:])
		if !ok || i == 0 {
			return fail(fmt.Errorf("%w: write PATH,ID with a number from 0 to 255, or a character", ErrSyntax))
		}
		return Ftok(s[:i], id)
	}
	var n int64
	var err error
	if hex, ok := cutHex(s); ok {
		var u uint64
		u, err = strconv.ParseUint(hex, 16, 32)
		n = int64(u)
	} else {
		n, err = strconv.ParseInt(s, 10, 64)
	}
	if err != nil || n < -1<<31 || n > 1<<32-1 {
		return fail(fmt.Errorf("%w: write 0x and up to 8 hexadecimal digits, a decimal number of 32 bits, or PATH,ID", ErrSyntax))
	}
	return Key(uint32(n)), nil
}

func cutHex(s string) (string, bool) {
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		return s[2:], true
	}
	return s, false
}

func parseProject(s string) (int, bool) {
	if n, err := strconv.Atoi(s); err == nil {
		return n, n >= 0 && n <= 255
	}
	if hex, ok := cutHex(s); ok {
		n, err := strconv.ParseUint(hex, 16, 8)
		return int(n), err == nil
	}
	if len(s) != 1 || s[0] >= utf8.RuneSelf {
		return 0, false
	}
	return int(s[0]), true
}
