package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Listener accepts connections, of the networks that have them. Its methods may
// be called from several goroutines at once. To receive the messages of all
// connections in one place use a [Receiver].
type Listener struct {
	*bound
	door  gate
	guard *Allow
	fd    int // accepted, under the turn
}

// bound is a socket that has a name.
type bound struct {
	name  string
	set   *settings
	f     *os.File
	claim *claim // of a path
	count *counters
	gone  chan struct{}
	once  sync.Once
}

// Listen listens at an address: a path, @ and an abstract name, or HOST:PORT.
// A socket file that a dead process left is taken over; one at which somebody
// listens is a syscall.EADDRINUSE. A file PATH.lock stays beside a path for ever.
func Listen(ctx context.Context, network, address string, cfg *Config) (*Listener, error) {
	b, err := open(ctx, network, address, cfg)
	if err != nil {
		return nil, err
	}
	return b.listener(address)
}

// FileListener listens at a listening socket that was inherited. f remains the
// caller's. Closing the listener does not remove the socket's file.
func FileListener(f *os.File, cfg *Config) (*Listener, error) {
	b, err := adopt(f, cfg)
	if err != nil {
		return nil, err
	}
	return b.listener(sys.NameOf(b.f))
}

func (b *bound) listener(address string) (*Listener, error) {
	if b.set.kind == sys.DatagramSocket {
		return nil, fail("listen", b.name, errors.Join(fmt.Errorf("%s has no connections: %w; use OpenReceiver", b.set.network, errors.ErrUnsupported), b.close()))
	}
	l := &Listener{bound: b, guard: b.set.guard(address)}
	if err := l.door.init(b.f, false, b.gone, l.accept); err != nil {
		return nil, fail("listen", b.name, errors.Join(err, b.close()))
	}
	return l, nil
}

// open makes a socket and gives it its name.
func open(ctx context.Context, network, address string, cfg *Config) (*bound, error) {
	set, err := settle(network, cfg)
	if err != nil {
		return nil, fail("listen", network+":"+address, err)
	}
	b := &bound{name: set.name(address), set: set, count: &counters{}, gone: make(chan struct{})}
	if err := ctx.Err(); err != nil {
		return nil, fail("listen", b.name, err)
	}
	if set.unix {
		err = b.openUnix(ctx, address)
	} else {
		err = b.openTCP(ctx, address)
	}
	if err != nil {
		return nil, fail("listen", b.name, explain(err))
	}
	return b, nil
}

func (b *bound) openUnix(ctx context.Context, address string) error {
	if err := checkAddress(address); err != nil {
		return err
	}
	fd, err := sys.UnixSocket(b.set.kind)
	if err != nil {
		return err
	}
	err = errors.Join(b.set.fit(fd), sys.PassCred(fd))
	if err == nil && abstract(address) {
		err = sys.BindUnix(fd, address, 0)
	} else if err == nil {
		b.claim, err = bindPath(ctx, fd, address, b.set)
	}
	if err == nil && b.set.kind != sys.DatagramSocket {
		err = sys.ListenSocket(fd, b.set.Backlog)
	}
	if err != nil {
		sys.CloseSocket(fd)
	} else {
		b.f, err = sys.SocketFile(fd, b.name)
	}
	if err != nil && b.claim != nil {
		_ = b.claim.release()
	}
	return err
}

func (b *bound) openTCP(ctx context.Context, address string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, b.set.network, address)
	if err != nil {
		return err
	}
	defer l.Close()
	b.name = b.set.name(l.Addr().String())
	b.f, err = takeOver(l.(*net.TCPListener))
	return err
}

// takeOver makes a descriptor of this package's own of one of package net's.
func takeOver(c interface{ File() (*os.File, error) }) (*os.File, error) {
	f, err := c.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	g, _, err := sys.DupSocket(f)
	return g, err
}

// adopt takes an inherited socket, a listening or a datagram one.
func adopt(f *os.File, cfg *Config) (*bound, error) {
	g, info, err := sys.DupSocket(f)
	if err != nil {
		return nil, fail("listen", f.Name(), explain(err))
	}
	set, err := settle(networkOf(info), cfg)
	if err == nil && !info.Listening && info.Kind != sys.DatagramSocket {
		err = fmt.Errorf("the descriptor is no listening socket: %w", syscall.EINVAL)
	}
	b := &bound{name: f.Name(), set: set, f: g, count: &counters{}, gone: make(chan struct{})}
	if err == nil {
		b.name = set.name(sys.NameOf(g))
		err = b.prepare()
	}
	if err != nil {
		_ = g.Close()
		return nil, fail("listen", b.name, err)
	}
	return b, nil
}

// prepare does for an inherited socket what open does before it binds.
func (b *bound) prepare() error {
	return controlFD(b.f, func(fd int) error {
		if err := sys.SetBuffers(fd, b.set.SendBuffer, b.set.ReceiveBuffer); err != nil || !b.set.unix {
			return err
		}
		return sys.PassCred(fd)
	})
}

func controlFD(f *os.File, call func(fd int) error) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := rc.Control(func(fd uintptr) { err = call(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

func networkOf(info sys.SocketInfo) string {
	switch {
	case !info.Unix:
		return TCP
	case info.Kind == sys.DatagramSocket:
		return UnixGram
	case info.Kind == sys.SeqPacketSocket:
		return UnixPacket
	}
	return Unix
}

// accept takes a connection that the guard lets through.
func (l *Listener) accept(fd int) error {
	for range 64 {
		n, err := acceptOne(fd, l.guard, l.count)
		if err == errRefused {
			continue
		}
		l.fd = n
		return err
	}
	return errAgainNow
}

// errRefused says that a connection came and was sent away.
var errRefused = errors.New("refused")

// acceptOne takes a connection. Who may not connect is sent away before a byte
// of his is read.
func acceptOne(fd int, guard *Allow, count *counters) (int, error) {
	n, err := sys.AcceptSocket(fd)
	switch {
	case err == syscall.ECONNABORTED:
		return 0, errRefused
	case err != nil:
		return 0, err
	}
	if checkPeer(n, guard) != nil {
		sys.CloseSocket(n)
		count.refused.Add(1)
		return 0, errRefused
	}
	count.accepted.Add(1)
	return n, nil
}

// Accept waits for a connection. Over TLS it makes the handshake, too, which
// takes Config.HandshakeTimeout at most; connections that fail it are counted
// as refused.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	for {
		c, err := l.acceptConn(ctx)
		if err == errRefused {
			continue
		}
		return c, fail("accept", l.name, explain(err))
	}
}

func (l *Listener) acceptFD(ctx context.Context) (int, error) {
	if err := l.door.take(ctx, true); err != nil {
		return 0, err
	}
	defer l.door.release()
	err := l.door.run(ctx, true)
	return l.fd, err
}

func (l *Listener) acceptConn(ctx context.Context) (*Conn, error) {
	fd, err := l.acceptFD(ctx)
	if err != nil {
		return nil, err
	}
	f, err := sys.SocketFile(fd, l.name)
	if err != nil {
		return nil, err
	}
	return l.bound.connection(ctx, f)
}

// connection makes a Conn of what was accepted.
func (b *bound) connection(ctx context.Context, f *os.File) (*Conn, error) {
	if !b.set.unix {
		if err := controlFD(f, sys.NoDelay); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	if b.set.TLS == nil {
		return newConn(f, b.set, b.name, nil)
	}
	t, err := shakeHands(ctx, f, b.set, "", true)
	if err != nil {
		_ = f.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		b.count.refused.Add(1)
		return nil, errRefused
	}
	return newConn(f, b.set, b.name, t)
}

// Close stops listening, removes the socket's file, and wakes whoever waits in
// Accept with isthmus.ErrClosed. Connections stay.
func (l *Listener) Close() error { return l.bound.close() }

func (b *bound) close() error {
	err := error(isthmus.ErrClosed)
	b.once.Do(func() {
		close(b.gone)
		err = nil
		// The name goes first: while somebody can still connect it is not free.
		if b.claim != nil {
			err = b.claim.release()
		}
		err = errors.Join(err, b.f.Close())
	})
	return fail("close", b.name, err)
}

// Name is the network and the address, as in errors: "unix:/run/x.sock". A TCP
// port that was 0 is the one that the kernel chose.
func (l *Listener) Name() string { return l.name }

// Stats counts what happened at the listener.
func (l *Listener) Stats() Stats { return l.count.stats() }

// File is a descriptor of the caller's own for the same socket, to be given to
// another process, which listens at it with FileListener or FileReceiver.
func (l *Listener) File() (*os.File, error) { return l.bound.file() }

func (b *bound) file() (*os.File, error) {
	fd, err := sys.DupFile(b.f)
	if err != nil {
		return nil, fail("file", b.name, explain(err))
	}
	f, err := sys.SocketFile(fd, b.name)
	return f, fail("file", b.name, err)
}
