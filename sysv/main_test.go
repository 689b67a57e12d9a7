//go:build linux

package sysv_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/sysv"
)

var background = context.Background()

var errClosed = isthmus.ErrClosed

// patience is how long something may take that nothing holds up.
const patience = 20 * time.Second

// acts are what another process does for a test: see act.
var acts = map[string]func(args []string) error{}

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{
		peerRole: conformancePeer,
		"act": func(args []string) error {
			f := acts[args[0]]
			if f == nil {
				return fmt.Errorf("no act %q", args[0])
			}
			return f(args[1:])
		},
	})
}

// act starts another process that does something.
func act(t testing.TB, o proctest.Options, name string, args ...any) *proctest.Proc {
	t.Helper()
	words := []string{name}
	for _, a := range args {
		words = append(words, fmt.Sprint(a))
	}
	return proctest.Start(t, o, "act", words...)
}

// stranger is an act of a user who owns nothing.
func stranger(t testing.TB) proctest.Options {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT PROVEN: it needs a second user, and only root can become one")
	}
	return proctest.Options{
		Exe:  "/proc/self/exe", // the test binary may lie where only root may look
		Attr: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}},
	}
}

// island is an act in an IPC namespace of its own, where it is root and may set
// the limits.
func island() proctest.Options {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWIPC}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return proctest.Options{Attr: attr}
}

// kernel reads, and setKernel writes, a limit in /proc/sys/kernel.
func kernel(name string) string {
	b, err := os.ReadFile("/proc/sys/kernel/" + name)
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(string(b)), " ")
}

func setKernel(name, value string) error {
	return os.WriteFile("/proc/sys/kernel/"+name, []byte(value), 0)
}

// inKernel waits until n threads of a process are in the system call trap.
func inKernel(t testing.TB, pid int, trap, n int) {
	t.Helper()
	proctest.Eventually(t, patience, fmt.Sprintf("%d threads of %d wait in system call %d", n, pid, trap), func() bool {
		return threadsIn(pid, trap) >= n
	})
}

func threadsIn(pid, trap int) (n int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	for _, task := range tasks {
		if b, err := os.ReadFile(task); err == nil && strings.HasPrefix(string(b), fmt.Sprintf("%d ", trap)) {
			n++
		}
	}
	return n
}

// threads is how many this process has.
func threads() int {
	tasks, _ := os.ReadDir("/proc/self/task")
	return len(tasks)
}

// await is what a goroutine returned.
func await(t testing.TB, errs <-chan error) error {
	t.Helper()
	select {
	case err := <-errs:
		return err
	case <-time.After(patience):
		t.Fatalf("a call did not return within %v", patience)
		return nil
	}
}

// call makes a call in another goroutine.
func call(f func() error) <-chan error {
	errs := make(chan error, 1)
	go func() { errs <- f() }()
	return errs
}

// is fails if err is not all of targets, or no *isthmus.Error of ours.
func is(t testing.TB, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Fatalf("the error is %v, want %v", err, target)
		}
	}
	var e *isthmus.Error
	if !errors.As(err, &e) || e.Mechanism != "sysv" || e.Op == "" || e.Name == "" {
		t.Fatalf("the error %v is no *isthmus.Error of sysv with Op and Name", err)
	}
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// privateQueue, privateSet and privateSegment are removed when the test ends.
func privateQueue(t testing.TB, bytes int) *sysv.Queue {
	t.Helper()
	q, err := sysv.CreateQueue(sysv.Private, &sysv.QueueConfig{MaxBytes: bytes})
	must(t, err)
	t.Cleanup(func() {
		if other, err := sysv.QueueByID(q.ID()); err == nil {
			must(t, other.Remove())
		}
	})
	return q
}

func privateSet(t testing.TB, values ...int) *sysv.SemaphoreSet {
	t.Helper()
	s, err := sysv.CreateSemaphoreSet(sysv.Private, len(values), &sysv.SemaphoreConfig{Values: values})
	must(t, err)
	t.Cleanup(func() {
		if other, err := sysv.SemaphoreSetByID(s.ID()); err == nil {
			must(t, other.Remove())
		}
	})
	return s
}

func privateSegment(t testing.TB, size int) *sysv.Segment {
	t.Helper()
	s, err := sysv.CreateSegment(sysv.Private, size, nil)
	must(t, err)
	t.Cleanup(func() {
		if st, err := s.Stat(); err == nil && !st.Removed {
			must(t, s.Remove())
		}
	})
	return s
}

// newKey is a key that nobody else uses: of a file that is the test's own.
func newKey(t testing.TB) sysv.Key {
	t.Helper()
	for id := 1; id < 256; id++ {
		path := filepath.Join(t.TempDir(), fmt.Sprint("key", id))
		must(t, os.WriteFile(path, nil, 0o600))
		key, err := sysv.Ftok(path, id)
		must(t, err)
		_, q := sysv.OpenQueue(key)
		_, s := sysv.OpenSegment(key)
		_, m := sysv.OpenSemaphoreSet(key)
		if key != sysv.Private && q != nil && s != nil && m != nil {
			return key
		}
	}
	t.Fatal("no free key")
	return 0
}
