package sys

// SocketKind is how a socket carries bytes (socket(2)).
type SocketKind int

const (
	StreamSocket SocketKind = iota + 1
	DatagramSocket
	SeqPacketSocket
)

// SocketInfo is what an open socket says of itself.
type SocketInfo struct {
	Kind      SocketKind
	Unix      bool
	Listening bool
	Connected bool
}

// Cred is a process as the kernel names it in SO_PEERCRED and SCM_CREDENTIALS.
type Cred struct{ PID, UID, GID int }

// Event is what an epoll instance tells: ID is the number that a descriptor was
// added under.
type Event struct {
	ID     int32
	Hangup bool
}
