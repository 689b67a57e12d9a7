//go:build linux && interop

package posix

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{"echo": echoRole})
}

// programs are the peers, compiled.
var (
	dir      string
	compiled = map[string]string{}
)

// compile compiles a C program of this directory.
func compile(t testing.TB, compiler, source string) string {
	t.Helper()
	key := compiler + " " + source
	if compiled[key] != "" {
		return compiled[key]
	}
	if _, err := exec.LookPath(compiler); err != nil {
		t.Fatalf("%s is missing: install the package that has it (gcc, musl-tools)", compiler)
	}
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "isthmus-interop-"); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, compiler+"-"+strings.TrimSuffix(source, ".c"))
	if b, err := exec.Command(compiler, "-O2", "-Wall", "-Werror", "-o", out, filepath.Join("testdata", source), "-lrt", "-pthread").CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", compiler, err, b)
	}
	compiled[key] = out
	return out
}

// peer is a program that does what it is told.
type peer struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(t testing.TB, name string, args ...string) *peer {
	t.Helper()
	p := &peer{t: t, cmd: exec.Command(name, args...)}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// c starts the peer in C.
func c(t testing.TB) *peer { t.Helper(); return start(t, compile(t, "gcc", "peer.c")) }

func (p *peer) begin(format string, args ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) line() string {
	p.t.Helper()
	s, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("the peer has ended: %v", err)
	}
	return strings.TrimSpace(s)
}

func (p *peer) ends(want string) {
	p.t.Helper()
	if got := p.line(); got != strings.TrimSpace("ok "+want) {
		p.t.Fatalf("the peer answered %q, want ok %q", got, want)
	}
}

func (p *peer) must(want, format string, args ...any) {
	p.t.Helper()
	p.begin(format, args...)
	p.ends(want)
}

func (p *peer) refused(want syscall.Errno, format string, args ...any) {
	p.t.Helper()
	p.begin(format, args...)
	if got := p.line(); got != fmt.Sprintf("err %d", int(want)) {
		p.t.Fatalf("the peer answered %q, want error %d (%v)", got, int(want), want)
	}
}

// kill kills it, if it is there, and waits for its end.
func (p *peer) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// inSyscall waits until the peer's only thread is in a system call.
func (p *peer) inSyscall(n uintptr) {
	p.t.Helper()
	proctest.Eventually(p.t, 20*time.Second, fmt.Sprintf("the peer is in system call %d", n), func() bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", p.cmd.Process.Pid))
		return strings.HasPrefix(string(b), fmt.Sprintf("%d ", n))
	})
}

var names atomic.Int64

func newName() string { return fmt.Sprintf("/isthmus-interop-%d-%d", os.Getpid(), names.Add(1)) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
