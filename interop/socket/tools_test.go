//go:build linux && interop

package socket_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/socket"
)

// hello is a framed message, as socat and openssl are to pass it on.
const hello = "\xB7\x01\x00\x00\x05\x00\x00\x00hello"

// TestSocatConnects has socat pass bytes to a receiver, and the answer back.
func TestSocatConnects(t *testing.T) {
	need(t, "socat", "socat")
	path := dir(t) + "/s"
	for address, c := range map[string]struct{ network, at, send string }{
		"UNIX-CONNECT:" + path:              {socket.Unix, path, hello},
		"ABSTRACT-CONNECT:interop-socat":    {socket.Unix, "@interop-socat", hello},
		"UNIX-CONNECT:" + path + "p,type=5": {socket.UnixPacket, path + "p", "hello"},
		"UNIX-SENDTO:" + path + "d":         {socket.UnixGram, path + "d", "hello"},
		"TCP:":                              {socket.TCP, "127.0.0.1:0", hello},
	} {
		r := receiver(t, c.network, c.at, nil)
		if c.network == socket.TCP {
			address = r.Name()
		}
		p := start(t, "socat", "-t", "10", "-", address)
		_, err := io.WriteString(p.in, c.send)
		check(t, err)
		q, err := r.ReceiveRequest(background)
		if err != nil || string(q.Data) != "hello" {
			t.Fatalf("%s: %+v, %v", address, q, err)
		}
		if c.network == socket.UnixGram {
			continue // socat has no address there
		}
		check(t, q.Reply(background, text("yes")))
		want := strings.Replace(c.send, "\x05", "\x03", 1)
		want = strings.Replace(want, "hello", "yes", 1)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(p.out, got); err != nil || string(got) != want {
			t.Errorf("%s: socat got %q, %v", address, got, err)
		}
	}
}

// TestSocatListens has socat listen, and pass bytes to its standard output.
func TestSocatListens(t *testing.T) {
	need(t, "socat", "socat")
	path := dir(t) + "/s"
	for address, c := range map[string]struct{ network, at, want string }{
		"UNIX-LISTEN:" + path:              {socket.Unix, path, hello},
		"UNIX-LISTEN:" + path + "p,type=5": {socket.UnixPacket, path + "p", "hello"},
		"ABSTRACT-LISTEN:interop-socat-l":  {socket.Unix, "@interop-socat-l", hello},
		"UNIX-RECV:" + path + "d":          {socket.UnixGram, path + "d", "hello"},
		"TCP-LISTEN:47113,bind=127.0.0.1":  {socket.TCP, "127.0.0.1:47113", hello},
	} {
		p := start(t, "socat", "-u", address, "-")
		var conn *socket.Conn
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			var err error
			if conn, err = socket.Dial(background, c.network, c.at, nil); err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %v", address, err)
			}
		}
		defer conn.Close()
		check(t, conn.Send(background, text("hello")))
		got := make([]byte, len(c.want))
		if _, err := io.ReadFull(p.out, got); err != nil || string(got) != c.want {
			t.Errorf("%s: socat got %q, %v", address, got, err)
		}
	}
}

// certificate signs itself; who trusts it has it in his pool.
func certificate(t *testing.T, name string) (cert tls.Certificate, pool *x509.CertPool, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	check(t, err)
	pkcs, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	out := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs})...)
	file = dir(t) + "/" + name
	check(t, os.WriteFile(file, out, 0o600))
	leaf, err := x509.ParseCertificate(der)
	check(t, err)
	pool = x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool, file
}

// TestOpenSSL has openssl s_client talk to a receiver that wants certificates,
// and a Conn to openssl s_server.
func TestOpenSSL(t *testing.T) {
	need(t, "openssl", "openssl")
	server, serverPool, serverFile := certificate(t, "server")
	client, clientPool, clientFile := certificate(t, "client")
	r := receiver(t, socket.TCP, "127.0.0.1:0", &socket.Config{TLS: &tls.Config{
		Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clientPool,
	}})
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		p := start(t, "openssl", "s_client", "-quiet", version, "-connect", strings.TrimPrefix(r.Name(), "tcp:"),
			"-cert", clientFile, "-key", clientFile, "-CAfile", serverFile, "-verify_return_error")
		_, err := io.WriteString(p.in, hello)
		check(t, err)
		q, err := r.ReceiveRequest(background)
		if err != nil || string(q.Data) != "hello" || q.From.Name != "client" || !q.From.Verified {
			t.Fatalf("%s: %+v, %v", version, q, err)
		}
		check(t, q.Reply(background, text("world")))
		want := strings.Replace(hello, "hello", "world", 1)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(p.out, got); err != nil || string(got) != want {
			t.Errorf("%s: openssl got %q, %v", version, got, err)
		}
	}
	p := start(t, "openssl", "s_server", "-quiet", "-accept", "127.0.0.1:47114", "-cert", serverFile, "-key", serverFile, "-CAfile", clientFile, "-Verify", "1", "-verify_return_error", "-naccept", "1")
	var c *socket.Conn
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		var err error
		c, err = socket.Dial(background, socket.TCP, "127.0.0.1:47114", &socket.Config{TLS: &tls.Config{RootCAs: serverPool, Certificates: []tls.Certificate{client}}})
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	defer c.Close()
	check(t, c.Send(background, isthmus.Message{Data: []byte("hello")}))
	got := make([]byte, len(hello))
	if _, err := io.ReadFull(p.out, got); err != nil || string(got) != hello {
		t.Errorf("openssl s_server got %q, %v", got, err)
	}
}
