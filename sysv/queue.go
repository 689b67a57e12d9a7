package sysv

import (
	"context"
	"io/fs"
	"syscall"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// QueueConfig says what queue to create. Nil and the zero value are useful. For
// a queue that exists already it does not matter.
type QueueConfig struct {
	// Mode is the permission: reading is receiving, writing is sending. The
	// umask does not apply. Default: 0600.
	Mode fs.FileMode
	// MaxBytes is how many bytes of messages the queue holds, and also how many
	// messages. Default: what kernel.msgmnb says, usually 16 KiB. More than that
	// needs CAP_SYS_RESOURCE.
	MaxBytes int
}

// Queue is a handle on a System V message queue. Its methods may be called from
// several goroutines at once.
//
// A queue carries bytes and a Type, which is 1 or more. A message of Type 0 is
// sent as Type 1; negative types, and priorities, are errors.ErrUnsupported. Who
// sent a message is not known.
type Queue struct {
	object
	handle
}

var (
	_ isthmus.Sender   = (*Queue)(nil)
	_ isthmus.Receiver = (*Queue)(nil)
)

// GetQueue opens the queue of a key, and creates it if there is none: msgget(2)
// with IPC_CREAT. With Private it creates a new one each time.
func GetQueue(key Key, c *QueueConfig) (*Queue, error) {
	if key != Private && c != nil && c.MaxBytes != 0 {
		// To know whether to set it, one must know who created the queue.
		for {
			q, err := getQueue("create", key, c, sys.IPCCreate|sys.IPCExcl)
			if !isErrno(err, syscall.EEXIST) {
				return q, err
			}
			q, err = getQueue("open", key, &QueueConfig{Mode: c.Mode}, 0)
			if !isErrno(err, syscall.ENOENT) { // else it was removed meanwhile
				return q, err
			}
		}
	}
	return getQueue("open", key, c, sys.IPCCreate)
}

// CreateQueue creates a queue: msgget(2) with IPC_CREAT and IPC_EXCL. It is an
// fs.ErrExist if the key has one.
func CreateQueue(key Key, c *QueueConfig) (*Queue, error) {
	return getQueue("create", key, c, sys.IPCCreate|sys.IPCExcl)
}

// OpenQueue opens the queue of a key. It is an fs.ErrNotExist if there is none.
func OpenQueue(key Key) (*Queue, error) {
	if key == Private {
		return nil, failure("open", key, errPrivate)
	}
	return getQueue("open", key, nil, 0)
}

// QueueByID opens a queue by its number, for those that have no key.
func QueueByID(id int) (*Queue, error) {
	o := named(Private, id)
	ds, err := sys.MsgStat(id)
	if err == syscall.EACCES { // it is there, and may be written to
		return &Queue{object: o}, nil
	}
	if err != nil {
		return nil, o.wrap("open", absent(err))
	}
	o.key = Key(ds.Perm.Key)
	return &Queue{object: o}, nil
}

func getQueue(op string, key Key, c *QueueConfig, flags int) (*Queue, error) {
	if c == nil {
		c = &QueueConfig{}
	}
	mode, err := permission(c.Mode)
	if err != nil {
		return nil, failure(op, key, err)
	}
	if flags&sys.IPCCreate == 0 {
		mode = 0 // msgget asks for these permissions; each call will tell
	}
	id, err := sys.Msgget(int32(key), flags|mode)
	if err != nil {
		return nil, failure(op, key, queueLimit(err))
	}
	q := &Queue{object: named(key, id)}
	if flags&sys.IPCCreate != 0 && c.MaxBytes != 0 {
		if err := q.SetMaxBytes(c.MaxBytes); err != nil {
			_ = sys.MsgRemove(id)
			return nil, err
		}
	}
	return q, nil
}

func queueLimit(err error) error {
	if err == syscall.ENOSPC {
		if l, e := sys.MsgInfo(); e == nil {
			return exceeded(err, "kernel.msgmni", l.MaxQueues)
		}
	}
	return err
}

// Key is the key that the queue has, or Private.
func (q *Queue) Key() Key { return q.key }

// ID is the queue's number (msqid), by which ipcrm(1) and others know it.
func (q *Queue) ID() int { return q.id }

// Close gives the handle up, and wakes who waits on it with ErrClosed. The queue
// stays, with its messages, until it is removed.
func (q *Queue) Close() error { return q.wrap("close", q.close()) }

// Remove removes the queue with its messages, for everybody: who waits on it is
// told at once, by ErrRemoved. That is for its owner, its creator, and root.
func (q *Queue) Remove() error {
	return q.control("remove", func() error { return sys.MsgRemove(q.id) })
}

// QueueStat is what a queue looks like at one moment.
type QueueStat struct {
	Perm
	// Bytes and Messages are in the queue now. MaxBytes is how many of each fit;
	// 0 if this process may not know.
	Bytes    uint64 `json:"bytes"`
	Messages uint64 `json:"messages"`
	MaxBytes uint64 `json:"max_bytes,omitempty"`
	// LastSender and LastReceiver are the processes that did that last, 0 if none
	// did, and Sent and Received the times. Changed is when the queue was created
	// or its attributes set. All times are whole seconds.
	LastSender   int       `json:"last_sender"`
	LastReceiver int       `json:"last_receiver"`
	Sent         time.Time `json:"sent,omitzero"`
	Received     time.Time `json:"received,omitzero"`
	Changed      time.Time `json:"changed"`
}

// Stat describes the queue (msgctl IPC_STAT). It needs the permission to receive.
func (q *Queue) Stat() (st QueueStat, err error) {
	err = q.control("stat", func() error {
		ds, err := sys.MsgStat(q.id)
		st = queueStat(q.id, &ds)
		return err
	})
	return st, err
}

func queueStat(id int, ds *sys.MsgDS) QueueStat {
	return QueueStat{
		Perm: perm(id, &ds.Perm), Bytes: ds.Bytes, Messages: ds.Messages, MaxBytes: ds.Room,
		LastSender: int(ds.Sender), LastReceiver: int(ds.Receiver),
		Sent: seconds(ds.Sent), Received: seconds(ds.Received), Changed: seconds(ds.Changed),
	}
}

// SetMaxBytes sets how many bytes of messages the queue holds (msg_qbytes). More
// than kernel.msgmnb needs CAP_SYS_RESOURCE.
func (q *Queue) SetMaxBytes(n int) error {
	if n <= 0 {
		return q.fail("set", syscall.EINVAL)
	}
	err := q.set(func(ds *sys.MsgDS) { ds.Room = uint64(n) })
	if isErrno(err, syscall.EPERM) {
		if l, e := sys.MsgInfo(); e == nil && n > l.MaxBytes {
			return q.fail("set", exceeded(syscall.EPERM, "kernel.msgmnb", l.MaxBytes))
		}
	}
	return err
}

// Chmod sets the permission bits.
func (q *Queue) Chmod(mode fs.FileMode) error {
	if mode&^fs.ModePerm != 0 {
		return q.fail("set", syscall.EINVAL)
	}
	return q.set(func(ds *sys.MsgDS) { ds.Perm.Mode = uint32(mode) })
}

// Chown sets the owner and the group; -1 leaves one as it is.
func (q *Queue) Chown(uid, gid int) error {
	return q.set(func(ds *sys.MsgDS) { owner(&ds.Perm, uid, gid) })
}

// set is IPC_SET: what change leaves alone is set to what it was a moment ago.
func (q *Queue) set(change func(*sys.MsgDS)) error {
	return q.control("set", func() error {
		ds, err := sys.MsgStat(q.id)
		if err != nil {
			return err
		}
		change(&ds)
		return sys.MsgSet(q.id, ds)
	})
}

// control makes a call that does not wait, and for which EINVAL means that the
// queue is gone.
func (q *Queue) control(op string, call func() error) error {
	if q.isClosed() {
		return q.fail(op, isthmus.ErrClosed)
	}
	return q.wrap(op, control(call()))
}

// Send sends m, and waits for room if it must.
func (q *Queue) Send(ctx context.Context, m isthmus.Message) error {
	return q.send(ctx, m, true)
}

// TrySend sends m if there is room, and is ErrFull if not.
func (q *Queue) TrySend(m isthmus.Message) error {
	return q.send(context.Background(), m, false)
}
