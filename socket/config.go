package socket

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/frame"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// The networks, by the names that package net gives them.
const (
	Unix       = "unix"       // a Unix stream, on which messages are framed
	UnixGram   = "unixgram"   // Unix datagrams: no connection
	UnixPacket = "unixpacket" // a Unix connection that keeps boundaries (SOCK_SEQPACKET)
	TCP        = "tcp"        // TCP, framed as a Unix stream is
)

// Config is what an endpoint is to be like. The zero value is useful, and so is nil.
type Config struct {
	// MaxMessage is the size of the largest message in bytes, in both
	// directions. 0 is 1 MiB for streams and 64 KiB for the others. Both ends
	// should have the same.
	MaxMessage int
	// Mode is the permissions of the socket's file; who may write to it may
	// connect. 0 is 0600. Group, unless it is nil, is the number of its group.
	Mode  fs.FileMode
	Group *int
	// Allow says who may be at the other end of a Unix socket. nil is
	// everybody whom the file's permissions let through, and for abstract names,
	// which have no permissions, the same user.
	Allow *Allow
	// Files is how many descriptors a message may bring, at most 253. 0 is
	// none: the kernel closes them.
	Files int
	// SendBuffer and ReceiveBuffer are what to ask the kernel for, in bytes;
	// 0 is its default.
	SendBuffer, ReceiveBuffer int
	// Backlog is how many connections wait to be accepted; 0 is the kernel's
	// limit, net.core.somaxconn.
	Backlog int
	// Shared tells that other processes write to the same connection: an
	// inherited descriptor. Then a message on a stream must go in one piece,
	// or it would mix with theirs: at most 32,752 bytes, and over TCP none.
	Shared bool
	// Local is the address that a dialled datagram socket has itself, to which
	// replies go: a path, or an abstract name. "" is an abstract name that the
	// kernel chooses.
	Local string
	// TLS secures a TCP connection. A server that is to know its clients sets
	// ClientAuth to tls.RequireAndVerifyClientCert, and ClientCAs.
	TLS *tls.Config
	// HandshakeTimeout is how long a TLS handshake may take. 0 is 10 s.
	HandshakeTimeout time.Duration
}

// Allow says which users may be at the other end. A peer that one of its rules
// names is allowed; the zero value allows nobody.
type Allow struct {
	// Anyone allows everybody.
	Anyone bool
	// User allows this process's effective user, Group its effective group.
	User, Group bool
	// UIDs and GIDs are further ones. Root is no exception: name it.
	UIDs, GIDs []int
}

func (a *Allow) permits(c sys.Cred) bool {
	uid, gid := sys.Credentials()
	return a.Anyone || a.User && c.UID == uid || a.Group && c.GID == gid || slices.Contains(a.UIDs, c.UID) || slices.Contains(a.GIDs, c.GID)
}

// Stats counts what happened at an endpoint.
type Stats struct {
	// Accepted and Refused count peers: connections, or datagrams of
	// senders that Allow does not name.
	Accepted, Refused uint64
	// Malformed counts connections that were cut off since their bytes were no
	// frames, TooLarge messages larger than MaxMessage, Incomplete connections
	// that ended in the middle of a message.
	Malformed, TooLarge, Incomplete uint64
	// FilesClosed counts messages whose descriptors were closed: they were
	// cut, or nobody asked for them.
	FilesClosed uint64
	// Connections is how many there are now.
	Connections int
}

type counters struct {
	accepted, refused, malformed, tooLarge, incomplete, filesClosed atomic.Uint64
	connections                                                     atomic.Int64
}

func (c *counters) stats() Stats {
	return Stats{
		Accepted: c.accepted.Load(), Refused: c.refused.Load(), Malformed: c.malformed.Load(), TooLarge: c.tooLarge.Load(),
		Incomplete: c.incomplete.Load(), FilesClosed: c.filesClosed.Load(), Connections: int(c.connections.Load()),
	}
}

// settings is a Config that was checked, with its defaults filled in.
type settings struct {
	Config
	network string
	kind    sys.SocketKind
	unix    bool
}

func settle(network string, cfg *Config) (*settings, error) {
	s := &settings{network: network}
	if cfg != nil {
		s.Config = *cfg
	}
	switch network {
	case Unix:
		s.kind, s.unix = sys.StreamSocket, true
	case UnixGram:
		s.kind, s.unix = sys.DatagramSocket, true
	case UnixPacket:
		s.kind, s.unix = sys.SeqPacketSocket, true
	case TCP, "tcp4", "tcp6":
		s.kind = sys.StreamSocket
	default:
		return nil, fmt.Errorf("network %q: %w: it is unix, unixgram, unixpacket or tcp", network, errors.ErrUnsupported)
	}
	if s.MaxMessage == 0 {
		s.MaxMessage = 64 << 10
		if s.stream() {
			s.MaxMessage = 1 << 20
		}
	}
	if s.Mode == 0 {
		s.Mode = 0o600
	}
	if s.HandshakeTimeout == 0 {
		s.HandshakeTimeout = 10 * time.Second
	}
	if s.Backlog <= 0 {
		s.Backlog = math.MaxInt32
	}
	return s, s.check()
}

func (s *settings) check() error {
	switch {
	case s.MaxMessage < 0 || s.MaxMessage > math.MaxInt32:
		return fmt.Errorf("MaxMessage is %d bytes, it can be 1 to %d", s.MaxMessage, math.MaxInt32)
	case s.Files < 0 || s.Files > frame.MaxFiles:
		return fmt.Errorf("config Files is %d, the kernel's limit is %d a message (SCM_MAX_FD)", s.Files, frame.MaxFiles)
	case s.Files > 0 && !s.unix:
		return fmt.Errorf("descriptors over %s: %w", s.network, errors.ErrUnsupported)
	case s.TLS != nil && s.unix:
		return fmt.Errorf("TLS over %s: %w", s.network, errors.ErrUnsupported)
	case s.Allow != nil && !s.unix:
		return fmt.Errorf("Allow over %s: %w: it knows no users; use TLS with client certificates", s.network, errors.ErrUnsupported)
	case s.Shared && !s.unix:
		return fmt.Errorf("config Shared over %s: %w: a message may be sent in pieces there", s.network, errors.ErrUnsupported)
	case s.Local != "" && s.kind != sys.DatagramSocket:
		return fmt.Errorf("config Local over %s: %w: replies come on the connection", s.network, errors.ErrUnsupported)
	}
	return nil
}

// stream tells whether the network has no boundaries of its own.
func (s *settings) stream() bool { return s.kind == sys.StreamSocket }

// name is what errors say.
func (s *settings) name(address string) string { return s.network + ":" + address }

// guard is who may be at the other end of address, nil for everybody.
func (s *settings) guard(address string) *Allow {
	if s.Allow == nil && s.unix && strings.HasPrefix(address, "@") {
		return &Allow{User: true}
	}
	return s.Allow
}

// fit makes the send buffer of a packet socket large enough for its largest
// message, which the kernel refuses otherwise.
func (s *settings) fit(fd int) error {
	if err := sys.SetBuffers(fd, s.SendBuffer, s.ReceiveBuffer); err != nil || s.stream() {
		return err
	}
	// unix_dgram_sendmsg refuses a message of more than the buffer less 32.
	const overhead = 32
	if sys.SendBuffer(fd) >= s.MaxMessage+overhead || s.SendBuffer > 0 {
		return nil
	}
	if err := sys.SetBuffers(fd, s.MaxMessage/2+overhead, 0); err != nil {
		return err
	}
	if has := sys.SendBuffer(fd); has < s.MaxMessage+overhead {
		return fmt.Errorf("MaxMessage of %d bytes: %w: the kernel gives a send buffer of %d; raise net.core.wmem_max", s.MaxMessage, isthmus.ErrTooLarge, has)
	}
	return nil
}
