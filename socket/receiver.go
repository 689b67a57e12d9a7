package socket

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Receiver receives the messages of all who send to an address: many senders,
// one inbox, each message with who sent it. Its methods may be called from
// several goroutines at once; each message is received by one.
//
// It keeps no goroutine and no queue: messages wait in the sockets until they
// are asked for, so a receiver that does not keep up makes its senders wait, and
// needs no memory for them. The connections take turns. A connection whose
// bytes are no messages is cut off and counted, and disturbs nobody else.
type Receiver struct {
	*bound
	in    receiving
	crowd *crowd // nil for datagrams
}

var _ isthmus.Receiver = (*Receiver)(nil)

// OpenReceiver receives at an address; it is like Listen, for all networks.
func OpenReceiver(ctx context.Context, network, address string, cfg *Config) (*Receiver, error) {
	b, err := open(ctx, network, address, cfg)
	if err != nil {
		return nil, err
	}
	return b.receiver(address)
}

// FileReceiver receives at a listening or a datagram socket that was inherited.
// f remains the caller's. Closing the receiver does not remove the socket's file.
func FileReceiver(f *os.File, cfg *Config) (*Receiver, error) {
	b, err := adopt(f, cfg)
	if err != nil {
		return nil, err
	}
	return b.receiver(sys.NameOf(b.f))
}

func (b *bound) receiver(address string) (*Receiver, error) {
	r := &Receiver{bound: b}
	var err error
	if b.set.kind == sys.DatagramSocket {
		src := bareSource(b.set, b.count, new([]byte), nil).(*packets)
		src.guard = b.set.guard(address)
		err = r.in.open(b.f, b.gone, src)
	} else if r.crowd, err = newCrowd(b, b.set.guard(address)); err == nil {
		err = r.in.open(r.crowd.poll, b.gone, r.crowd)
	}
	if err != nil {
		return nil, fail("open", b.name, errors.Join(explain(err), b.close()))
	}
	return r, nil
}

// Receive waits for a message. Descriptors that come with it are closed: see
// ReceiveRequest.
func (r *Receiver) Receive(ctx context.Context) (isthmus.Message, error) {
	d, err := r.in.receive(ctx, true, delivery{}, r.count, nil)
	return d.msg, fail("receive", r.name, err)
}

// TryReceive returns a message if one is there, and is an isthmus.ErrEmpty
// otherwise.
func (r *Receiver) TryReceive() (isthmus.Message, error) {
	d, err := r.in.receive(context.Background(), false, delivery{}, r.count, nil)
	return d.msg, fail("receive", r.name, err)
}

// ReceiveInto is Receive into a buffer of the caller's. A message that is larger
// is an isthmus.ErrTooLarge, and stays where it is.
func (r *Receiver) ReceiveInto(ctx context.Context, buf []byte) (isthmus.Message, error) {
	d, err := r.in.receive(ctx, true, delivery{into: buf, isInto: true}, r.count, nil)
	return d.msg, fail("receive", r.name, err)
}

// TryReceiveInto is TryReceive into a buffer of the caller's.
func (r *Receiver) TryReceiveInto(buf []byte) (isthmus.Message, error) {
	d, err := r.in.receive(context.Background(), false, delivery{into: buf, isInto: true}, r.count, nil)
	return d.msg, fail("receive", r.name, err)
}

// Request is a message that can be answered.
type Request struct {
	isthmus.Message
	// Files came with the message, if Config.Files allows any. They are the
	// caller's.
	Files []*os.File
	// FilesCut tells that not all of them could be received; then Files is nil.
	FilesCut bool

	name string
	// reply is how to answer: on the connection, or to the sender's address.
	reply *outflow
	to    []byte
	err   error // why it cannot be
}

// ReceiveRequest is Receive for a message that brings descriptors, or is to be answered.
func (r *Receiver) ReceiveRequest(ctx context.Context) (*Request, error) {
	q := &Request{name: r.name}
	d, err := r.in.receive(ctx, true, delivery{files: true}, r.count, func() {
		q.reply, q.to, q.err = r.answer()
	})
	if err != nil {
		return nil, fail("receive", r.name, err)
	}
	q.Message = d.msg
	files, err := d.toFiles(r.set)
	q.Files, q.FilesCut = files, err != nil
	return q, nil
}

// answer finds out how to answer the message just received.
func (r *Receiver) answer() (*outflow, []byte, error) {
	if r.crowd != nil {
		o, err := r.crowd.last.writer(r.crowd)
		return o, nil, err
	}
	to := r.in.src.(*packets).to
	if sys.UnixName(to) == "" {
		return nil, nil, fmt.Errorf("the sender has no address: %w; it must bind one", errors.ErrUnsupported)
	}
	o := &outflow{}
	l := &life{f: r.f, gone: r.gone}
	return o, append([]byte(nil), to...), o.open(l, r.set)
}

// Reply answers, and waits for room as Send does. It is an isthmus.ErrPeerDied
// when the sender has gone.
func (q *Request) Reply(ctx context.Context, m isthmus.Message) error {
	return q.answer(ctx, true, &m)
}

// TryReply is Reply if that needs no waiting, and an isthmus.ErrFull otherwise.
func (q *Request) TryReply(m isthmus.Message) error {
	return q.answer(context.Background(), false, &m)
}

func (q *Request) answer(ctx context.Context, wait bool, m *isthmus.Message) error {
	if q.err != nil {
		return fail("reply", q.name, q.err)
	}
	return fail("reply", q.name, q.reply.send(ctx, wait, m, nil, 0, q.to))
}

// Close stops receiving, closes all connections, removes the socket's file, and
// wakes whoever waits with isthmus.ErrClosed. Messages that were not received
// are lost; those whose senders still wait are not sent.
func (r *Receiver) Close() error {
	err := r.bound.close()
	if errors.Is(err, isthmus.ErrClosed) {
		return err
	}
	if r.crowd != nil {
		err = errors.Join(err, r.crowd.poll.Close())
	}
	r.in.end()
	return fail("close", r.name, err)
}

// Name is the network and the address, as in errors: "unix:/run/x.sock".
func (r *Receiver) Name() string { return r.name }

// Stats counts what happened at the receiver.
func (r *Receiver) Stats() Stats { return r.count.stats() }

// File is a descriptor of the caller's own for the same socket, to be given to
// another process, which receives with FileReceiver.
func (r *Receiver) File() (*os.File, error) { return r.bound.file() }

// crowd is a source: all connections of a listener. An epoll instance tells
// which have something, and Go's poller watches that. All is under the turn of
// the receiver, but for what handshakes bring.
type crowd struct {
	b     *bound
	guard *Allow
	poll  *os.File
	spill []byte

	members map[int32]*member
	next    int32
	ready   []*member // may have something; each once
	accept  bool      // somebody may wait to be accepted
	last    *member   // whose message was received last

	// Over TLS a goroutine accepts, so that nobody's handshake waits for a
	// receiver that is busy, and one for each connection makes the handshake.
	mu      sync.Mutex
	shaking map[*os.File]struct{}
	shaken  map[int32]*member
	over    bool
}

// member is a connection of a receiver.
type member struct {
	id    int32
	fd    int
	src   source
	ready bool
	out   *outflow // to answer on, once somebody did

	// over TLS; file owns fd
	file *os.File
	tls  *tlsSide
}

const listening = 0 // the listener's number in the epoll instance

func newCrowd(b *bound, guard *Allow) (*crowd, error) {
	poll, err := sys.Epoll()
	if err != nil {
		return nil, err
	}
	c := &crowd{b: b, guard: guard, poll: poll, members: map[int32]*member{}, next: listening + 1}
	if b.set.TLS == nil {
		err = controlFD(poll, func(ep int) error {
			return controlFD(b.f, func(fd int) error { return sys.EpollAdd(ep, fd, listening, false) })
		})
	} else {
		err = c.openDoor(b)
	}
	if err != nil {
		_ = poll.Close()
		return nil, err
	}
	return c, nil
}

// take receives a message of whoever has one.
func (c *crowd) take(ep int, d *delivery) error {
	for {
		if err := c.takeReady(d); err != syscall.EAGAIN {
			return err
		}
		if c.accept {
			if err := c.acceptAll(ep); err != nil {
				return err
			}
			continue
		}
		var events [64]sys.Event
		n, err := sys.EpollRead(ep, events[:])
		if err != nil {
			return err
		}
		if n == 0 {
			return syscall.EAGAIN
		}
		for _, e := range events[:n] {
			if e.ID == listening {
				c.accept = true
			} else if m := c.member(e.ID); m != nil {
				c.enqueue(m)
			}
		}
	}
}

func (c *crowd) enqueue(m *member) {
	if !m.ready {
		m.ready = true
		c.ready = append(c.ready, m)
	}
}

// takeReady receives of the first that has a message, which then is the last.
func (c *crowd) takeReady(d *delivery) error {
	for len(c.ready) > 0 {
		m := c.ready[0]
		err := m.src.take(m.fd, d)
		if errors.Is(err, isthmus.ErrTooLarge) && d.isInto && !ended(m.src) {
			return err // it stays the first: its message is the next, still
		}
		c.ready = append(c.ready[:0], c.ready[1:]...)
		switch {
		case err == nil:
			c.ready = append(c.ready, m)
			c.last = m
			return nil
		case err == syscall.EAGAIN:
			m.ready = false
		default:
			c.remove(m)
		}
	}
	return syscall.EAGAIN
}

// ended tells whether nothing more can come of a source.
func ended(s source) bool {
	if in, ok := s.(*inflow); ok {
		return in.err != nil
	}
	p := s.(*packets)
	return p.held == nil
}

// acceptAll accepts who waits, 64 at a time so that messages get their turn.
func (c *crowd) acceptAll(ep int) error {
	for range 64 {
		var n int
		err := controlFD(c.b.f, func(fd int) (err error) {
			n, err = acceptOne(fd, c.guard, c.b.count)
			return err
		})
		switch {
		case err == errRefused:
			continue
		case err == syscall.EAGAIN:
			c.accept = false
			return nil
		case errors.Is(err, os.ErrClosed):
			return isthmus.ErrClosed
		case err != nil:
			return c.cannotAccept(err)
		}
		if err := c.admit(ep, n); err != nil {
			return err
		}
	}
	return nil
}

// cannotAccept keeps an error, of too many descriptors for example, for the time
// when there is nothing else to do. The call after it tries again.
func (c *crowd) cannotAccept(err error) error {
	waits := true
	_ = controlFD(c.b.f, func(fd int) error {
		waits = sys.Readable(fd) // the kernel looks for a descriptor before it looks for a connection
		return nil
	})
	c.accept = waits
	if len(c.ready) > 0 || !waits {
		return nil
	}
	return fmt.Errorf("accept: %w", explain(err))
}

// admit makes a member of a connection.
func (c *crowd) admit(ep, fd int) error {
	m := &member{fd: fd}
	for m.id = c.next; m.id <= listening || c.members[m.id] != nil; m.id++ {
	}
	c.next = m.id + 1
	if !c.b.set.unix {
		_ = sys.NoDelay(fd)
	}
	m.src = bareSource(c.b.set, c.b.count, &c.spill, nil)
	if err := sys.EpollAdd(ep, fd, m.id, false); err != nil {
		sys.CloseSocket(fd)
		return explain(err)
	}
	c.add(m)
	c.enqueue(m)
	return nil
}

func (c *crowd) add(m *member) {
	c.members[m.id] = m
	c.b.count.connections.Add(1)
}

func (c *crowd) remove(m *member) {
	delete(c.members, m.id)
	c.b.count.connections.Add(-1)
	if m.src != nil {
		m.src.drop()
	}
	if m.file != nil {
		_ = m.file.Close()
	} else {
		sys.CloseSocket(m.fd)
	}
	if m.out != nil {
		_ = m.out.life.close()
	}
}

func (c *crowd) drop() {
	for _, m := range c.members {
		c.remove(m)
	}
	if c.b.set.TLS != nil {
		c.closeDoor()
	}
}

// writer is the way to answer a member: a descriptor of its own, which Go's
// poller watches.
func (m *member) writer(c *crowd) (*outflow, error) {
	if m.out != nil {
		return m.out, nil
	}
	fd, err := sys.DupFD(m.fd)
	if err != nil {
		return nil, explain(err)
	}
	f, err := sys.SocketFile(fd, c.b.name)
	if err != nil {
		return nil, err
	}
	o := &outflow{tls: m.tls}
	if err := o.open(newLife(f), c.b.set); err != nil {
		_ = f.Close()
		return nil, err
	}
	m.out = o
	return o, nil
}
