//go:build linux

package hostile

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

var longForm = flag.Duration("hostile.for", 5*time.Second, "how long the scribblers go on, all together")

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{
		"scribble": scribble, "nothing": func([]string) error { return nil },
		"small": smallDisk, "inodes": fewInodes, "readonly": readOnlyMount, "fullpunch": fullPunch,
		"nofiles": noFiles, "stranger": stranger, "profiled": profiled,
	})
}

// bound is what a call may take beyond its deadline. It is generous because
// the machines that run tests are shared; a hang is for ever.
const bound = 10 * time.Second

// within ends the whole process, with all stacks, if fn takes too long: a
// goroutine that hangs in a call cannot be ended in any other way.
func within(limit time.Duration, what string, fn func()) {
	alarm := time.AfterFunc(limit, func() {
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		panic(fmt.Sprintf("%s took more than %v", what, limit))
	})
	defer alarm.Stop()
	fn()
}

// shmDir is a directory for mailboxes on a tmpfs, gone when the test ends.
func shmDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "isthmus-hostile-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func create(t testing.TB, cfg mailbox.Config) *mailbox.Mailbox {
	t.Helper()
	m, err := mailbox.Create("box", &cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { within(bound, "close", func() { _ = m.Close() }) })
	return m
}

func attach(t testing.TB, cfg mailbox.Config) *mailbox.Mailbox {
	t.Helper()
	m, err := mailbox.Attach("box", &cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { within(bound, "close", func() { _ = m.Close() }) })
	return m
}

func boxPath(dir string) string { return dir + "/mailbox.box" }

// typed complains about an error that is not of the one type.
func typed(what string, err error) error {
	var e *isthmus.Error
	if err != nil && !errors.As(err, &e) {
		return fmt.Errorf("%s: the error is a %T, not an *isthmus.Error: %w", what, err, err)
	}
	return nil
}

// census counts what a leak would add to.
type census struct{ files, maps, goroutines int }

func count() census {
	var c census
	names, _ := os.ReadDir("/proc/self/fd")
	for _, n := range names {
		// The runtime opens its own when it first needs them.
		to, err := os.Readlink("/proc/self/fd/" + n.Name())
		if err == nil && to != "anon_inode:[eventpoll]" && to != "anon_inode:[eventfd]" && !strings.HasPrefix(to, "/proc/") {
			c.files++
		}
	}
	maps, _ := os.ReadFile("/proc/self/maps")
	for l := range strings.Lines(string(maps)) {
		if strings.Contains(l, " rw-s ") { // nobody else here maps to share
			c.maps++
		}
	}
	c.goroutines = runtime.NumGoroutine()
	return c
}

// unchanged waits until nothing is left of what was opened since c was counted.
func (c census) unchanged() error {
	var now census
	for end := time.Now().Add(bound); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if now = count(); now.files <= c.files && now.maps <= c.maps && now.goroutines <= c.goroutines {
			return nil
		}
		runtime.GC() // what a claim or loan kept mapped goes with the handle
	}
	return fmt.Errorf("something leaked: %+v before, %+v after", c, now)
}

// leakless runs a test, and then looks for what it left.
func leakless(t *testing.T, name string, fn func(*testing.T)) {
	t.Helper()
	before := count()
	t.Run(name, fn)
	if err := before.unchanged(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// empty complains about what is in a directory.
func empty(dir string) error {
	names, err := os.ReadDir(dir)
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("%s was left behind in %s", names[0].Name(), dir)
	}
	return err
}

// private makes a process in a mount namespace of its own, and a user
// namespace if that is what it takes. It skips only if the kernel refuses.
func private(t *testing.T) proctest.Options {
	t.Helper()
	attr := &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	p, err := os.StartProcess("/proc/self/exe", []string{"probe"}, &os.ProcAttr{
		Env: append(os.Environ(), "ISTHMUS_TEST_ROLE=nothing"), Sys: attr,
	})
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.ENOSYS) {
		t.Skipf("SKIPPED: this kernel refuses a mount namespace to this user, so no small file system can be made: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if st, err := p.Wait(); err != nil || !st.Success() {
		t.Fatal(err, st)
	}
	return proctest.Options{Attr: attr}
}

// needFaults skips where a fault in the program's memory is one in the race
// detector's code, too, and so cannot be survived.
func needFaults(t *testing.T) {
	t.Helper()
	if raced {
		t.Skip("SKIPPED: built with -race, the detector itself faults on a truncated file; the build without it runs this")
	}
}

// needRoot fails where a test of two users cannot be made.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can make the files of two users; CI runs this as root")
	}
}
