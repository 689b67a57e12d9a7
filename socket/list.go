package socket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Info is a Unix socket of this host, as the kernel lists it (sock_diag(7)).
type Info struct {
	// Inode is the socket's number, and Peer that of the socket it is
	// connected to, 0 for none.
	Inode, Peer uint32
	Network     string // unix, unixgram or unixpacket
	State       State
	// Name is the path that it was bound to, which may no longer lead to it, or
	// @ and an abstract name; "" is none. What is accepted has its listener's.
	Name string
	// Queued is bytes that wait to be received, or, for a listener, connections
	// to be accepted; Unread bytes that were sent and not yet received, or,
	// for a listener, the most connections that may wait.
	Queued, Unread uint32
	// UID is who made the socket.
	UID int
	// Owners are processes that have it open: see Table.FindOwners.
	Owners []Owner

	vfsInode, vfsDevice uint32
}

// State is a socket's.
type State int

// The states that Unix sockets have (TCP_* of net/tcp_states.h).
const (
	Connected   State = 1
	Unconnected State = 7
	Listening   State = 10
)

func (s State) String() string {
	switch s {
	case Connected:
		return "connected"
	case Unconnected:
		return "unconnected"
	case Listening:
		return "listening"
	}
	return "state " + strconv.Itoa(int(s))
}

// Owner is a process that has a socket open.
type Owner struct {
	PID  int
	Name string // the command's, as in /proc/PID/comm
}

// Table is the Unix sockets of the network namespace that this process is in.
type Table struct {
	Sockets []Info
	// Unseen is how many processes FindOwners could not look into, for lack of
	// permission: a socket without owners may be theirs.
	Unseen int
}

// List lists the Unix sockets of this network namespace, those of all users. It
// needs no privilege, but the kernel must have unix_diag. A socket that is made
// or closed meanwhile may be missing or listed.
func List() (*Table, error) {
	t := &Table{}
	err := sys.UnixDiag(t.parse)
	if err != nil {
		return nil, fail("list", "", err)
	}
	return t, nil
}

// inUse tells whether a socket of this network namespace has the file. It is
// false where the kernel cannot tell.
func inUse(id sys.FileID) bool {
	t, err := List()
	if err != nil {
		return false
	}
	dev := sys.KernelDevice(id.Dev)
	for _, s := range t.Sockets {
		if s.vfsInode == uint32(id.Ino) && s.vfsDevice == dev {
			return true
		}
	}
	return false
}

const (
	nlHeader   = 16 // nlmsghdr
	diagHeader = 16 // unix_diag_msg of linux/unix_diag.h
	nlError    = 2
	nlDone     = 3
	nlDiag     = 20

	sockStream    = 1 // the same on every system this runs on
	sockDgram     = 2
	sockSeqPacket = 5

	attrName   = 0
	attrVFS    = 1
	attrPeer   = 2
	attrQueues = 4
	attrUID    = 7
)

// parse reads one datagram of the kernel's answer.
func (t *Table) parse(b []byte) (done bool, err error) {
	for len(b) >= nlHeader {
		size := binary.NativeEndian.Uint32(b)
		typ := binary.NativeEndian.Uint16(b[4:])
		if size < nlHeader || uint64(size) > uint64(len(b)) {
			return false, malformed("a message of %d bytes in %d", size, len(b))
		}
		body := b[nlHeader:size]
		switch typ {
		case nlDone:
			return true, nil
		case nlError:
			if len(body) < 4 {
				return false, malformed("an error of %d bytes", len(body))
			}
			errno := -int32(binary.NativeEndian.Uint32(body))
			if errno == int32(syscall.ENOENT) || errno == int32(syscall.EOPNOTSUPP) {
				return false, fmt.Errorf("unix_diag: %w: %w (modprobe unix_diag)", syscall.Errno(errno), errors.ErrUnsupported)
			}
			return false, os.NewSyscallError("sock_diag", syscall.Errno(errno))
		case nlDiag:
			s, err := parseSocket(body)
			if err != nil {
				return false, err
			}
			t.Sockets = append(t.Sockets, s)
		}
		b = b[min(uint64(size+3)&^3, uint64(len(b))):]
	}
	if len(b) > 0 {
		return false, malformed("%d bytes are left over", len(b))
	}
	return false, nil
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("sock_diag: %w: "+format, append([]any{isthmus.ErrCorrupt}, args...)...)
}

// parseSocket reads unix_diag_msg and its attributes.
func parseSocket(b []byte) (Info, error) {
	if len(b) < diagHeader {
		return Info{}, malformed("a socket of %d bytes", len(b))
	}
	s := Info{State: State(b[2]), Inode: binary.NativeEndian.Uint32(b[4:]), UID: -1}
	switch b[1] {
	case sockStream:
		s.Network = Unix
	case sockDgram:
		s.Network = UnixGram
	case sockSeqPacket:
		s.Network = UnixPacket
	default:
		s.Network = fmt.Sprintf("unix type %d", b[1])
	}
	for b = b[diagHeader:]; len(b) >= 4; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < 4 || size > len(b) {
			return Info{}, malformed("an attribute of %d bytes in %d", size, len(b))
		}
		if err := s.attribute(binary.NativeEndian.Uint16(b[2:]), b[4:size]); err != nil {
			return Info{}, err
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return s, nil
}

func (s *Info) attribute(typ uint16, b []byte) error {
	want := map[uint16]int{attrVFS: 8, attrPeer: 4, attrQueues: 8, attrUID: 4}[typ]
	if len(b) < want {
		return malformed("attribute %d of %d bytes", typ, len(b))
	}
	ne := binary.NativeEndian
	switch typ {
	case attrName:
		s.Name = diagName(b)
	case attrVFS:
		s.vfsInode, s.vfsDevice = ne.Uint32(b), ne.Uint32(b[4:])
	case attrPeer:
		s.Peer = ne.Uint32(b)
	case attrQueues:
		s.Queued, s.Unread = ne.Uint32(b), ne.Uint32(b[4:])
	case attrUID:
		s.UID = int(ne.Uint32(b))
	}
	return nil
}

// diagName reads a path, which may end with a zero, or a zero and an abstract name.
func diagName(b []byte) string {
	if len(b) > 0 && b[0] == 0 {
		return "@" + string(b[1:])
	}
	name, _, _ := strings.Cut(string(b), "\x00")
	return name
}

// FindOwners fills in Owners, from /proc: all processes that this one may look
// into, which needs the same user, or CAP_SYS_PTRACE for others. The rest are
// counted in Unseen.
func (t *Table) FindOwners() error {
	at := make(map[uint32]*Info, len(t.Sockets))
	for i := range t.Sockets {
		at[t.Sockets[i].Inode] = &t.Sockets[i]
		t.Sockets[i].Owners = nil
	}
	t.Unseen = 0
	pids, err := readNames("/proc")
	if err != nil {
		return fail("list", "", err)
	}
	for _, p := range pids {
		pid, err := strconv.Atoi(p)
		if err != nil {
			continue
		}
		if !ownersOf(pid, at) {
			t.Unseen++
		}
	}
	return nil
}

// ownersOf looks at the descriptors of a process. It is false if it may not.
func ownersOf(pid int, at map[uint32]*Info) bool {
	dir := fmt.Sprintf("/proc/%d/", pid)
	fds, err := readNames(dir + "fd")
	if errors.Is(err, os.ErrPermission) {
		return false
	}
	var owner *Owner
	seen := map[uint32]bool{}
	for _, fd := range fds {
		link, err := os.Readlink(dir + "fd/" + fd)
		if err != nil {
			continue
		}
		inode, ok := socketInode(link)
		s := at[inode]
		if !ok || s == nil || seen[inode] {
			continue
		}
		if owner == nil {
			comm, _ := os.ReadFile(dir + "comm")
			owner = &Owner{pid, strings.TrimSuffix(string(comm), "\n")}
		}
		seen[inode] = true
		s.Owners = append(s.Owners, *owner)
	}
	return true
}

// socketInode reads "socket:[4711]".
func socketInode(link string) (uint32, bool) {
	number, ok := strings.CutPrefix(link, "socket:[")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 32)
	return uint32(n), err == nil
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}
