// Package sys holds the system calls that Isthmus makes, in Go's manner: typed,
// restarted after EINTR, with errors that name the call. It is the only
// importer of golang.org/x/sys/unix. On systems other than Linux every function
// answers errors.ErrUnsupported.
package sys

import "errors"

// ErrFault says that a futex lies on memory that is no longer there: its file
// was truncated.
var ErrFault = errors.New("the mapped file was truncated")

// Word is a futex to wait on: Waitv returns when *Addr is no longer Val, or
// when it is woken there.
type Word struct {
	Addr *uint32
	Val  uint32
	// Private marks a word of this process alone.
	Private bool
}

// MaxWords is how many words one Waitv takes (FUTEX_WAITV_MAX).
const MaxWords = 128

// FileID tells one file from all others: device and inode.
type FileID struct{ Dev, Ino uint64 }

// Stat is what Isthmus asks of a file.
type Stat struct {
	ID      FileID
	Size    int64
	Blocks  int64 // bytes that have memory behind them
	UID     int
	GID     int
	Mode    uint32 // type and permission bits, as in stat(2)
	Links   uint64
	Regular bool
	Dir     bool
}
