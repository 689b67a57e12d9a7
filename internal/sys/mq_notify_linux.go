package sys

import (
	"crypto/rand"
	"crypto/subtle"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	notifyCookie  = 32 // NOTIFY_COOKIE_LEN of linux/mqueue.h
	notifyWoken   = 1
	notifyRemoved = 2
	sigevThread   = 2
)

// sigevent is struct sigevent of asm-generic/siginfo.h.
type sigevent struct {
	value  unsafe.Pointer
	signo  int32
	notify int32
	_      [48]byte
}

// MQNotify is one registration with a queue (mq_notify(3)).
type MQNotify struct {
	f      *os.File
	cookie [notifyCookie]byte
}

// Notify registers this process: the kernel writes once to a netlink socket of
// this process when a message arrives at the empty queue. That is what
// SIGEV_THREAD is in the kernel; glibc starts its thread when it reads from
// such a socket.
func (q *MQ) Notify() (*MQNotify, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket AF_NETLINK", err)
	}
	n := &MQNotify{f: os.NewFile(uintptr(fd), "mq_notify")}
	_, _ = rand.Read(n.cookie[:notifyCookie-1])
	ev := &sigevent{value: unsafe.Pointer(&n.cookie), signo: int32(fd), notify: sigevThread}
	var e unix.Errno
	err = q.rc.Control(func(mq uintptr) {
		_, _, e = unix.Syscall(unix.SYS_MQ_NOTIFY, mq, uintptr(unsafe.Pointer(ev)), 0)
	})
	runtime.KeepAlive(n)
	if err != nil {
		_ = n.f.Close()
		return nil, os.ErrClosed
	}
	if e != 0 {
		_ = n.f.Close()
		return nil, os.NewSyscallError("mq_notify", e)
	}
	return n, nil
}

// Unnotify ends this process's registration, if it has one.
func (q *MQ) Unnotify() error {
	var e unix.Errno
	if q.rc.Control(func(mq uintptr) { _, _, e = unix.Syscall(unix.SYS_MQ_NOTIFY, mq, 0, 0) }) != nil {
		return os.ErrClosed
	}
	return errnoErr(e)
}

// Wait waits, without a thread, until the kernel writes. It tells whether a
// message arrived; if not the registration was dropped. It is an error after
// Close.
func (n *MQNotify) Wait() (arrived bool, err error) {
	for {
		var b [notifyCookie + 1]byte
		k, err := n.f.Read(b[:])
		if err != nil {
			return false, err
		}
		// A netlink socket can be written to by others: only what has the
		// cookie, which nobody knows, is the kernel's.
		if k == notifyCookie && subtle.ConstantTimeCompare(b[:notifyCookie-1], n.cookie[:notifyCookie-1]) == 1 {
			switch b[notifyCookie-1] {
			case notifyWoken:
				return true, nil
			case notifyRemoved:
				return false, nil
			}
		}
	}
}

// Close ends Waits.
func (n *MQNotify) Close() error { return n.f.Close() }
