// Package proctest is the one way in which tests start processes: the test
// binary runs itself again, in a role.
package proctest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const roleEnv = "ISTHMUS_TEST_ROLE"

// Roles are what a process started by Start can do. A role that returns an
// error ends its process with status 1.
type Roles map[string]func(args []string) error

// Main runs a role if this process was started to play one, and the tests if
// not. It is called by TestMain.
func Main(m *testing.M, roles Roles) {
	if role := os.Getenv(roleEnv); role != "" {
		play := roles[role]
		if play == nil {
			fmt.Fprintf(os.Stderr, "no role %q\n", role)
			os.Exit(2)
		}
		if err := play(os.Args[1:]); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Proc is a process in a role.
type Proc struct {
	t      testing.TB
	Cmd    *exec.Cmd
	In     io.WriteCloser
	out    *bufio.Reader
	errs   bytes.Buffer
	wait   sync.Once
	status error
}

// Options say how to start a process.
type Options struct {
	Exe   string // instead of this test binary
	Env   []string
	Files []*os.File // descriptors 3, 4, …
	Attr  *syscall.SysProcAttr
	Wrap  []string // a command to run it by: taskset -c 0
}

// Start starts a process in a role. It is killed when the test ends.
func Start(t testing.TB, opts Options, role string, args ...string) *Proc {
	t.Helper()
	exe := opts.Exe
	if exe == "" {
		exe = os.Args[0]
	}
	words := append(append(append([]string(nil), opts.Wrap...), exe), args...)
	p := &Proc{t: t, Cmd: exec.Command(words[0], words[1:]...)}
	// A race build sleeps for a second before it exits, unless told not to.
	race := strings.TrimSpace(os.Getenv("GORACE") + " atexit_sleep_ms=0")
	p.Cmd.Env = append(append(os.Environ(), roleEnv+"="+role, "GORACE="+race), opts.Env...)
	p.Cmd.ExtraFiles = opts.Files
	p.Cmd.SysProcAttr = opts.Attr
	p.Cmd.Stderr = &p.errs
	var err error
	if p.In, err = p.Cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.Cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.Cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", role, err)
	}
	t.Cleanup(func() {
		_ = p.Cmd.Process.Kill()
		p.end()
	})
	return p
}

// PID is the process's number.
func (p *Proc) PID() int { return p.Cmd.Process.Pid }

// Line reads the next line that the process writes; the test fails if it ends first.
func (p *Proc) Line() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		p.end()
		p.t.Fatalf("process ended (%v) before it wrote a line; it said: %s", p.status, p.errs.String())
	}
	return strings.TrimSuffix(line, "\n")
}

// Expect reads a line and fails if it is another one.
func (p *Proc) Expect(want string) {
	p.t.Helper()
	if got := p.Line(); got != want {
		p.t.Fatalf("process wrote %q, want %q", got, want)
	}
}

// Rest is what the process writes until it ends.
func (p *Proc) Rest() string {
	b, _ := io.ReadAll(p.out)
	return string(b)
}

// Say writes a line to the process.
func (p *Proc) Say(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.In, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// Kill kills the process with SIGKILL and waits until it has ended.
func (p *Proc) Kill() {
	_ = p.Cmd.Process.Kill()
	p.end()
}

// Signal sends a signal.
func (p *Proc) Signal(s syscall.Signal) { _ = p.Cmd.Process.Signal(s) }

func (p *Proc) end() {
	p.wait.Do(func() {
		_, _ = io.Copy(io.Discard, p.out)
		p.status = p.Cmd.Wait()
	})
}

// Wait waits until the process has ended, and fails the test if not well.
func (p *Proc) Wait() {
	p.t.Helper()
	p.end()
	if p.status != nil {
		p.t.Fatalf("process failed: %v: %s", p.status, p.errs.String())
	}
}

// WaitKilled waits until the process has ended and fails the test if it was
// not killed by a signal.
func (p *Proc) WaitKilled() {
	p.t.Helper()
	p.end()
	var ee *exec.ExitError
	if errors.As(p.status, &ee) {
		if ws, ok := ee.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return
		}
	}
	p.t.Fatalf("process was not killed: %v: %s", p.status, p.errs.String())
}

// Stopped waits until the process is stopped by a signal.
func (p *Proc) Stopped() {
	p.t.Helper()
	Eventually(p.t, 10*time.Second, "process stopped", func() bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		_, rest, ok := strings.Cut(string(b), ") ")
		return ok && strings.HasPrefix(rest, "T")
	})
}

// Eventually waits until a condition that nobody announces holds. It fails the
// test if that takes longer than the time given.
func Eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(time.Millisecond)
	}
}

// Log is what the process wrote on standard error, once it has ended.
func (p *Proc) Log() string { return p.errs.String() }
