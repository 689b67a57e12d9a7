package sys

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Hangup makes a watch on the other end of f, a pipe, a FIFO or a socket:
// WaitHangup returns when nobody is there any more. It is errors.ErrUnsupported
// for other files. The caller closes the watch before f.
//
// The watch is an epoll instance of its own, which Go's poller watches in turn:
// f itself would have to be made non-blocking for that, and its open file
// description is shared with other processes.
func Hangup(f *os.File) (*os.File, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if fi.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) == 0 {
		return nil, &os.PathError{Op: "watch", Path: f.Name(), Err: unix.EOPNOTSUPP}
	}
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	err = control(f, func(fd uintptr) error {
		// No event is asked for: EPOLLERR and EPOLLHUP come without.
		err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Fd: int32(fd)})
		return os.NewSyscallError("epoll_ctl", err)
	})
	if err == nil {
		err = os.NewSyscallError("fcntl", unix.SetNonblock(ep, true)) // or os does not poll it
	}
	if err != nil {
		_ = unix.Close(ep)
		return nil, err
	}
	return os.NewFile(uintptr(ep), "hangup:"+f.Name()), nil
}

// WaitHangup waits, without a thread, until the other end is gone. It returns
// an error when the watch was closed.
func WaitHangup(watch *os.File) error {
	rc, err := watch.SyscallConn()
	if err != nil {
		return err
	}
	return rc.Read(func(fd uintptr) bool {
		n, err := unix.EpollWait(int(fd), make([]unix.EpollEvent, 1), 0)
		return err == nil && n > 0
	})
}
