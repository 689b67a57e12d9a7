package sys

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mqTime is a struct timespec that another thread may change while the kernel
// waits until then.
type mqTime struct{ sec, nsec int64 }

// mqAttr is struct mq_attr of linux/mqueue.h.
type mqAttr struct {
	flags, maxmsg, msgsize, curmsgs int64
	_                               [4]int64
}

// OpenMQ opens the queue of this name, which has no slash in front: the kernel
// knows none (ipc/mqueue.c).
func OpenMQ(name string, o MQOpening) (*MQ, error) {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return nil, unix.EINVAL
	}
	flags := unix.O_CLOEXEC | map[MQAccess]int{MQReadWrite: unix.O_RDWR, MQReadOnly: unix.O_RDONLY, MQWriteOnly: unix.O_WRONLY}[o.Access]
	var attr *mqAttr
	if o.Create {
		flags |= unix.O_CREAT
		if o.Attr != nil {
			attr = &mqAttr{maxmsg: int64(o.Attr.MaxMessages), msgsize: int64(o.Attr.MessageSize)}
		}
	}
	if o.Exclusive {
		flags |= unix.O_EXCL
	}
	var fd uintptr
	err = again(func() error {
		r, _, e := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(p)), uintptr(flags), uintptr(o.Mode.Perm()), uintptr(unsafe.Pointer(attr)), 0, 0)
		fd = r
		return errnoErr(e)
	})
	if err != nil {
		return nil, err
	}
	q := &MQ{f: os.NewFile(fd, "mq:/"+name)} // which does not poll it: it is blocking
	if q.rc, err = q.f.SyscallConn(); err == nil && !o.Blocking {
		err = unix.SetNonblock(int(fd), true)
	}
	if err != nil {
		_ = q.f.Close()
		return nil, err
	}
	return q, nil
}

func errnoErr(e unix.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

// UnlinkMQ removes a name (mq_unlink(3)).
func UnlinkMQ(name string) error {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return unix.EINVAL
	}
	_, _, e := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(p)), 0, 0)
	if e == unix.EPERM { // as glibc has it: the standard knows EACCES only
		e = unix.EACCES
	}
	return errnoErr(e)
}

// Attr is the queue's size and depth.
func (q *MQ) Attr() (MQAttr, error) {
	var a mqAttr
	var e unix.Errno
	err := q.rc.Control(func(fd uintptr) {
		_, _, e = unix.Syscall(unix.SYS_MQ_GETSETATTR, fd, 0, uintptr(unsafe.Pointer(&a)))
	})
	if err != nil {
		return MQAttr{}, os.ErrClosed
	}
	return MQAttr{int(a.maxmsg), int(a.msgsize), int(a.curmsgs)}, errnoErr(e)
}

// Stat describes the queue's file.
func (q *MQ) Stat() (Stat, time.Time, error) {
	st, err := Fstat(q.f)
	if err != nil {
		return st, time.Time{}, err
	}
	fi, err := q.f.Stat()
	if err != nil {
		return st, time.Time{}, err
	}
	return st, fi.ModTime(), nil
}

// Status reads the line that the queue's file holds. It needs a descriptor that
// may receive, and is errors.ErrUnsupported with another one.
func (q *MQ) Status() (MQStatus, error) {
	var b [256]byte
	n, err := q.f.ReadAt(b[:], 0)
	switch {
	case errors.Is(err, unix.EBADF):
		return MQStatus{}, errors.ErrUnsupported
	case err != nil && err != io.EOF:
		return MQStatus{}, err
	}
	return ParseMQStatus(string(b[:n]))
}

// Close gives the descriptor up. Calls on it that wait in Go's poller end.
func (q *MQ) Close() error {
	q.mu.Lock()
	q.closed = true
	polled := q.polled
	q.mu.Unlock()
	if polled != nil {
		_ = polled.Close()
	}
	return q.f.Close()
}

// Polled tells whether somebody has had to wait.
func (q *MQ) Polled() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.polled != nil
}

// poller is the duplicate that Go's poller has.
func (q *MQ) poller() (syscall.RawConn, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return nil, os.ErrClosed
	case q.polled != nil:
		return q.prc, nil
	}
	f, err := Duplicate(q.f) // os has it polled: it is not blocking any more
	if err != nil {
		return nil, err
	}
	if q.prc, err = f.SyscallConn(); err != nil {
		_ = f.Close()
		return nil, err
	}
	q.polled = f
	return q.prc, nil
}

// File is a duplicate of the descriptor, of the same open file description.
func (q *MQ) File() (*os.File, error) { return Duplicate(q.f) }

// NewMQCall makes a call to send, or to receive.
func NewMQCall(send bool) *MQCall {
	c := &MQCall{send: send}
	c.control = func(fd uintptr) { c.make(fd, nil) }
	c.poll = func(fd uintptr) bool { c.make(fd, nil); return c.Err != unix.EAGAIN }
	c.block = func(fd uintptr) { c.make(fd, &c.until) }
	return c
}

// quickCopy is how large a message may be that is copied, in bytes, without
// Go's scheduler being told that the kernel is at work.
const quickCopy = 64 << 10

// make makes the system call. Go's handlers restart it after a signal; EINTR is
// for those that others installed.
func (c *MQCall) make(fd uintptr, until *mqTime) {
	nr, fourth := uintptr(unix.SYS_MQ_TIMEDRECEIVE), uintptr(unsafe.Pointer(&c.prio32))
	if c.send {
		nr, fourth = unix.SYS_MQ_TIMEDSEND, uintptr(c.Prio)
	}
	call := unix.Syscall6
	if until == nil && len(c.Buf) <= quickCopy {
		call = unix.RawSyscall6
	}
	for {
		// All of these lie in the heap, where nothing moves, and c holds them.
		r, _, e := call(nr, fd, uintptr(unsafe.Pointer(unsafe.SliceData(c.Buf))), uintptr(len(c.Buf)), fourth, uintptr(unsafe.Pointer(until)), 0)
		if e == unix.EINTR {
			continue
		}
		runtime.KeepAlive(c)
		c.N, c.Err = int(r), errnoErr(e)
		if !c.send {
			c.Prio = c.prio32
		}
		return
	}
}

// Try makes the call on a descriptor that does not wait: EAGAIN.
func (q *MQ) Try(c *MQCall) error {
	if q.rc.Control(c.control) != nil {
		return os.ErrClosed
	}
	return c.Err
}

// Poll makes the call as soon as it need not wait. Only one goroutine may do so
// in each direction. It ends with os.ErrDeadlineExceeded at the Deadline.
func (q *MQ) Poll(c *MQCall) error {
	rc, err := q.poller()
	if err != nil {
		return err
	}
	if c.send {
		err = rc.Write(c.poll)
	} else {
		err = rc.Read(c.poll)
	}
	switch {
	case err == nil:
		return c.Err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	}
	return os.ErrClosed
}

// Deadline ends Polls to send, or to receive, at t. The zero time: never.
func (q *MQ) Deadline(send bool, t time.Time) {
	if _, err := q.poller(); err != nil {
		return // then Poll fails, too
	}
	if send {
		_ = q.polled.SetWriteDeadline(t)
	} else {
		_ = q.polled.SetReadDeadline(t)
	}
}

// Arm prepares a Block by this goroutine, which is locked to its thread. From
// now on Cancel ends the call.
func (c *MQCall) Arm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tid = unix.Gettid()
	c.until = mqTime{sec: math.MaxInt64 / 2}
	c.active = true
}

// Disarm ends what Arm began.
func (c *MQCall) Disarm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active = false
}

// Expire makes an armed call give up instead of waiting.
func (c *MQCall) Expire() { atomic.StoreInt64(&c.until.sec, 0) }

// Cancel ends an armed call with ETIMEDOUT, unless it has what it waits for.
//
// A signal that Go handles restarts these calls (signal(7)), and each time the
// kernel reads the deadline anew. So the deadline is moved to the past first.
// A signal that comes before the call makes no difference: then the call finds
// that deadline. Go uses SIGURG itself, and takes one more for nothing.
func (c *MQCall) Cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active {
		c.Expire()
		_ = unix.Tgkill(unix.Getpid(), c.tid, unix.SIGURG)
	}
}

// Block makes an armed call on a descriptor that waits in the kernel:
// ETIMEDOUT if it was cancelled or had expired.
func (q *MQ) Block(c *MQCall) error {
	if q.rc.Control(c.block) != nil {
		return os.ErrClosed
	}
	return c.Err
}

// MQBytesLimit is how many bytes all queues of this user may take
// (RLIMIT_MSGQUEUE of getrlimit(2)); -1: no limit, or not known.
func MQBytesLimit() int64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MSGQUEUE, &l) != nil || l.Cur > math.MaxInt64 {
		return -1
	}
	return int64(l.Cur)
}

// FilesLimit is how many descriptors this process may have, and whether it has
// no other one left.
func FilesLimit() (limit int64, reached bool) {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) == nil {
		limit = int64(min(l.Cur, math.MaxInt64))
	}
	fd, err := unix.Open("/proc/self/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return limit, IsNoFiles(err)
}

// mqMagic is MQUEUE_MAGIC of ipc/mqueue.c.
const mqMagic = 0x19800202

// ListMQ lists the queues of this IPC namespace, without the slash. They are
// entries of a file system of type mqueue: if none is mounted at dir it is
// mounted for the moment, where nobody else sees it, which needs CAP_SYS_ADMIN.
func ListMQ(dir string) ([]string, error) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) == nil && st.Type == mqMagic {
		f, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return f.Readdirnames(-1)
	}
	ctx, err := unix.Fsopen("mqueue", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen mqueue", err)
	}
	defer unix.Close(ctx)
	if err := unix.FsconfigCreate(ctx); err != nil {
		return nil, os.NewSyscallError("fsconfig mqueue", err)
	}
	mnt, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fsmount mqueue", err)
	}
	defer unix.Close(mnt)
	fd, err := openat(mnt, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: fmt.Sprintf("mqueue:%d", mnt), Err: err}
	}
	f := os.NewFile(uintptr(fd), "mqueue")
	defer f.Close()
	return f.Readdirnames(-1)
}
