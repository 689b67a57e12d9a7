//go:build linux && interop

package socket_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/socket"
)

var background = context.Background()

// need is the path of a program, which must be there.
func need(t testing.TB, program, debian string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", program, debian)
	}
	return path
}

var compile = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return "", err
	}
	exe := filepath.Join(dir, "peer")
	out, err := exec.Command("gcc", "-O2", "-Wall", "-o", exe, "testdata/peer.c").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("gcc: %w: %s", err, out)
	}
	return exe, err
})

// cPeer is the compiled testdata/peer.c.
func cPeer(t testing.TB) string {
	t.Helper()
	need(t, "gcc", "gcc")
	exe, err := compile()
	check(t, err)
	return exe
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func dir(t testing.TB) string {
	t.Helper()
	d, err := os.MkdirTemp("", "sock")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(d) })
	return d
}

func text(s string) isthmus.Message { return isthmus.Message{Data: []byte(s)} }

// program is another program that runs.
type program struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(t testing.TB, words ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(words[0], words[1:]...)}
	p.cmd.Stderr = os.Stderr
	var err error
	p.in, err = p.cmd.StdinPipe()
	check(t, err)
	out, err := p.cmd.StdoutPipe()
	check(t, err)
	p.out = bufio.NewReader(out)
	check(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	return p
}

func (p *program) expect(want string) {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	if got := strings.TrimSuffix(line, "\n"); got != want {
		p.t.Fatalf("%s wrote %q, want %q (%v)", p.cmd.Args[0], got, want, err)
	}
}

// received is the next message, from the program if p is not nil.
func received(t testing.TB, r isthmus.Receiver, want string, p *program) {
	t.Helper()
	m, err := r.Receive(background)
	if err != nil || string(m.Data) != want || p != nil && m.From.PID != p.cmd.Process.Pid {
		t.Fatalf("received %q from %+v, %v; want %q", m.Data, m.From, err, want)
	}
}

func receiver(t testing.TB, network, at string, cfg *socket.Config) *socket.Receiver {
	t.Helper()
	r, err := socket.OpenReceiver(background, network, at, cfg)
	check(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func dial(t testing.TB, network, at string, cfg *socket.Config) *socket.Conn {
	t.Helper()
	c, err := socket.Dial(background, network, at, cfg)
	check(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}
