package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Conn is one end of a connection, or a datagram socket that sends to one
// address. Its methods may be called from several goroutines at once: messages
// do not mix, and each is received by one.
type Conn struct {
	name string
	set  *settings
	*life
	out   outflow
	in    receiving
	count *counters
	tls   *tlsSide
	after func() // after Close
}

var (
	_ isthmus.Sender   = (*Conn)(nil)
	_ isthmus.Receiver = (*Conn)(nil)
)

// newConn makes a Conn of a connected descriptor, which it owns from now on, also
// if it fails.
func newConn(f *os.File, set *settings, name string, t *tlsSide) (*Conn, error) {
	c := &Conn{name: name, set: set, life: newLife(f), count: &counters{}, tls: t}
	c.out.tls = t
	err := c.out.open(c.life, set)
	if err == nil {
		src, serr := newSource(f, set, c.count, new([]byte), t)
		err = errors.Join(serr, c.in.open(f, c.gone, src))
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return c, nil
}

// source is where messages come from: a stream (inflow), a socket that keeps
// boundaries (packets), or all connections of a listener (crowd).
type source interface {
	take(fd int, d *delivery) error
	drop()
}

// newSource prepares a descriptor for receiving.
func newSource(f *os.File, set *settings, count *counters, spill *[]byte, t *tlsSide) (source, error) {
	if set.unix {
		rc, err := f.SyscallConn()
		if err != nil {
			return nil, err
		}
		cerr := rc.Control(func(fd uintptr) { err = sys.PassCred(int(fd)) })
		if err = errors.Join(cerr, err); err != nil {
			return nil, err
		}
	}
	return bareSource(set, count, spill, t), nil
}

func bareSource(set *settings, count *counters, spill *[]byte, t *tlsSide) source {
	if set.stream() {
		s := &inflow{set: set, count: count, tls: t}
		if t != nil {
			s.peer = t.identity()
			s.now = s.peer
		}
		return s
	}
	return &packets{set: set, count: count, spill: spill}
}

// receiving is the receiving direction of a handle.
type receiving struct {
	gate
	src source
	d   delivery // of the call that has the turn
}

func (r *receiving) open(f *os.File, gone chan struct{}, src source) error {
	r.src = src
	return r.init(f, false, gone, r.pull)
}

func (r *receiving) pull(fd int) error { return r.src.take(fd, &r.d) }

// receive makes one call. then, if it is not nil, runs under the turn.
func (r *receiving) receive(ctx context.Context, wait bool, d delivery, count *counters, then func()) (delivery, error) {
	if err := r.take(ctx, wait); err != nil {
		return delivery{}, empty(err)
	}
	r.d = d
	err := r.run(ctx, wait)
	d, r.d = r.d, delivery{}
	if err == nil && then != nil {
		then()
	}
	r.release()
	if err != nil {
		return delivery{}, empty(err)
	}
	if len(d.fds) > 0 && (!d.files || d.cut) {
		closeAll(d.fds)
		d.fds = nil
		count.filesClosed.Add(1)
	} else if d.cut {
		count.filesClosed.Add(1)
	}
	return d, nil
}

func empty(err error) error {
	if err == errBusy {
		return isthmus.ErrEmpty
	}
	return err
}

// end closes what was received and not handed out. It waits for the call that
// has the turn, which has been woken.
func (r *receiving) end() {
	r.turn <- struct{}{}
	r.src.drop()
}

// Receive waits for a message. The error is io.EOF when the other end has
// closed (or died) between two messages, and an isthmus.ErrPeerDied when it has
// died in the middle of one. Descriptors that come with the message are closed:
// see ReceiveFiles.
func (c *Conn) Receive(ctx context.Context) (isthmus.Message, error) {
	d, err := c.in.receive(ctx, true, delivery{}, c.count, nil)
	return d.msg, fail("receive", c.name, err)
}

// TryReceive returns a message if one is there, and is an isthmus.ErrEmpty otherwise.
func (c *Conn) TryReceive() (isthmus.Message, error) {
	d, err := c.in.receive(context.Background(), false, delivery{}, c.count, nil)
	return d.msg, fail("receive", c.name, err)
}

// ReceiveInto is Receive into a buffer of the caller's. A message that is larger
// is an isthmus.ErrTooLarge, and stays where it is.
func (c *Conn) ReceiveInto(ctx context.Context, buf []byte) (isthmus.Message, error) {
	d, err := c.in.receive(ctx, true, delivery{into: buf, isInto: true}, c.count, nil)
	return d.msg, fail("receive", c.name, err)
}

// TryReceiveInto is TryReceive into a buffer of the caller's.
func (c *Conn) TryReceiveInto(buf []byte) (isthmus.Message, error) {
	d, err := c.in.receive(context.Background(), false, delivery{into: buf, isInto: true}, c.count, nil)
	return d.msg, fail("receive", c.name, err)
}

// ReceiveFiles is Receive with the descriptors that came with the message, as
// files of the caller's, which are closed on exec. Config.Files must allow them.
//
// Where not all could be received (there were more than Config.Files, or this
// process has no descriptor left, RLIMIT_NOFILE) those that could are closed,
// and the error is ErrFilesCut; the message is valid then, and will not come again.
func (c *Conn) ReceiveFiles(ctx context.Context) (isthmus.Message, []*os.File, error) {
	d, err := c.in.receive(ctx, true, delivery{files: true}, c.count, nil)
	if err != nil {
		return d.msg, nil, fail("receive", c.name, err)
	}
	files, err := d.toFiles(c.set)
	return d.msg, files, fail("receive", c.name, err)
}

func (d *delivery) toFiles(set *settings) ([]*os.File, error) {
	if d.cut {
		return nil, fmt.Errorf("%w: Config.Files is %d, and RLIMIT_NOFILE leaves room for so many; the message itself came", ErrFilesCut, set.Files)
	}
	var files []*os.File
	for _, fd := range d.fds {
		files = append(files, sys.ReceivedFile(fd))
	}
	return files, nil
}

// Close closes this end and wakes whoever waits on it with isthmus.ErrClosed. A
// message whose Send has returned is still sent.
func (c *Conn) Close() error {
	if c.tls != nil && !closed(c.gone) {
		c.bye()
	}
	if err := c.life.close(); err != nil {
		return fail("close", c.name, err)
	}
	c.in.end()
	if c.after != nil {
		c.after()
	}
	return nil
}

// Name is the network and the address, as in errors: "unix:/run/x.sock".
func (c *Conn) Name() string { return c.name }

// Stats counts what happened on the connection.
func (c *Conn) Stats() Stats { return c.count.stats() }

// Peer is the process that connected to, or listened at, the other end, as it
// was then (SO_PEERCRED): its effective user and group. The descriptor may
// since have gone to another process; each message's From says who sent that.
// Over TCP it is errors.ErrUnsupported, but for the name of a TLS certificate.
func (c *Conn) Peer() (isthmus.Identity, error) {
	if c.tls != nil {
		return c.tls.identity(), nil
	}
	var cred sys.Cred
	err := c.onSocket(func(fd int) (err error) {
		cred, err = sys.PeerCred(fd)
		return err
	})
	if err != nil {
		return isthmus.Identity{}, fail("peer", c.name, err)
	}
	return identity(cred), nil
}

// PeerPIDFD opens the process that Peer names: a descriptor that becomes
// readable when it has ended, and never means another process. It needs Linux 6.5.
func (c *Conn) PeerPIDFD() (*os.File, error) {
	var f *os.File
	err := c.onSocket(func(fd int) (err error) {
		f, err = sys.PeerPidFD(fd)
		return err
	})
	return f, fail("peer", c.name, err)
}

func (c *Conn) onSocket(call func(fd int) error) (err error) {
	if !c.set.unix {
		return fmt.Errorf("credentials over %s: %w", c.set.network, errors.ErrUnsupported)
	}
	if cerr := c.out.rc.Control(func(fd uintptr) { err = call(int(fd)) }); cerr != nil {
		return isthmus.ErrClosed
	}
	return err
}

// File is a descriptor of the caller's own for the same socket, to be given to
// another process: in exec.Cmd.ExtraFiles, or by SendFiles. Two processes that
// both write to a stream must both set Config.Shared.
func (c *Conn) File() (*os.File, error) {
	if c.tls != nil {
		return nil, fail("file", c.name, fmt.Errorf("of a TLS connection: %w", errors.ErrUnsupported))
	}
	fd, err := sys.DupFile(c.f)
	if err != nil {
		return nil, fail("file", c.name, explain(err))
	}
	f, err := sys.SocketFile(fd, c.name)
	return f, fail("file", c.name, err)
}

// check refuses a peer that the guard does not name.
func checkPeer(fd int, guard *Allow) error {
	if guard == nil {
		return nil
	}
	cred, err := sys.PeerCred(fd)
	if err != nil {
		return err
	}
	if !guard.permits(cred) {
		return fmt.Errorf("the other end is user %d, group %d, whom Config.Allow does not name: %w", cred.UID, cred.GID, fs.ErrPermission)
	}
	return nil
}
