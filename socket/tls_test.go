//go:build linux

package socket_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/socket"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

var tests = sync.OnceValue(newAuthority)

func newAuthority() *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	a.cert, _ = x509.ParseCertificate(der)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) certify(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serverTLS wants certificates of clients if clients is not nil.
func serverTLS(t testing.TB, clients *authority) *tls.Config {
	t.Helper()
	cfg := &tls.Config{Certificates: []tls.Certificate{tests().certify(t, "server")}}
	if clients != nil {
		cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, clients.pool
	}
	return cfg
}

func clientTLS(t testing.TB, a *authority, name string) *tls.Config {
	t.Helper()
	cfg := &tls.Config{RootCAs: tests().pool}
	if a != nil {
		cfg.Certificates = []tls.Certificate{a.certify(t, name)}
	}
	return cfg
}

func secure(t *testing.T) (*socket.Receiver, string) {
	t.Helper()
	r, err := socket.OpenReceiver(background, socket.TCP, "127.0.0.1:0", &socket.Config{TLS: serverTLS(t, tests()), HandshakeTimeout: 5 * time.Second})
	check(t, err)
	t.Cleanup(func() { r.Close() })
	return r, strings.TrimPrefix(r.Name(), "tcp:")
}

func TestTLS(t *testing.T) {
	r, at := secure(t)
	sizes := []int{0, 1, 100, 16384, 70000, 1 << 20}
	for _, who := range []string{"alice", "bob"} {
		c, err := socket.Dial(background, socket.TCP, at, &socket.Config{TLS: clientTLS(t, tests(), who)})
		check(t, err)
		sent := make(chan error, 1)
		go func() {
			for _, n := range sizes {
				if err := c.Send(background, isthmus.Message{Data: bytes.Repeat([]byte("x"), n), Type: int64(n)}); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		for _, n := range sizes {
			q, err := r.ReceiveRequest(background)
			if err != nil || len(q.Data) != n || q.Type != int64(n) || q.From.Name != who || !q.From.Verified {
				t.Fatalf("%d bytes of type %d from %+v, %v; want %d from %s", len(q.Data), q.Type, q.From, err, n, who)
			}
			check(t, q.Reply(background, text("yes")))
		}
		check(t, <-sent)
		for range sizes {
			if m, err := c.Receive(background); err != nil || string(m.Data) != "yes" || m.From.Name != "server" {
				t.Fatalf("%+v, %v", m, err)
			}
		}
		if _, err := c.TryReceive(); !errors.Is(err, isthmus.ErrEmpty) {
			t.Error(err)
		}
		check(t, c.Close())
	}
	proctest.Eventually(t, 10*time.Second, "both have gone", func() bool {
		_, err := r.TryReceive()
		if !errors.Is(err, isthmus.ErrEmpty) {
			t.Fatal(err)
		}
		return r.Stats().Connections == 0
	})
}

// TestTLSRefuses proves that nobody without the right certificate is heard, and
// that those who never finish a handshake disturb nobody.
func TestTLSRefuses(t *testing.T) {
	r, at := secure(t)
	silent, err := net.Dial("tcp", at)
	check(t, err)
	defer silent.Close()
	for name, cfg := range map[string]*tls.Config{
		"no certificate": clientTLS(t, nil, ""), "another authority's": clientTLS(t, newAuthority(), "mallory"),
	} {
		before := r.Stats().Refused
		c, err := socket.Dial(background, socket.TCP, at, &socket.Config{TLS: cfg})
		if err == nil { // with TLS 1.3 a client learns of it when it reads
			_ = c.TrySend(text("in"))
		}
		proctest.Eventually(t, 10*time.Second, name+" is refused", func() bool {
			if m, err := r.TryReceive(); !errors.Is(err, isthmus.ErrEmpty) {
				t.Fatalf("%s: received %q, %v", name, m.Data, err)
			}
			return r.Stats().Refused > before
		})
		if err == nil {
			if _, err := c.Receive(background); err == nil {
				t.Errorf("%s: it has received something", name)
			}
			c.Close()
		}
	}
	plain, err := socket.Dial(background, socket.TCP, at, nil)
	check(t, err)
	defer plain.Close()
	check(t, plain.Send(background, text("in the clear")))
	good, err := socket.Dial(background, socket.TCP, at, &socket.Config{TLS: clientTLS(t, tests(), "alice")})
	check(t, err)
	defer good.Close()
	check(t, good.Send(background, text("hello")))
	if m, err := r.Receive(background); err != nil || string(m.Data) != "hello" {
		t.Errorf("%q, %v", m.Data, err)
	}
	_, err = socket.Dial(background, socket.TCP, at, &socket.Config{TLS: &tls.Config{RootCAs: newAuthority().pool}})
	if err == nil {
		t.Error("a server of another authority is trusted")
	}
}

// TestTLSWaits proves that a Send that waits can be cancelled, and that what
// was begun comes whole.
func TestTLSWaits(t *testing.T) {
	l, err := socket.Listen(background, socket.TCP, "127.0.0.1:0", &socket.Config{TLS: serverTLS(t, tests())})
	check(t, err)
	defer l.Close()
	accepted := make(chan *socket.Conn, 1)
	go func() {
		c, err := l.Accept(background)
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	a, err := socket.Dial(background, socket.TCP, strings.TrimPrefix(l.Name(), "tcp:"), &socket.Config{TLS: clientTLS(t, tests(), "alice"), SendBuffer: 64 << 10})
	check(t, err)
	b := <-accepted
	defer b.Close()
	if id, err := b.Peer(); err != nil || id.Name != "alice" || !id.Verified {
		t.Errorf("%+v, %v", id, err)
	}
	m := isthmus.Message{Data: bytes.Repeat([]byte("0123456789"), 100_000)}
	sent := 0
	for {
		ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
		err := a.Send(ctx, m)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			// On a busy machine 50 ms are not long: it is full if this says so, too.
			err = a.TrySend(m)
		}
		if errors.Is(err, isthmus.ErrFull) {
			break
		}
		check(t, err)
		if sent++; sent > 100 {
			t.Fatal("it is never full")
		}
	}
	for range sent {
		got, err := b.Receive(background)
		if err != nil || !bytes.Equal(got.Data, m.Data) {
			t.Fatalf("%d bytes, %v", len(got.Data), err)
		}
	}
	check(t, a.Send(background, text("end")))
	if got, err := b.Receive(background); err != nil || string(got.Data) != "end" {
		t.Fatalf("%q, %v", got.Data, err)
	}
	check(t, a.Close())
	if _, err := b.Receive(background); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
