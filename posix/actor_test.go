//go:build linux

package posix_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/posix"
)

// actor is another process that does what it is told, a command a line, and
// answers each with a line: "ok …", or "err ERRNO …".
type actor struct {
	t testing.TB
	*proctest.Proc
}

func startActor(t testing.TB) *actor {
	return &actor{t, proctest.Start(t, proctest.Options{}, "actor")}
}

// startStranger starts an actor without privilege: as another user if this
// process is root, else as this one. An object of mode 0 is closed to both.
func startStranger(t testing.TB, flags uintptr) *actor {
	t.Helper()
	exe, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	attr := &syscall.SysProcAttr{Cloneflags: flags}
	if os.Geteuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	} else if flags != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER // which gives the right to the others
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
	}
	// The binary lies in a directory that others may not enter.
	return &actor{t, proctest.Start(t, proctest.Options{Exe: "/proc/self/fd/3", Files: []*os.File{exe}, Attr: attr}, "actor")}
}

// startNice starts an actor of a lower scheduling priority.
func startNice(t testing.TB, nice int) *actor {
	t.Helper()
	var a *actor
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with its priority
		if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, nice); err != nil {
			t.Error(err)
			return
		}
		a = startActor(t)
	}()
	<-done
	if a == nil {
		t.FailNow()
	}
	return a
}

// do tells the actor to do something and wants its answer.
func (a *actor) do(format string, args ...any) string {
	a.t.Helper()
	a.begin(format, args...)
	return a.Line()
}

func (a *actor) begin(format string, args ...any) { a.t.Helper(); a.Say(fmt.Sprintf(format, args...)) }

// must fails the test unless the answer is "ok" and what is wanted.
func (a *actor) must(want, format string, args ...any) {
	a.t.Helper()
	a.begin(format, args...)
	a.ends(want)
}

func (a *actor) ends(want string) {
	a.t.Helper()
	if got := a.Line(); got != strings.TrimSuffix("ok "+want, " ") {
		a.t.Fatalf("the other process answered %q, want ok %q", got, want)
	}
}

// refused fails the test unless the answer is that error.
func (a *actor) refused(want syscall.Errno, format string, args ...any) string {
	a.t.Helper()
	got := a.do(format, args...)
	if !strings.HasPrefix(got, fmt.Sprintf("err %d ", int(want))) {
		a.t.Fatalf("the other process answered %q, want error %d (%v)", got, int(want), want)
	}
	return got
}

// inSyscall waits until a thread of a process is in a system call.
func inSyscall(t testing.TB, pid int, n uintptr, threads int) {
	t.Helper()
	proctest.Eventually(t, 20*time.Second, fmt.Sprintf("%d threads wait in system call %d", threads, n), func() bool {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
		seen := 0
		for _, f := range files {
			b, _ := os.ReadFile(f)
			if strings.HasPrefix(string(b), strconv.Itoa(int(n))+" ") {
				seen++
			}
		}
		return seen >= threads
	})
}

// acting is what an actor has open.
type acting struct {
	queues map[string]*posix.Queue
	sems   map[string]*posix.Semaphore
	mems   map[string]*posix.Mapping
	libc   posix.SemaphoreConfig
}

func actorRole([]string) error {
	a := &acting{map[string]*posix.Queue{}, map[string]*posix.Semaphore{}, map[string]*posix.Mapping{}, posix.SemaphoreConfig{}}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		words := strings.Fields(in.Text())
		said, err := a.act(words)
		var errno syscall.Errno
		errors.As(err, &errno)
		switch {
		case err != nil:
			fmt.Printf("err %d %v\n", int(errno), err)
		default:
			fmt.Println(strings.TrimSuffix("ok "+said, " "))
		}
	}
	return in.Err()
}

func (a *acting) act(w []string) (string, error) {
	arg := func(i int) string {
		if i < len(w) {
			return w[i]
		}
		return ""
	}
	n, _ := strconv.Atoi(arg(2))
	switch w[0] {
	case "limit":
		which := map[string]int{"nofile": unix.RLIMIT_NOFILE, "msgqueue": unix.RLIMIT_MSGQUEUE}[arg(1)]
		return "", unix.Setrlimit(which, &unix.Rlimit{Cur: uint64(n), Max: uint64(n)})
	case "musl":
		a.libc.Libc = posix.Musl
		return "", nil
	case "list":
		_, err := posix.ListQueues()
		return "", err
	case "storm":
		return "", unixStorm()
	}
	switch w[0][0] {
	case 'q':
		return a.queue(w[0], arg(1), arg(2), n)
	case 's':
		return "", a.semaphore(w[0], arg(1), n)
	case 'm':
		return a.memory(w[0], arg(1), arg(2), n)
	}
	return "", fmt.Errorf("no command %q", w[0])
}

var actions = context.Background()

func (a *acting) queue(verb, name, text string, n int) (string, error) {
	q := a.queues[name]
	cfg := &posix.QueueConfig{MaxMessages: n, MaxMessage: 1}
	var err error
	switch verb {
	case "qcreate":
		if n == 0 {
			cfg = nil
		}
		q, err = posix.CreateQueue(name, cfg)
	case "qsmall": // several
		for i := range n {
			if _, err = posix.CreateQueue(fmt.Sprintf("%s-%d", name, i), &posix.QueueConfig{MaxMessages: 1, MaxMessage: 1}); err != nil {
				return fmt.Sprint(i), err
			}
		}
		return "", nil
	case "qattach":
		q, err = posix.AttachQueue(name, map[string]*posix.QueueConfig{
			"receive": {Access: posix.ReceiveOnly}, "send": {Access: posix.SendOnly}, "block": {Blocking: true},
		}[text])
	case "qremove":
		return "", posix.RemoveQueue(name)
	case "qsend":
		return "", q.Send(actions, isthmus.Message{Data: []byte(text)})
	case "qreceive":
		m, err := q.Receive(actions)
		return string(m.Data), err
	case "qmany":
		for range n {
			if err := q.Send(actions, isthmus.Message{Data: []byte("x")}); err != nil {
				return "", err
			}
		}
		return "", nil
	case "qtry":
		m, err := q.TryReceive()
		return string(m.Data), err
	case "qnotify":
		_, err = q.Notify()
		return "", err
	case "qclose":
		return "", q.Close()
	default:
		return "", fmt.Errorf("no command %q", verb)
	}
	if err == nil && q != nil {
		a.queues[name] = q
	}
	return "", err
}

func (a *acting) semaphore(verb, name string, n int) error {
	s := a.sems[name]
	var err error
	switch verb {
	case "screate":
		s, err = posix.CreateSemaphore(name, &posix.SemaphoreConfig{Value: n, Libc: a.libc.Libc})
	case "sattach":
		s, err = posix.AttachSemaphore(name, &a.libc)
	case "sat": // in the shared memory of that name, at byte n
		s, err = posix.SemaphoreAt(a.mems[name].Bytes()[n:], &a.libc)
	case "sremove":
		return posix.RemoveSemaphore(name, &a.libc)
	case "swait":
		return s.Wait(actions)
	case "stry":
		return s.TryWait()
	case "spost":
		return s.Post()
	default:
		return fmt.Errorf("no command %q", verb)
	}
	if err == nil {
		a.sems[name] = s
	}
	return err
}

func (a *acting) memory(verb, name, text string, n int) (string, error) {
	v := a.mems[name]
	switch verb {
	case "mcreate":
		m, err := posix.CreateSharedMemory(name, &posix.SharedMemoryConfig{Size: int64(n)})
		if err != nil || n == 0 {
			return "", err
		}
		a.mems[name], err = m.Map(0, 0)
		return "", err
	case "mattach":
		m, err := posix.AttachSharedMemory(name, &posix.SharedMemoryConfig{ReadOnly: text == "read"})
		if err != nil {
			return "", err
		}
		a.mems[name], err = m.Map(0, 0)
		return "", err
	case "mopen":
		_, err := posix.AttachSharedMemory(name, &posix.SharedMemoryConfig{ReadOnly: text == "read"})
		return "", err
	case "mremove":
		return "", posix.RemoveSharedMemory(name)
	case "mwrite":
		_, err := v.WriteAt([]byte(text), 0)
		return "", err
	case "mread":
		b := make([]byte, n)
		_, err := v.ReadAt(b, 0)
		return string(b), err
	}
	return "", fmt.Errorf("no command %q", verb)
}

// must fails the test at an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused fails the test unless err is all that is wanted, and an *isthmus.Error.
func refused(t testing.TB, err error, want ...error) {
	t.Helper()
	var own *isthmus.Error
	if !errors.As(err, &own) {
		t.Fatalf("the error is %v, which is no *isthmus.Error", err)
	}
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Fatalf("the error is %v, want %v", err, w)
		}
	}
}

// says fails the test unless the error names its remedy.
func says(t testing.TB, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("the error says %q, and nothing of %q", text, w)
		}
	}
}

func umask() fs.FileMode {
	b, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(b), "Umask:\t")
	n, _ := strconv.ParseUint(strings.TrimSpace(rest[:4]), 8, 32)
	return fs.FileMode(n)
}
