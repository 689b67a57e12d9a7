package sys

import (
	"encoding/binary"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SocketMessage is what one sendmsg(2) or recvmsg(2) takes and gives. It is used
// again and again: a call allocates nothing.
type SocketMessage struct {
	// Data is sent from, or received into, one after the other.
	Data [2][]byte
	// Control is the room for control messages when receiving, and the control
	// messages when sending.
	Control []byte
	// Name is room for the sender's address when receiving (NameSize bytes), and
	// the receiver's when sending.
	Name []byte

	flags   int32
	control int
	name    int
	iov     [2]unix.Iovec
	hdr     unix.Msghdr
}

// NameSize is the room that a Unix socket's address takes.
const NameSize = unix.SizeofSockaddrUnix

func (m *SocketMessage) prepare() {
	for i, b := range m.Data {
		m.iov[i] = unix.Iovec{Base: unsafe.SliceData(b)}
		m.iov[i].SetLen(len(b))
	}
	m.hdr = unix.Msghdr{Iov: &m.iov[0], Control: unsafe.SliceData(m.Control), Name: unsafe.SliceData(m.Name), Namelen: uint32(len(m.Name))}
	m.hdr.SetIovlen(len(m.iov))
	m.hdr.SetControllen(len(m.Control))
}

// Send sends without waiting and without a SIGPIPE. The error is a bare errno.
func (m *SocketMessage) Send(fd int) (int, error) {
	m.prepare()
	return m.call(unix.SYS_SENDMSG, fd, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

// Receive receives without waiting. The error is a bare errno.
func (m *SocketMessage) Receive(fd int) (int, error) {
	m.prepare()
	n, err := m.call(unix.SYS_RECVMSG, fd, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC|unix.MSG_TRUNC)
	m.flags, m.control, m.name = m.hdr.Flags, int(m.hdr.Controllen), int(m.hdr.Namelen)
	if err != nil {
		m.flags, m.control, m.name = 0, 0, 0
	}
	return n, err
}

// ReceiveStream is Receive for a stream, where MSG_TRUNC would throw away.
func (m *SocketMessage) ReceiveStream(fd int) (int, error) {
	m.prepare()
	n, err := m.call(unix.SYS_RECVMSG, fd, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	m.flags, m.control, m.name = m.hdr.Flags, int(m.hdr.Controllen), 0
	if err != nil {
		m.flags, m.control = 0, 0
	}
	return n, err
}

func (m *SocketMessage) call(trap uintptr, fd int, flags uintptr) (int, error) {
	for {
		n, _, e := unix.Syscall(trap, uintptr(fd), uintptr(unsafe.Pointer(&m.hdr)), flags)
		switch e {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, e
		}
	}
}

// Forget drops what the caller owns, so that m does not keep it alive.
func (m *SocketMessage) Forget() {
	m.Data = [2][]byte{}
	m.iov = [2]unix.Iovec{}
}

// ControlTruncated tells that not all control messages, or not all descriptors,
// were handed out.
func (m *SocketMessage) ControlTruncated() bool { return m.flags&unix.MSG_CTRUNC != 0 }

// From is the address that a datagram came from, "" if its sender has none.
func (m *SocketMessage) From() []byte { return m.Name[:min(m.name, len(m.Name))] }

// UnixName reads an address: a path, or @ and an abstract name.
func UnixName(addr []byte) string {
	const family = 2
	if len(addr) <= family {
		return ""
	}
	if addr[family] == 0 {
		return "@" + string(addr[family+1:])
	}
	name, _, _ := strings.Cut(string(addr[family:]), "\x00")
	return name
}

// ControlSize is the room for the credentials and for so many descriptors.
func ControlSize(files int) int {
	n := unix.CmsgSpace(unix.SizeofUcred)
	if files > 0 {
		n += unix.CmsgSpace(4 * files)
	}
	return n
}

// Rights is a control message that carries descriptors.
func Rights(fds []int) []byte { return unix.UnixRights(fds...) }

// Credentials looks for the sender's credentials in what was received.
func (m *SocketMessage) Credentials() (c Cred, ok bool) {
	m.each(unix.SCM_CREDENTIALS, func(data []byte) {
		if len(data) >= unix.SizeofUcred {
			c = Cred{int(int32(binary.NativeEndian.Uint32(data))), int(int32(binary.NativeEndian.Uint32(data[4:]))), int(int32(binary.NativeEndian.Uint32(data[8:])))}
			ok = true
		}
	})
	return c, ok
}

// Descriptors are the descriptors that were received. They are the caller's.
func (m *SocketMessage) Descriptors() (fds []int) {
	m.each(unix.SCM_RIGHTS, func(data []byte) {
		for ; len(data) >= 4; data = data[4:] {
			fds = append(fds, int(int32(binary.NativeEndian.Uint32(data))))
		}
	})
	return fds
}

// each visits the control messages of one type.
func (m *SocketMessage) each(typ int32, visit func(data []byte)) {
	b := m.Control[:min(m.control, len(m.Control))]
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		n := int(h.Len)
		if n < unix.SizeofCmsghdr || n > len(b) {
			return
		}
		if h.Level == unix.SOL_SOCKET && h.Type == typ {
			visit(b[unix.CmsgLen(0):n])
		}
		b = b[min(unix.CmsgSpace(n-unix.CmsgLen(0)), len(b)):]
	}
}
