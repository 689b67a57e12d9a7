package sys

import (
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// MQAttr is struct mq_attr (mq_getattr(3)), as far as it tells something.
type MQAttr struct {
	MaxMessages int
	MessageSize int // the largest message, in bytes
	Messages    int // in the queue now
}

// MQAccess is what a descriptor of a message queue is for.
type MQAccess int

const (
	MQReadWrite MQAccess = iota
	MQReadOnly           // to receive
	MQWriteOnly          // to send
)

// MQOpening says how to open a message queue (mq_open(3)).
type MQOpening struct {
	Access            MQAccess
	Create, Exclusive bool
	Mode              fs.FileMode
	// Attr is what to create; nil: the system's defaults.
	Attr *MQAttr
	// Blocking opens a description whose calls wait in the kernel; if not the
	// descriptor belongs to Go's poller.
	Blocking bool
}

// MQ is a descriptor of a message queue.
//
// The kernel tells every poller of a queue of every send and every receive, in
// whatever direction it looks. So a descriptor comes into Go's poller, by a
// duplicate, when somebody has to wait for the first time: before that it costs
// nobody a wake-up.
type MQ struct {
	f  *os.File
	rc syscall.RawConn

	mu     sync.Mutex
	closed bool
	polled *os.File // nil: nobody has waited yet
	prc    syscall.RawConn
}

// MQCall is one send or receive. It is made by NewMQCall, and can be used again
// when the call is over.
type MQCall struct {
	// Buf is the message, or room for the largest one.
	Buf  []byte
	Prio uint32
	// N and Err are what came out of it: the length of the message received,
	// and the kernel's errno, or nil.
	N   int
	Err error

	prio32 uint32
	until  mqTime // when a call that waits in the kernel gives up

	mu     sync.Mutex
	active bool // it is, or is about to be, in the kernel
	tid    int

	// The closures that system calls are made in, made once.
	control, block func(fd uintptr)
	poll           func(fd uintptr) bool
	send           bool
}

// MQStatus is what a queue's file says of itself (mq_overview(7)).
type MQStatus struct {
	Bytes     int64 // in all messages
	Notify    int   // SIGEV_SIGNAL 0, SIGEV_NONE 1, SIGEV_THREAD 2
	Signal    int
	NotifyPID int // 0: nobody asked to be told
}
