//go:build linux && interop

package sysv

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/sysv"
)

var background = context.Background()

// install says what a missing tool is in.
var install = map[string]string{
	"gcc": "apt-get install gcc libc6-dev", "perl": "apt-get install perl", "python3": "apt-get install python3",
	"ipcs": "apt-get install util-linux", "ipcmk": "apt-get install util-linux-extra or util-linux",
	"ipcrm": "apt-get install util-linux", "lsipc": "apt-get install util-linux",
}

func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: %s", name, install[name])
	}
	return path
}

// compiled builds a C program once for all tests.
var compiled = struct {
	sync.Mutex
	dir string
	exe map[string]string
}{exe: map[string]string{}}

func cProgram(t testing.TB, source string) string {
	t.Helper()
	compiled.Lock()
	defer compiled.Unlock()
	if exe := compiled.exe[source]; exe != "" {
		return exe
	}
	exe := filepath.Join(compiled.dir, source)
	out, err := exec.Command(tool(t, "gcc"), "-O2", "-Wall", "-Werror", "-o", exe, filepath.Join("testdata", source+".c")).CombinedOutput()
	if err != nil {
		t.Fatalf("gcc: %v: %s", err, out)
	}
	compiled.exe[source] = exe
	return exe
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	compiled.dir = dir
	defer os.RemoveAll(dir)
	proctest.Main(m, roles)
}

// peer is a program that is none of ours.
type peer struct {
	t   testing.TB
	cmd *exec.Cmd
	out *bufio.Reader
	in  interface{ Close() error }
	err strings.Builder
}

// language is how to start a peer in one of the languages.
type language struct {
	name    string
	command func(t testing.TB) []string
}

var languages = []language{
	{"C", func(t testing.TB) []string { return []string{cProgram(t, "peer")} }},
	{"Perl", func(t testing.TB) []string { return []string{tool(t, "perl"), "testdata/peer.pl"} }},
	{"Python", func(t testing.TB) []string {
		python := tool(t, "python3")
		if out, err := exec.Command(python, "-c", "import sysv_ipc").CombinedOutput(); err != nil {
			t.Fatalf("python3 has no module sysv_ipc: pip install sysv_ipc: %s", out)
		}
		return []string{python, "testdata/peer.py"}
	}},
}

func (l language) start(t testing.TB, args ...any) *peer {
	t.Helper()
	words := l.command(t)
	for _, a := range args {
		words = append(words, fmt.Sprint(a))
	}
	return start(t, words...)
}

func start(t testing.TB, words ...string) *peer {
	t.Helper()
	p := &peer{t: t, cmd: exec.Command(words[0], words[1:]...)}
	p.cmd.Stderr = &p.err
	in, err := p.cmd.StdinPipe()
	must(t, err)
	out, err := p.cmd.StdoutPipe()
	must(t, err)
	p.in, p.out = in, bufio.NewReader(out)
	must(t, p.cmd.Start())
	t.Cleanup(p.kill)
	return p
}

func (p *peer) expect(want string) {
	p.t.Helper()
	got, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("%v ended (%v) before it wrote %q: %s", p.cmd.Args, p.cmd.Wait(), want, p.err.String())
	}
	if got != want+"\n" {
		p.t.Fatalf("%v wrote %q, want %q", p.cmd.Args, got, want)
	}
}

// end lets it go on to its end, which must be a good one.
func (p *peer) end() {
	p.t.Helper()
	p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("%v: %v: %s", p.cmd.Args, err, p.err.String())
	}
}

func (p *peer) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// inKernel waits until a thread of the process waits in system call trap.
func inKernel(t testing.TB, pid, trap int) {
	t.Helper()
	proctest.Eventually(t, 20*time.Second, "it waits in the kernel", func() bool {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
		for _, task := range tasks {
			if b, err := os.ReadFile(task); err == nil && strings.HasPrefix(string(b), fmt.Sprintf("%d ", trap)) {
				return true
			}
		}
		return false
	})
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// freshKey is a key that nobody uses; what comes to have it is removed.
func freshKey(t testing.TB) sysv.Key {
	t.Helper()
	for id := 1; id < 256; id++ {
		key, err := sysv.Ftok(t.TempDir(), id)
		must(t, err)
		_, q := sysv.OpenQueue(key)
		_, s := sysv.OpenSemaphoreSet(key)
		_, m := sysv.OpenSegment(key)
		if q == nil || s == nil || m == nil {
			continue
		}
		t.Cleanup(func() { remove(t, key) })
		return key
	}
	t.Fatal("no free key")
	return 0
}

func remove(t testing.TB, key sysv.Key) {
	if q, err := sysv.OpenQueue(key); err == nil {
		must(t, q.Remove())
	}
	if s, err := sysv.OpenSemaphoreSet(key); err == nil {
		must(t, s.Remove())
	}
	if m, err := sysv.OpenSegment(key); err == nil {
		must(t, m.Remove())
	}
}
