//go:build linux && interop

package socket_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/socket"
)

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{"echo": echoRole, "echo-net": echoNetRole})
}

var kinds = map[string]string{"stream": socket.Unix, "seqpacket": socket.UnixPacket}

// echoRole sends back what comes on descriptor 3.
func echoRole(args []string) error {
	size, _ := strconv.Atoi(args[0])
	c, err := socket.FileConn(os.NewFile(3, "pair"), &socket.Config{MaxMessage: size})
	if err != nil {
		return err
	}
	buf := make([]byte, size)
	for {
		m, err := c.ReceiveInto(background, buf)
		if err != nil {
			return nil
		}
		if err := c.Send(background, isthmus.Message{Data: m.Data}); err != nil {
			return nil
		}
	}
}

// echoNetRole does it with package net.
func echoNetRole(args []string) error {
	c, err := net.FileConn(os.NewFile(3, "pair"))
	if err != nil {
		return err
	}
	s := newPlain(c, args)
	for {
		n, err := s.receive()
		if err != nil {
			return nil
		}
		if err := s.send(n); err != nil {
			return nil
		}
	}
}

// plain is a framed stream, or packets, as one writes them with package net.
type plain struct {
	c      net.Conn
	framed bool
	buf    []byte
	have   int
}

func newPlain(c net.Conn, args []string) *plain {
	size, _ := strconv.Atoi(args[0])
	return &plain{c: c, framed: args[1] == "stream", buf: make([]byte, size+8)}
}

func (s *plain) receive() (int, error) {
	if !s.framed {
		n, err := s.c.Read(s.buf[8:])
		return n, err
	}
	n, err := io.ReadAtLeast(s.c, s.buf, 8)
	if err != nil {
		return 0, err
	}
	length := int(binary.LittleEndian.Uint32(s.buf[4:]))
	if n < 8+length {
		_, err = io.ReadFull(s.c, s.buf[n:8+length])
	}
	return length, err
}

func (s *plain) send(n int) error {
	b := s.buf[8 : 8+n]
	if s.framed {
		binary.LittleEndian.PutUint32(s.buf, 0x01B7)
		binary.LittleEndian.PutUint32(s.buf[4:], uint32(n))
		b = s.buf[:8+n]
	}
	_, err := s.c.Write(b)
	return err
}

// rtt runs a round trip many times and gives the median, in nanoseconds.
func rtt(b *testing.B, rounds int, once func() error) float64 {
	b.Helper()
	times := make([]time.Duration, rounds)
	for i := range times {
		begun := time.Now()
		if err := once(); err != nil {
			b.Fatal(err)
		}
		times[i] = time.Since(begun)
	}
	slices.Sort(times)
	return float64(times[rounds/2])
}

// BenchmarkRoundTrip measures, in turns, the same exchange between two processes:
// here, with package net, and in C.
func BenchmarkRoundTrip(b *testing.B) {
	for kind, network := range kinds {
		for _, size := range []int{64, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%d", kind, size), func(b *testing.B) { compare(b, kind, network, size) })
		}
	}
}

func compare(b *testing.B, kind, network string, size int) {
	rounds := 5000
	if size > 1000 {
		rounds = 1500
	}
	x, y, err := socket.Pair(network, &socket.Config{MaxMessage: size})
	if err != nil {
		b.Fatal(err)
	}
	f, err := y.File()
	if err != nil {
		b.Fatal(err)
	}
	p := proctest.Start(b, proctest.Options{Files: []*os.File{f}}, "echo", strconv.Itoa(size), kind)
	f.Close()
	y.Close()
	u, v, err := socket.Pair(network, &socket.Config{MaxMessage: size})
	if err != nil {
		b.Fatal(err)
	}
	g, _ := v.File()
	q := proctest.Start(b, proctest.Options{Files: []*os.File{g}}, "echo-net", strconv.Itoa(size), kind)
	g.Close()
	v.Close()
	h, _ := u.File()
	nc, err := net.FileConn(h)
	if err != nil {
		b.Fatal(err)
	}
	h.Close()
	u.Close()
	s := newPlain(nc, []string{strconv.Itoa(size), kind})
	m, buf := isthmus.Message{Data: make([]byte, size)}, make([]byte, size)

	var ours, theirs, c []float64
	for b.Loop() {
		for range 5 {
			ours = append(ours, rtt(b, rounds, func() error {
				if err := x.Send(background, m); err != nil {
					return err
				}
				_, err := x.ReceiveInto(background, buf)
				return err
			}))
			theirs = append(theirs, rtt(b, rounds, func() error {
				if err := s.send(size); err != nil {
					return err
				}
				_, err := s.receive()
				return err
			}))
			out, err := exec.Command(cPeer(b), "pingpong", kind, strconv.Itoa(rounds), strconv.Itoa(size)).Output()
			if err != nil {
				b.Fatal(err)
			}
			ns, _ := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
			c = append(c, ns)
		}
	}
	for _, v := range [][]float64{ours, theirs, c} {
		slices.Sort(v)
	}
	mid := func(v []float64) float64 { return v[len(v)/2] }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(mid(ours), "isthmus-ns")
	b.ReportMetric(mid(theirs), "net-ns")
	b.ReportMetric(mid(c), "C-ns")
	b.ReportMetric(mid(ours)/mid(c), "of-C")
	b.ReportMetric(mid(ours)/mid(theirs), "of-net")
	x.Close()
	nc.Close()
	p.Wait()
	q.Wait()
}
