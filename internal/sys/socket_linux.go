package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

var socketTypes = map[SocketKind]int{
	StreamSocket: unix.SOCK_STREAM, DatagramSocket: unix.SOCK_DGRAM, SeqPacketSocket: unix.SOCK_SEQPACKET,
}

// UnixSocket makes an unbound Unix socket. The descriptor blocks: a connect may
// have to.
func UnixSocket(k SocketKind) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, socketTypes[k]|unix.SOCK_CLOEXEC, 0)
	return fd, os.NewSyscallError("socket", err)
}

// UnixSocketPair makes two Unix sockets that are connected to each other.
func UnixSocketPair(k SocketKind) (a, b *os.File, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, socketTypes[k]|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(p[0]), "socketpair"), os.NewFile(uintptr(p[1]), "socketpair"), nil
}

// SocketFile makes a descriptor non-blocking and gives it to Go's poller.
func SocketFile(fd int, name string) (*os.File, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// CloseSocket closes a descriptor that has no os.File yet.
func CloseSocket(fd int) { _ = unix.Close(fd) }

// DupSocket makes a descriptor of this package's own for the socket behind f,
// and tells what it is. Both share one open file description, which becomes
// non-blocking.
func DupSocket(f *os.File) (g *os.File, info SocketInfo, err error) {
	err = control(f, func(fd uintptr) error {
		if info, err = socketInfo(int(fd)); err != nil {
			return err
		}
		n, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
		}
		g, err = SocketFile(n, f.Name())
		return err
	})
	return g, info, err
}

func socketInfo(fd int) (info SocketInfo, err error) {
	typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return info, os.NewSyscallError("getsockopt SO_TYPE", err)
	}
	for k, t := range socketTypes {
		if t == typ {
			info.Kind = k
		}
	}
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return info, os.NewSyscallError("getsockopt SO_DOMAIN", err)
	}
	accepts, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	_, peer := unix.Getpeername(fd)
	info.Unix, info.Listening, info.Connected = domain == unix.AF_UNIX, accepts != 0, peer == nil
	return info, os.NewSyscallError("getsockopt SO_ACCEPTCONN", err)
}

// BindUnix binds fd to a path, or to an abstract name if that begins with @. The
// file has at most the permissions of mode from its first moment: bind takes
// them from the socket's own inode (unix_bind_bsd in net/unix/af_unix.c), less
// the umask.
func BindUnix(fd int, name string, mode fs.FileMode) error {
	if name != "" && name[0] != '@' {
		if err := unix.Fchmod(fd, uint32(mode.Perm())); err != nil {
			return os.NewSyscallError("fchmod", err)
		}
	}
	return os.NewSyscallError("bind", again(func() error { return unix.Bind(fd, &unix.SockaddrUnix{Name: name}) }))
}

// ListenSocket lets others connect to fd.
func ListenSocket(fd, backlog int) error {
	return os.NewSyscallError("listen", unix.Listen(fd, backlog))
}

// AcceptSocket takes a connection from fd, a listening socket, without waiting.
func AcceptSocket(fd int) (int, error) {
	var n int
	err := again(func() (err error) {
		n, _, err = unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		return err
	})
	return n, err
}

// PeerCred is who connected to, or listens at, the other end of fd, at the time
// when it did.
func PeerCred(fd int) (Cred, error) {
	u, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Cred{}, os.NewSyscallError("getsockopt SO_PEERCRED", err)
	}
	return Cred{int(u.Pid), int(int32(u.Uid)), int(int32(u.Gid))}, nil
}

// PeerPidFD opens the process that PeerCred names, even if its number has been
// given to another one since. It needs Linux 6.5.
func PeerPidFD(fd int) (*os.File, error) {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	if err == unix.ENOPROTOOPT {
		return nil, fmt.Errorf("getsockopt SO_PEERPIDFD: %w (it needs Linux 6.5)", errors.ErrUnsupported)
	}
	if err != nil {
		return nil, os.NewSyscallError("getsockopt SO_PEERPIDFD", err)
	}
	return SocketFile(n, "pidfd")
}

// PassCred has the kernel say with each message who sent it.
func PassCred(fd int) error {
	return os.NewSyscallError("setsockopt SO_PASSCRED", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
}

// SetBuffers asks for buffers of so many bytes, 0: as they are. The kernel
// doubles that and cuts it at net.core.wmem_max and rmem_max.
func SetBuffers(fd, send, receive int) error {
	for opt, n := range map[int]int{unix.SO_SNDBUF: send, unix.SO_RCVBUF: receive} {
		if n > 0 {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, opt, n); err != nil {
				return os.NewSyscallError("setsockopt", err)
			}
		}
	}
	return nil
}

// SendBuffer is the size of fd's send buffer as the kernel counts it.
func SendBuffer(fd int) int {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	if err != nil {
		return 0
	}
	return n
}

// NoDelay lets a TCP socket send small messages at once.
func NoDelay(fd int) error {
	return os.NewSyscallError("setsockopt TCP_NODELAY", unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
}

// CloseWrite ends what fd sends.
func CloseWrite(fd int) error { return os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_WR)) }

// Writable tells whether fd has room, or an error to report.
func Writable(fd int) bool { return polled(fd, unix.POLLOUT) }

// Readable tells whether there is something at fd, or an error to report.
func Readable(fd int) bool { return polled(fd, unix.POLLIN) }

func polled(fd int, events int16) bool {
	p := [1]unix.PollFd{{Fd: int32(fd), Events: events}}
	n, err := unix.Poll(p[:], 0)
	return err == nil && n > 0
}

// LockFile takes the lock on a whole file (flock(2)), without waiting. It is
// false if another open file description has it.
func LockFile(f *os.File) (bool, error) {
	var ok bool
	err := control(f, func(fd uintptr) error {
		err := again(func() error { return unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) })
		if err == unix.EWOULDBLOCK {
			return nil
		}
		ok = err == nil
		return os.NewSyscallError("flock", err)
	})
	return ok, err
}

// MoveEntry gives the entry from another name. It is an fs.ErrExist if to is taken.
func (d *Dir) MoveEntry(from, to string) error {
	return d.err("rename", from, again(func() error {
		return unix.Renameat2(d.fd, from, d.fd, to, unix.RENAME_NOREPLACE)
	}))
}

// SetEntryMode gives the entry name, a socket, its mode and, unless gid is
// negative, its group. It follows no link, as /proc does not for O_PATH.
func (d *Dir) SetEntryMode(name string, mode fs.FileMode, gid int) error {
	fd, err := openat(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return d.err("open", name, err)
	}
	defer unix.Close(fd)
	if gid >= 0 {
		if err := again(func() error { return unix.Fchownat(fd, "", -1, gid, unix.AT_EMPTY_PATH) }); err != nil {
			return d.err("chown", name, err)
		}
	}
	return d.err("chmod", name, again(func() error { return unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), uint32(mode.Perm())) }))
}

// EntryPath is a path to the entry name that is short, however deep d lies, and
// means d even if that is moved: it holds while d is open.
func (d *Dir) EntryPath(name string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", d.fd, name) }

// OpenDirAt opens the directory at path, a link to one included.
func OpenDirAt(path string) (*Dir, error) {
	fd, err := openat(unix.AT_FDCWD, path, unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_PATH, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &Dir{fd, path}, nil
}

// IsSocket tells whether s describes a socket.
func IsSocket(s Stat) bool { return s.Mode&unix.S_IFMT == unix.S_IFSOCK }

// Sticky tells whether only owners may remove entries of the directory that s
// describes, or only one user may write to it at all.
func Sticky(s Stat) bool { return s.Mode&unix.S_ISVTX != 0 || s.Mode&0o022 == 0 }

// Epoll makes an epoll instance that Go's poller watches.
func Epoll() (*os.File, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return SocketFile(fd, "epoll")
}

// EpollAdd adds fd under the number id. It is told once when something comes
// (edge-triggered), and, if both is set, also when there is room to send.
func EpollAdd(ep, fd int, id int32, both bool) error {
	events := uint32(unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff)
	if both {
		events |= unix.EPOLLOUT
	}
	err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: id})
	return os.NewSyscallError("epoll_ctl", err)
}

// EpollRead reads what has happened, without waiting.
func EpollRead(ep int, out []Event) (int, error) {
	var events [64]unix.EpollEvent
	var n int
	err := again(func() (err error) {
		n, err = unix.EpollWait(ep, events[:min(len(out), len(events))], 0)
		return err
	})
	if err != nil {
		return 0, os.NewSyscallError("epoll_wait", err)
	}
	for i := range n {
		out[i] = Event{ID: events[i].Fd, Hangup: events[i].Events&(unix.EPOLLHUP|unix.EPOLLERR) != 0}
	}
	return n, nil
}

// DupFile makes a descriptor of the caller's own for the open file behind f.
func DupFile(f *os.File) (n int, err error) {
	err = control(f, func(fd uintptr) (err error) {
		n, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		return os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	})
	return n, err
}

// DupFD is DupFile for a descriptor.
func DupFD(fd int) (int, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return n, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
}

// ReceivedFile makes a file of a descriptor that was received, as it is: whether
// it blocks is up to its open file description, which is somebody else's, too.
func ReceivedFile(fd int) *os.File { return os.NewFile(uintptr(fd), fmt.Sprintf("received:%d", fd)) }

// NameOf is the address that a socket is bound to: a path, @ and an abstract
// name, or HOST:PORT.
func NameOf(f *os.File) (name string) {
	_ = control(f, func(fd uintptr) error {
		a, err := unix.Getsockname(int(fd))
		switch a := a.(type) {
		case *unix.SockaddrUnix:
			if a.Name != "@" { // that is what x/sys calls a socket without a name
				name = a.Name
			}
		case *unix.SockaddrInet4:
			name = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
		case *unix.SockaddrInet6:
			name = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String()
		}
		return err
	})
	return name
}

// KernelDevice is a device number of stat(2) as the kernel itself writes it
// (MKDEV of linux/kdev_t.h), which unix_diag hands out.
func KernelDevice(dev uint64) uint32 { return unix.Major(dev)<<20 | unix.Minor(dev) }
