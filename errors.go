package isthmus

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

// The conditions that every mechanism shares. They come wrapped in an [*Error];
// test for them with [errors.Is]. Further ones are the standard library's:
// fs.ErrExist, fs.ErrNotExist, fs.ErrPermission, errors.ErrUnsupported,
// context.Canceled, context.DeadlineExceeded (which is os.ErrDeadlineExceeded
// here, too) and the kernel's errno.
var (
	// ErrFull is returned by TrySend when there is no room, or, where the
	// capacity is zero, when no receiver waits.
	ErrFull = errors.New("full")
	// ErrEmpty is returned by TryReceive when there is no message.
	ErrEmpty = errors.New("empty")
	// ErrClosed is returned by every call on a handle that was closed, and by
	// those that waited on it when it was.
	ErrClosed = os.ErrClosed
	// ErrTooLarge is returned for a message larger than the endpoint carries,
	// and for a buffer smaller than the message. Nothing is lost: the first was
	// not sent, the second not received.
	ErrTooLarge = errors.New("too large")
	// ErrPeerDied is returned when the process at the other end died.
	ErrPeerDied = errors.New("peer died")
	// ErrCorrupt is returned when memory shared with other processes holds what
	// no correct process writes, or is no longer there (a truncated file).
	ErrCorrupt = errors.New("shared memory is corrupt")
	// ErrRemoved is returned by calls on an object that was removed while it
	// was open. It is an fs.ErrNotExist.
	ErrRemoved error = removedError{}
)

type removedError struct{}

func (removedError) Error() string        { return "was removed" }
func (removedError) Is(target error) bool { return target == fs.ErrNotExist }

// Error is the error type of all mechanisms. It says what was tried, on what,
// and why it failed; Err, which [errors.Is] and [errors.As] reach, often ends
// with the remedy.
type Error struct {
	Op        string // "open", "send", "receive", …
	Mechanism string // "mailbox", "process", "fifo", …
	Name      string // the object's name, "" if it has none
	Err       error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Mechanism)
	if e.Name != "" {
		b.WriteByte(' ')
		b.WriteString(e.Name)
	}
	b.WriteString(": ")
	b.WriteString(e.Op)
	b.WriteString(": ")
	b.WriteString(e.Err.Error())
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Is makes a context's deadline an os.ErrDeadlineExceeded as well, so that one
// test serves for contexts and for descriptors.
func (e *Error) Is(target error) bool {
	if target != os.ErrDeadlineExceeded {
		return false
	}
	var t interface{ Timeout() bool }
	return errors.As(e.Err, &t) && t.Timeout()
}

// Timeout reports whether the error is a deadline that passed.
func (e *Error) Timeout() bool { return errors.Is(e, os.ErrDeadlineExceeded) }
