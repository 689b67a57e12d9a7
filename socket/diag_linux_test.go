package socket

import (
	"syscall"
	"testing"
)

// feedInflow writes b in pieces to a socket, whose other end an inflow reads.
func feedInflow(t *testing.T, b []byte, piece int) {
	p, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(p[0])
	defer syscall.Close(p[1])
	set, err := settle(Unix, &Config{MaxMessage: 1000})
	if err != nil {
		t.Fatal(err)
	}
	in := bareSource(set, &counters{}, new([]byte), nil)
	defer in.drop()
	got, buf := 0, make([]byte, 500)
	for len(b) > 0 {
		n := min(piece, len(b))
		if _, err := syscall.Write(p[1], b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
		for into := false; ; into = !into {
			d := delivery{into: buf, isInto: into}
			if err := in.take(p[0], &d); err == syscall.EAGAIN || err != nil && ended(in) {
				break
			}
			got += len(d.msg.Data)
		}
	}
	if got > 1<<20 {
		t.Fatalf("received %d bytes", got)
	}
}
