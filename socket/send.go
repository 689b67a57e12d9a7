package socket

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/frame"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

const (
	// atomicSize is what a Unix stream takes in one piece or not at all: one
	// buffer of the kernel has room for a page and 32 KiB beside it
	// (UNIX_SKB_FRAGS_SZ in net/unix/af_unix.c), and writers queue whole buffers.
	atomicSize = 32 << 10
	// linger is how long Close leaves a message its time that was accepted
	// when half of it had gone.
	linger = 10 * time.Second
)

// life is the descriptor of a connection: who closes it, and when.
type life struct {
	f    *os.File
	gone chan struct{} // closed by close

	mu        sync.Mutex
	closed    bool
	following bool // the rest of an accepted message is being sent
}

func newLife(f *os.File) *life { return &life{f: f, gone: make(chan struct{})} }

// close wakes who waits. Where the rest of a message is being sent the
// descriptor is closed after it, or after a while.
func (l *life) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return isthmus.ErrClosed
	}
	l.closed = true
	close(l.gone)
	if !l.following {
		return l.f.Close()
	}
	_ = l.f.SetReadDeadline(time.Unix(1, 0))
	return l.f.SetWriteDeadline(time.Now().Add(linger))
}

// follow announces that the rest of a message will be sent. It is false if
// that is too late.
func (l *life) follow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.following = !l.closed
	return l.following
}

func (l *life) followed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.following = false
	if l.closed {
		_ = l.f.Close()
	}
}

// outflow is the sending direction of a socket.
//
// A message on a stream can be stuck in the middle, when the buffers are full
// and the reader does not read. A Send whose context ends there can neither
// take back what has gone nor wait for the rest. So it copies the rest, which
// is at most one message, and a goroutine that keeps the turn sends it: the
// message is sent, and the next one waits for it as for room. A message of
// which nothing has gone is not sent.
type outflow struct {
	gate
	set  *settings
	life *life
	// whole is the size of the largest frame that may be sent, header included,
	// 0 if any may.
	whole int
	tls   *tlsSide

	// under the turn
	msg       sys.SocketMessage
	head      [frame.MaxHeaderSize]byte
	committed bool // part of the message has gone
}

func (o *outflow) open(l *life, set *settings) error {
	o.set, o.life = set, l
	err := o.init(l.f, true, l.gone, o.push)
	if err == nil && set.Shared && set.stream() {
		// The kernel cuts what it sends into pieces of half the buffer at most.
		err = o.rc.Control(func(fd uintptr) { o.whole = min(atomicSize, sys.SendBuffer(int(fd))/2-64) })
	}
	return err
}

// check refuses what cannot be carried.
func (o *outflow) check(m *isthmus.Message, files int) error {
	size := len(m.Data)
	switch {
	case m.Priority != 0:
		return fmt.Errorf("priority %d: %w: sockets have no priorities", m.Priority, errors.ErrUnsupported)
	case m.Type != 0 && !o.set.stream():
		return fmt.Errorf("type %d: %w: %s carries the bare payload; use unix or tcp", m.Type, errors.ErrUnsupported, o.set.network)
	case size > o.set.MaxMessage:
		return fmt.Errorf("%w: %d bytes, Config.MaxMessage is %d", isthmus.ErrTooLarge, size, o.set.MaxMessage)
	case o.whole > 0 && size+frame.MaxHeaderSize > o.whole:
		return fmt.Errorf("%w: %d bytes: on a shared stream %d go in one piece; use a connection each, or unixpacket", isthmus.ErrTooLarge, size, o.whole-frame.MaxHeaderSize)
	case files > 0 && !o.set.unix:
		return fmt.Errorf("descriptors over %s: %w", o.set.network, errors.ErrUnsupported)
	case files > frame.MaxFiles:
		return fmt.Errorf("%d descriptors: %w: the kernel's limit is %d a message (SCM_MAX_FD)", files, isthmus.ErrTooLarge, frame.MaxFiles)
	}
	return nil
}

// send sends m: with descriptors, if there are any, and to an address, if the
// socket is not connected.
func (o *outflow) send(ctx context.Context, wait bool, m *isthmus.Message, control []byte, files int, to []byte) error {
	if err := o.check(m, files); err != nil {
		return err
	}
	if err := o.take(ctx, wait); err != nil {
		return full(err)
	}
	o.msg.Control, o.msg.Name, o.committed = control, to, false
	if o.set.stream() {
		n := frame.Header{Length: len(m.Data), Type: m.Type, Files: files}.Put(&o.head)
		o.msg.Data = [2][]byte{o.head[:n], m.Data}
	} else {
		o.msg.Data = [2][]byte{m.Data}
	}
	err := o.run(ctx, wait)
	if err != nil && o.committed && (err == syscall.EAGAIN || ctx.Err() != nil) && o.life.follow() {
		o.follow()
		return nil
	}
	o.done()
	return full(err)
}

func full(err error) error {
	switch {
	case err == nil:
		return nil
	case err == syscall.EAGAIN:
		return isthmus.ErrFull
	}
	return sendError(err)
}

func (o *outflow) done() {
	o.msg.Forget()
	o.msg.Control, o.msg.Name = nil, nil
	o.release()
}

// push sends as much as there is room for.
func (o *outflow) push(fd int) error {
	if !o.committed && o.hesitates() && !sys.Writable(fd) {
		return syscall.EAGAIN
	}
	if o.tls != nil && !o.committed {
		if err := o.seal(); err != nil {
			return err
		}
	}
	for {
		n, err := o.msg.Send(fd)
		if err != nil {
			return err
		}
		if !o.set.stream() {
			return nil
		}
		o.committed = true
		o.msg.Control = nil // descriptors go with the first byte
		for i, b := range o.msg.Data {
			k := min(n, len(b))
			o.msg.Data[i], n = b[k:], n-k
		}
		if len(o.msg.Data[0]) == 0 && len(o.msg.Data[1]) == 0 {
			return nil
		}
	}
}

// hesitates tells whether the message could be sent in part. Such a one begins
// where the kernel says that there is room, which means a good part of the
// buffer (a third for TCP, three quarters for Unix), and so seldom is.
func (o *outflow) hesitates() bool {
	return o.set.stream() && (!o.set.unix || len(o.msg.Data[0])+len(o.msg.Data[1]) > atomicSize)
}

// follow sends what is left of a message whose beginning has gone. It keeps the
// turn until then.
func (o *outflow) follow() {
	rest := append(append([]byte(nil), o.msg.Data[0]...), o.msg.Data[1]...)
	o.msg.Data = [2][]byte{rest}
	o.parked.Store(true)
	go func() {
		_ = o.run(context.Background(), true) // an error is that of the next message, too
		o.done()
		o.life.followed()
	}()
}

// Send sends m and waits for room. If ctx ends first m was not sent; where half
// of it has gone already it is sent, in the background, and the error is nil.
// Send is an isthmus.ErrPeerDied when nobody is at the other end any more.
func (c *Conn) Send(ctx context.Context, m isthmus.Message) error {
	return fail("send", c.name, c.out.send(ctx, true, &m, nil, 0, nil))
}

// TrySend sends m if there is room for its beginning, and is an
// isthmus.ErrFull otherwise.
func (c *Conn) TrySend(m isthmus.Message) error {
	return fail("send", c.name, c.out.send(context.Background(), false, &m, nil, 0, nil))
}

// SendFiles sends m as Send does, and descriptors of files with it: the receiver
// gets descriptors of its own for the same open files. At most 253 go with a
// message. The caller keeps the files, and may close them when SendFiles has
// returned.
func (c *Conn) SendFiles(ctx context.Context, m isthmus.Message, files ...*os.File) error {
	return fail("send", c.name, c.out.sendFiles(ctx, &m, files, nil))
}

func (o *outflow) sendFiles(ctx context.Context, m *isthmus.Message, files []*os.File, to []byte) error {
	if len(files) == 0 {
		return o.send(ctx, true, m, nil, 0, to)
	}
	if err := o.check(m, len(files)); err != nil {
		return err
	}
	if o.set.stream() && o.tls != nil {
		return errors.ErrUnsupported
	}
	fds := make([]int, 0, len(files))
	defer func() {
		for _, fd := range fds {
			sys.CloseSocket(fd)
		}
	}()
	for _, f := range files {
		// A duplicate: f may be closed meanwhile, and its number given away.
		fd, err := sys.DupFile(f)
		if err != nil {
			return explain(err)
		}
		fds = append(fds, fd)
	}
	err := o.send(ctx, true, m, sys.Rights(fds), len(fds), to)
	runtime.KeepAlive(files)
	return err
}

// CloseWrite ends what this side sends: the other receives what was sent, then
// io.EOF. Receiving goes on.
func (c *Conn) CloseWrite() error {
	if err := c.out.take(context.Background(), true); err != nil {
		return fail("close write", c.name, err)
	}
	defer c.out.release()
	var err error
	cerr := c.out.rc.Control(func(fd uintptr) { err = c.shut(int(fd)) })
	return fail("close write", c.name, errors.Join(cerr, err))
}

func (c *Conn) shut(fd int) error {
	if c.tls != nil {
		c.tls.closeWrite(fd)
	}
	return sys.CloseWrite(fd)
}
