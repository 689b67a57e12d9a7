package socket

import (
	"errors"
	"fmt"
	"syscall"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

const mechanism = "socket"

// errAgainNow is what an op returns that was not done, and need not wait
// either, but ought to look at its context.
var errAgainNow = errors.New("again")

var (
	// ErrFilesCut is returned by ReceiveFiles, together with the message, when
	// not all descriptors of the message could be received. Those that could
	// were closed: half a set is of no use to anybody.
	ErrFilesCut = errors.New("descriptors were cut")
	// ErrMalformed is returned when the bytes that came are no frames: the other
	// end does not speak this framing. The connection is of no further use.
	ErrMalformed = errors.New("the other end does not send frames")
	// ErrTruncated is returned when a datagram or packet was longer than
	// Config.MaxMessage. It is an isthmus.ErrTooLarge. Other than with a buffer
	// that is too small the message is lost, as the kernel keeps no rest.
	ErrTruncated error = truncatedError{}
)

type truncatedError struct{}

func (truncatedError) Error() string        { return "too large for Config.MaxMessage, and lost" }
func (truncatedError) Is(target error) bool { return target == isthmus.ErrTooLarge }

// fail wraps err, unless it is nil or wrapped already.
func fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var e *isthmus.Error
	if errors.As(err, &e) {
		return err
	}
	return &isthmus.Error{Op: op, Mechanism: mechanism, Name: name, Err: err}
}

// explain adds to an errno what it means here, and what to do about it.
func explain(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	switch errno {
	case syscall.EPIPE, syscall.ECONNRESET, syscall.ENOTCONN, syscall.ECONNABORTED:
		return fmt.Errorf("%w: %w", isthmus.ErrPeerDied, err)
	case syscall.EMSGSIZE:
		return fmt.Errorf("%w: %w: the send buffer is smaller than the message; set Config.SendBuffer (the limit is net.core.wmem_max)", isthmus.ErrTooLarge, err)
	case syscall.ETOOMANYREFS:
		return fmt.Errorf("%w: more descriptors are on their way than RLIMIT_NOFILE allows this user; raise it, or let the receivers catch up", err)
	case syscall.ENOBUFS, syscall.ENOMEM:
		return fmt.Errorf("%w: the kernel has no memory for socket buffers", err)
	}
	if sys.IsNoFiles(err) {
		return fmt.Errorf("%w: raise RLIMIT_NOFILE (ulimit -n)", err)
	}
	return err
}

// sendError says what an error of sendmsg(2) means. A datagram to a name where
// nobody listens any more is refused, or finds no file.
func sendError(err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("%w: %w", isthmus.ErrPeerDied, err)
	}
	return explain(err)
}
