package posix

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// MaxPriority is the highest priority of a message in a queue (MQ_PRIO_MAX - 1).
const MaxPriority = 32767

// Access is what a handle on a queue may be used for.
type Access int

const (
	// SendReceive handles do both.
	SendReceive Access = iota
	// ReceiveOnly handles need permission to read.
	ReceiveOnly
	// SendOnly handles need permission to write.
	SendOnly
)

// QueueConfig says what queue to create, and how this handle uses it. The zero
// value, and nil, are useful.
//
// For a queue that exists already, only Access and Blocking matter.
type QueueConfig struct {
	// MaxMessages is how many messages the queue holds, and MaxMessage the size
	// of the largest one, in bytes. Without privilege they are limited by
	// fs.mqueue.msg_max (10) and msgsize_max (8,192), and all queues of a user
	// by RLIMIT_MSGQUEUE (819,200 bytes). Default: the system's, 10 and 8,192
	// unless somebody changed them.
	MaxMessages, MaxMessage int
	// Mode is the permission of the queue, less the process's umask. Default: 0600.
	Mode fs.FileMode
	// Access is what the handle is for. Default: SendReceive.
	Access Access
	// Blocking makes calls that have to wait do so in the kernel, as a C
	// program does, and not in Go's poller: see the package's documentation.
	// Each such call holds a thread; 512 can do so at a time in a process, and
	// the next ones fail with EAGAIN.
	Blocking bool
}

// Queue is a handle on a POSIX message queue. Its methods may be called from
// several goroutines at once.
type Queue struct {
	mq       *sys.MQ
	name     string
	max      int // bytes in the largest message
	blocking bool

	closing chan struct{}
	closed  atomic.Bool
	// turn[send] and turn[receive] let one goroutine at a time into the poller.
	turn [2]chan struct{}

	mu       sync.Mutex
	blocked  map[*call]struct{} // calls that wait in the kernel
	left     *sync.Cond         // one of them has left
	notified *Notification

	buffers sync.Pool // *[]byte of max bytes, for Receive
	full    error     // made once, for the Try forms
	empty   error
}

var (
	_ isthmus.Sender   = (*Queue)(nil)
	_ isthmus.Receiver = (*Queue)(nil)
)

// OpenQueue opens the queue of this name, and creates it as c says if there is
// none.
func OpenQueue(name string, c *QueueConfig) (*Queue, error) {
	return openQueue("open", name, c, sys.MQOpening{Create: true})
}

// CreateQueue creates a queue. It is an fs.ErrExist if there is one of this name.
func CreateQueue(name string, c *QueueConfig) (*Queue, error) {
	return openQueue("create", name, c, sys.MQOpening{Create: true, Exclusive: true})
}

// AttachQueue opens a queue that exists. It is an fs.ErrNotExist if there is none.
func AttachQueue(name string, c *QueueConfig) (*Queue, error) {
	return openQueue("attach", name, c, sys.MQOpening{})
}

// RemoveQueue removes a queue's name (mq_unlink(3)). Those who have the queue
// open go on using it; it is gone when the last one has closed it.
func RemoveQueue(name string) error {
	n, err := queueName(name)
	if err == nil {
		err = sys.UnlinkMQ(n)
	}
	return wrap("remove", queueMechanism, name, err)
}

func openQueue(op, name string, c *QueueConfig, o sys.MQOpening) (*Queue, error) {
	if c == nil {
		c = &QueueConfig{}
	}
	q, err := c.open(name, o)
	if err != nil {
		return nil, wrap(op, queueMechanism, name, err)
	}
	return q, nil
}

func (c *QueueConfig) open(name string, o sys.MQOpening) (*Queue, error) {
	n, err := queueName(name)
	if err != nil {
		return nil, err
	}
	switch c.Access {
	case SendReceive:
		o.Access = sys.MQReadWrite
	case ReceiveOnly:
		o.Access = sys.MQReadOnly
	case SendOnly:
		o.Access = sys.MQWriteOnly
	default:
		return nil, &explained{text: "Access is SendReceive, ReceiveOnly or SendOnly", errno: syscall.EINVAL}
	}
	o.Blocking = c.Blocking
	if o.Create {
		o.Mode = c.Mode
		if o.Mode == 0 {
			o.Mode = 0o600
		}
		if o.Attr, err = c.attr(); err != nil {
			return nil, err
		}
	}
	mq, err := sys.OpenMQ(n, o)
	if err != nil {
		return nil, explainOpen(err, o.Attr)
	}
	a, err := mq.Attr()
	if err != nil {
		_ = mq.Close()
		return nil, err
	}
	return newQueue(mq, name, a.MessageSize, c.Blocking), nil
}

// attr is what to ask mq_open for; nil: the system's defaults.
func (c *QueueConfig) attr() (*sys.MQAttr, error) {
	if c.MaxMessages < 0 || c.MaxMessage < 0 {
		return nil, &explained{text: "MaxMessages and MaxMessage are at least 1, or 0 for the system's default", errno: syscall.EINVAL}
	}
	if c.MaxMessages == 0 && c.MaxMessage == 0 {
		return nil, nil
	}
	a := &sys.MQAttr{MaxMessages: c.MaxMessages, MessageSize: c.MaxMessage}
	if a.MaxMessages == 0 {
		a.MaxMessages = int(min(mqueueLimit("msg_default", 10), mqueueLimit("msg_max", 10)))
	}
	if a.MessageSize == 0 {
		a.MessageSize = int(min(mqueueLimit("msgsize_default", 8192), mqueueLimit("msgsize_max", 8192)))
	}
	return a, nil
}

func newQueue(mq *sys.MQ, name string, max int, blocking bool) *Queue {
	q := &Queue{
		mq: mq, name: name, max: max, blocking: blocking,
		closing: make(chan struct{}), blocked: map[*call]struct{}{},
		turn:  [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)},
		full:  wrap("send", queueMechanism, name, &also{isthmus.ErrFull, syscall.EAGAIN}),
		empty: wrap("receive", queueMechanism, name, &also{isthmus.ErrEmpty, syscall.EAGAIN}),
	}
	q.left = sync.NewCond(&q.mu)
	q.buffers.New = func() any { b := make([]byte, max); return &b }
	return q
}

// Name is the name that the queue was opened by.
func (q *Queue) Name() string { return q.name }

// MaxMessage is the size of the largest message, in bytes.
func (q *Queue) MaxMessage() int { return q.max }

// Close gives the handle up. Calls that wait on it return isthmus.ErrClosed, and
// have neither sent nor received. The queue stays as it is.
//
// The kernel ends the registration of a process with a queue (Notify) when that
// process closes any descriptor of the queue, so also that of another handle.
func (q *Queue) Close() error {
	if q.closed.Swap(true) {
		return wrap("close", queueMechanism, q.name, isthmus.ErrClosed)
	}
	close(q.closing)
	q.mu.Lock()
	n := q.notified
	for c := range q.blocked {
		c.sys.Cancel()
	}
	for len(q.blocked) > 0 {
		q.left.Wait()
	}
	q.mu.Unlock()
	if n != nil {
		_ = n.Close()
	}
	err := q.mq.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	return wrap("close", queueMechanism, q.name, err)
}

// File is a duplicate of the handle's descriptor, to hand to another process:
// a C program can use it as an mqd_t. It shares the open file description, and
// so O_NONBLOCK, with this handle. The caller closes it, which ends this
// process's registration with the queue.
func (q *Queue) File() (*os.File, error) {
	f, err := q.mq.File()
	if err != nil && q.closed.Load() {
		err = isthmus.ErrClosed
	}
	return f, wrap("file", queueMechanism, q.name, err)
}

// QueueStat is what is known of a queue.
type QueueStat struct {
	MaxMessages int
	MaxMessage  int // the size of the largest message, in bytes
	Messages    int // in the queue now
	// Bytes is the size of all messages in the queue; -1 where it is not known:
	// the kernel tells those who may receive.
	Bytes int64
	// NotifyPID is the process that is registered to be told of a message; 0:
	// none, or not known.
	NotifyPID int
	UID, GID  int
	Mode      fs.FileMode
	Modified  time.Time
}

// Len is how many messages are in the queue.
func (q *Queue) Len() (int, error) {
	a, err := q.mq.Attr()
	return a.Messages, wrap("stat", queueMechanism, q.name, err)
}

// Stat looks at the queue (mq_getattr(3), and the line that its file holds).
func (q *Queue) Stat() (QueueStat, error) {
	a, err := q.mq.Attr()
	if err != nil {
		return QueueStat{}, wrap("stat", queueMechanism, q.name, err)
	}
	st, modified, err := q.mq.Stat()
	if err != nil {
		if q.closed.Load() {
			err = isthmus.ErrClosed
		}
		return QueueStat{}, wrap("stat", queueMechanism, q.name, err)
	}
	s := QueueStat{
		MaxMessages: a.MaxMessages, MaxMessage: a.MessageSize, Messages: a.Messages, Bytes: -1,
		UID: st.UID, GID: st.GID, Mode: fs.FileMode(st.Mode).Perm(), Modified: modified,
	}
	if line, err := q.mq.Status(); err == nil {
		s.Bytes, s.NotifyPID = line.Bytes, line.NotifyPID
	} else if !errors.Is(err, errors.ErrUnsupported) {
		return QueueStat{}, wrap("stat", queueMechanism, q.name, err)
	}
	return s, nil
}
