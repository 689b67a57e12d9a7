package sys

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// UnixDiag asks the kernel for all Unix sockets of this network namespace
// (sock_diag(7)) and hands on each datagram of the answer, which visit must not
// keep. It ends when visit says that it is done.
func UnixDiag(visit func(datagram []byte) (done bool, err error)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT) {
			return fmt.Errorf("socket NETLINK_SOCK_DIAG: %w (the kernel was built without it)", errors.ErrUnsupported)
		}
		return os.NewSyscallError("socket NETLINK_SOCK_DIAG", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, unixDiagRequest(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	buf := make([]byte, 64<<10)
	for {
		var n int
		var from unix.Sockaddr
		err := again(func() (err error) {
			n, _, _, from, err = unix.Recvmsg(fd, buf, nil, 0)
			return err
		})
		if err != nil {
			return os.NewSyscallError("recvmsg", err)
		}
		if a, ok := from.(*unix.SockaddrNetlink); !ok || a.Pid != 0 {
			continue // not from the kernel
		}
		if done, err := visit(buf[:n]); done || err != nil {
			return err
		}
	}
}

// unixDiagRequest is nlmsghdr and unix_diag_req of linux/unix_diag.h.
func unixDiagRequest() []byte {
	const (
		size        = 16 + 24
		byFamily    = 20 // SOCK_DIAG_BY_FAMILY
		allStates   = ^uint32(0)
		name        = 0x01
		vfs         = 0x02
		peer        = 0x04
		queues      = 0x10
		uid         = 0x40
		everything  = name | vfs | peer | queues | uid
		dumpRequest = unix.NLM_F_REQUEST | unix.NLM_F_DUMP
	)
	b := make([]byte, size)
	ne := binary.NativeEndian
	ne.PutUint32(b, size)
	ne.PutUint16(b[4:], byFamily)
	ne.PutUint16(b[6:], dumpRequest)
	b[16] = unix.AF_UNIX
	ne.PutUint32(b[20:], allStates)
	ne.PutUint32(b[28:], everything)
	return b
}
