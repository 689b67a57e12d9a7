package socket

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// tlsSide is TLS between the frames and the socket. crypto/tls wants a net.Conn
// that waits; after the handshake, which may, it gets one that does not (wire).
// Reading: an error that is Temporary does not spoil a tls.Conn, which reads on
// where it was. Writing: what it writes is kept, and sent by the outflow as any
// bytes are.
type tlsSide struct {
	conn *tls.Conn
	wire *wire
}

// shakeHands makes the handshake on f.
func shakeHands(ctx context.Context, f *os.File, set *settings, host string, server bool) (*tlsSide, error) {
	ctx, cancel := context.WithTimeout(ctx, set.HandshakeTimeout)
	defer cancel()
	t := &tlsSide{wire: &wire{f: f, waits: true}}
	cfg := set.TLS
	if server {
		t.conn = tls.Server(t.wire, cfg)
	} else {
		if cfg.ServerName == "" {
			cfg = cfg.Clone()
			cfg.ServerName = host
		}
		t.conn = tls.Client(t.wire, cfg)
	}
	// The context ends the handshake by closing the connection (tls.HandshakeContext).
	if err := t.conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	t.wire.waits = false
	return t, nil
}

// identity is the name in the certificate of the other end, if it was verified.
func (t *tlsSide) identity() isthmus.Identity {
	st := t.conn.ConnectionState()
	if len(st.VerifiedChains) == 0 || len(st.PeerCertificates) == 0 {
		return isthmus.Identity{}
	}
	return isthmus.Identity{Name: st.PeerCertificates[0].Subject.CommonName, Verified: true}
}

// read reads without waiting.
func (t *tlsSide) read(fd int, b []byte) (int, error) {
	t.wire.fd = fd
	n, err := t.conn.Read(b)
	if errors.Is(err, errWouldBlock) {
		err = syscall.EAGAIN
	}
	return n, err
}

// seal encrypts the message that is to be sent. It cannot be taken back then.
func (o *outflow) seal() error {
	// One write, so that a small message is one record.
	if err := o.tls.write(append(append(make([]byte, 0, len(o.msg.Data[0])+len(o.msg.Data[1])), o.msg.Data[0]...), o.msg.Data[1]...)); err != nil {
		return err
	}
	o.msg.Data = [2][]byte{o.tls.wire.written()}
	o.committed = true
	return nil
}

func (t *tlsSide) write(b []byte) error {
	_, err := t.conn.Write(b)
	return err
}

// closeWrite tells the other end that no more comes, if there is room to do so.
func (t *tlsSide) closeWrite(fd int) {
	_ = t.conn.CloseWrite()
	m := sys.SocketMessage{Data: [2][]byte{t.wire.written()}}
	_, _ = m.Send(fd)
}

// bye is closeWrite before a Close, unless a message is being sent.
func (c *Conn) bye() {
	if c.out.take(context.Background(), false) == nil {
		_ = c.out.rc.Control(func(fd uintptr) { c.tls.closeWrite(int(fd)) })
		c.out.release()
	}
}

// wire is the net.Conn under a tls.Conn.
type wire struct {
	f     *os.File
	waits bool
	fd    int // to read from
	in    sys.SocketMessage

	mu  sync.Mutex
	out bytes.Buffer
}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "nothing there" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

var errWouldBlock net.Error = wouldBlock{}

func (w *wire) Read(b []byte) (int, error) {
	if w.waits {
		return w.f.Read(b)
	}
	w.in.Data = [2][]byte{b}
	n, err := w.in.ReceiveStream(w.fd)
	w.in.Forget()
	switch {
	case err == syscall.EAGAIN:
		return 0, errWouldBlock
	case err != nil:
		return 0, err
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

func (w *wire) Write(b []byte) (int, error) {
	if w.waits {
		return w.f.Write(b)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(b)
}

// written takes what was written.
func (w *wire) written() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := bytes.Clone(w.out.Bytes())
	w.out.Reset()
	return b
}

func (w *wire) Close() error                       { return w.f.Close() }
func (w *wire) SetDeadline(t time.Time) error      { return w.f.SetDeadline(t) }
func (w *wire) SetReadDeadline(t time.Time) error  { return w.f.SetReadDeadline(t) }
func (w *wire) SetWriteDeadline(t time.Time) error { return w.f.SetWriteDeadline(t) }
func (w *wire) LocalAddr() net.Addr                { return wireAddr{} }
func (w *wire) RemoteAddr() net.Addr               { return wireAddr{} }

type wireAddr struct{}

func (wireAddr) Network() string { return TCP }
func (wireAddr) String() string  { return "" }
