package socket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Dial connects to an address: a path, @ and an abstract name, or HOST:PORT. It
// waits for room in the listener's backlog, until ctx ends. The error is
// an fs.ErrNotExist where there is no such file, and a syscall.ECONNREFUSED
// where nobody listens. Config.Allow says who may be at the other end.
func Dial(ctx context.Context, network, address string, cfg *Config) (*Conn, error) {
	set, err := settle(network, cfg)
	if err != nil {
		return nil, fail("dial", network+":"+address, err)
	}
	name := set.name(address)
	if err := ctx.Err(); err != nil {
		return nil, fail("dial", name, err)
	}
	var c *Conn
	if set.unix {
		c, err = dialUnix(ctx, set, name, address)
	} else {
		c, err = dialTCP(ctx, set, name, address)
	}
	if err != nil {
		return nil, fail("dial", name, explain(err))
	}
	return c, nil
}

func dialUnix(ctx context.Context, set *settings, name, address string) (*Conn, error) {
	fd, err := sys.UnixSocket(set.kind)
	if err != nil {
		return nil, err
	}
	var local *claim
	err = errors.Join(set.fit(fd), sys.PassCred(fd))
	if err == nil && set.Local != "" {
		local, err = bindLocal(ctx, fd, set)
	}
	if err == nil {
		err = through(address, func(name string) error { return sys.ConnectUnix(ctx, fd, name) })
	}
	guard := set.guard(address)
	if err == nil && set.kind != sys.DatagramSocket {
		err = checkPeer(fd, guard)
	}
	var f *os.File
	if err != nil {
		sys.CloseSocket(fd)
	} else {
		f, err = sys.SocketFile(fd, name)
	}
	var c *Conn
	if err == nil {
		c, err = newConn(f, set, name, nil)
	}
	if err != nil {
		if local != nil {
			_ = local.release()
		}
		return nil, err
	}
	if p, ok := c.in.src.(*packets); ok && set.kind == sys.DatagramSocket {
		p.guard = guard
	}
	if local != nil {
		c.after = func() { _ = local.release() }
	}
	return c, nil
}

// bindLocal gives a datagram socket an address of its own.
func bindLocal(ctx context.Context, fd int, set *settings) (*claim, error) {
	if err := checkAddress(set.Local); err != nil {
		return nil, err
	}
	if abstract(set.Local) {
		return nil, sys.BindUnix(fd, set.Local, 0)
	}
	return bindPath(ctx, fd, set.Local, set)
}

func dialTCP(ctx context.Context, set *settings, name, address string) (*Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, set.network, address)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	f, err := takeOver(nc.(*net.TCPConn))
	if err != nil {
		return nil, err
	}
	var t *tlsSide
	err = controlFD(f, func(fd int) error { return sys.SetBuffers(fd, set.SendBuffer, set.ReceiveBuffer) })
	if err == nil && set.TLS != nil {
		host, _, _ := net.SplitHostPort(address)
		t, err = shakeHands(ctx, f, set, host, false)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return newConn(f, set, name, t)
}

// Pair makes two ends that are connected to each other (socketpair(2)): one for
// this process, say, and one for a child, by File.
func Pair(network string, cfg *Config) (a, b *Conn, err error) {
	set, err := settle(network, cfg)
	name := network + ":pair"
	if err == nil && !set.unix {
		err = fmt.Errorf("a pair over %s: %w", network, errors.ErrUnsupported)
	}
	if err != nil {
		return nil, nil, fail("pair", name, err)
	}
	f, g, err := sys.UnixSocketPair(set.kind)
	if err != nil {
		return nil, nil, fail("pair", name, explain(err))
	}
	for _, end := range []*os.File{f, g} {
		if err == nil {
			err = controlFD(end, set.fit)
		}
	}
	if err == nil {
		a, err = newConn(f, set, name, nil)
	} else {
		_ = f.Close()
	}
	if err == nil {
		b, err = newConn(g, set, name, nil)
	} else {
		_ = g.Close()
	}
	if err != nil && a != nil {
		_ = a.Close()
	}
	if err != nil {
		return nil, nil, fail("pair", name, err)
	}
	return a, b, nil
}

// FileConn makes a Conn of a connected socket that was inherited or received. f
// remains the caller's.
func FileConn(f *os.File, cfg *Config) (*Conn, error) {
	g, info, err := sys.DupSocket(f)
	if err != nil {
		return nil, fail("open", f.Name(), explain(err))
	}
	set, err := settle(networkOf(info), cfg)
	if err == nil && !info.Connected {
		err = fmt.Errorf("the descriptor is no connected socket: %w", syscall.ENOTCONN)
	}
	if err == nil {
		err = controlFD(g, set.fit)
	}
	var c *Conn
	if err != nil {
		_ = g.Close()
	} else {
		c, err = newConn(g, set, set.name(cmp.Or(sys.NameOf(g), "pair")), nil)
	}
	if err != nil {
		return nil, fail("open", f.Name(), explain(err))
	}
	return c, nil
}
