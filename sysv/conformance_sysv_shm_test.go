//go:build linux

package sysv_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/sysv"
)

const kernelChooses = "Attach lets the kernel choose the address: a fixed one could lie in Go's own memory"

var shmgetList = []assertion{
	{"no segment and no IPC_CREAT: ENOENT", func(t *testing.T) {
		_, err := sysv.OpenSegment(newKey(t))
		is(t, err, fs.ErrNotExist, syscall.ENOENT)
	}},
	{"IPC_CREAT|IPC_EXCL of an existing key: EEXIST", func(t *testing.T) {
		s, err := sysv.CreateSegment(newKey(t), 1, nil)
		must(t, err)
		defer s.Remove()
		_, err = sysv.CreateSegment(s.Key(), 1, nil)
		is(t, err, fs.ErrExist, syscall.EEXIST)
	}},
	{"a size of 0, above shmmax, or above the existing one's: EINVAL", func(t *testing.T) {
		_, err := sysv.CreateSegment(sysv.Private, 0, nil)
		is(t, err, syscall.EINVAL)
		_, err = sysv.CreateSegment(sysv.Private, -1, nil)
		is(t, err, syscall.EINVAL)
		s, err := sysv.CreateSegment(newKey(t), 100, nil)
		must(t, err)
		defer s.Remove()
		_, err = sysv.GetSegment(s.Key(), 101, nil)
		is(t, err, syscall.EINVAL)
		same, err := sysv.GetSegment(s.Key(), 99, nil)
		if must(t, err); same.ID() != s.ID() {
			t.Fatalf("ids %d and %d", s.ID(), same.ID())
		}
		act(t, island(), "shmmax").Wait()
	}},
	{"no permission: EACCES", func(t *testing.T) {
		s, err := sysv.CreateSegment(newKey(t), 1, nil)
		must(t, err)
		defer s.Remove()
		act(t, stranger(t), "shm denied", s.ID(), int32(s.Key())).Wait()
	}},
	{"huge pages without CAP_IPC_LOCK: EPERM", func(t *testing.T) { act(t, stranger(t), "huge denied").Wait() }},
	{"no memory: ENOMEM", func(t *testing.T) {
		if n, _ := strconv.Atoi(readVM("nr_hugepages")); n > 1<<10 {
			t.Skipf("NOT PROVEN: vm.nr_hugepages is %d, and this test needs too few", n)
		}
		if os.Geteuid() != 0 {
			t.Skip("NOT PROVEN: it needs CAP_IPC_LOCK")
		}
		_, err := sysv.CreateSegment(sysv.Private, 4<<30, &sysv.SegmentConfig{HugePageSize: 2 << 20})
		if is(t, err, syscall.ENOMEM); !strings.Contains(err.Error(), "vm.nr_hugepages") {
			t.Fatalf("%v does not name the limit", err)
		}
	}},
	{"more than shmmni segments, or shmall pages: ENOSPC", func(t *testing.T) { act(t, island(), "shmmni").Wait() }},
	{"the size is as asked for, and the memory whole pages of zeros", func(t *testing.T) {
		s := privateSegment(t, 5)
		if st, err := s.Stat(); err != nil || st.Size != 5 {
			t.Fatalf("%+v, %v", st, err)
		}
		a := attach(t, s)
		if page := a.Bytes()[:5:5]; !bytes.Equal(page, make([]byte, 5)) || len(a.Bytes()) != 5 {
			t.Fatalf("%v", a.Bytes())
		}
	}},
}

func readVM(name string) string {
	b, _ := os.ReadFile("/proc/sys/vm/" + name)
	return strings.TrimSpace(string(b))
}

// attach detaches when the test ends.
func attach(t *testing.T, s *sysv.Segment) *sysv.Attachment {
	t.Helper()
	a, err := s.Attach()
	must(t, err)
	t.Cleanup(func() { _ = a.Detach() })
	return a
}

var shmatList = []assertion{
	{"without an address the kernel chooses one, another each time; all show the same", func(t *testing.T) {
		s := privateSegment(t, 4096)
		a, b := attach(t, s), attach(t, s)
		copy(a.Bytes(), "hello")
		if &a.Bytes()[0] == &b.Bytes()[0] || string(b.Bytes()[:5]) != "hello" {
			t.Fatalf("%q", b.Bytes()[:5])
		}
	}},
	{"an aligned address is honoured", notApplicable(kernelChooses)},
	{"an unaligned one needs SHM_RND", notApplicable(kernelChooses)},
	{"SHM_RDONLY: to write is SIGSEGV, mprotect to write EACCES", func(t *testing.T) {
		s := privateSegment(t, 4096)
		out := fatal(t, "write to read-only", s.ID())
		if !strings.Contains(out, "SIGSEGV") && !strings.Contains(out, "unexpected fault address") {
			t.Fatalf("it said %s", out)
		}
		a, err := s.AttachReadOnly()
		must(t, err)
		defer a.Detach()
		if err := syscall.Mprotect(a.Bytes()[:4096], syscall.PROT_READ|syscall.PROT_WRITE); err != nil && err != syscall.EACCES {
			t.Fatalf("mprotect: %v", err) // root may
		}
	}},
	{"a bad id: EINVAL", func(t *testing.T) {
		s := privateSegment(t, 1)
		must(t, s.Remove())
		_, err := s.Attach()
		is(t, err, isthmus.ErrRemoved, syscall.EINVAL)
		_, err = sysv.SegmentByID(-1)
		is(t, err, fs.ErrNotExist)
	}},
	{"no permission: EACCES", func(t *testing.T) {
		act(t, stranger(t), "shm denied", privateSegment(t, 1).ID(), 0).Wait()
	}},
	{"SHM_REMAP at 0: EINVAL", notApplicable(kernelChooses)},
	{"mprotect leaves shm_nattch right", func(t *testing.T) {
		s := privateSegment(t, 4*4096)
		a := attach(t, s)
		for i := range 4 {
			must(t, syscall.Mprotect(a.Bytes()[i*4096:][:4096], []int{syscall.PROT_READ, syscall.PROT_NONE}[i%2]))
		}
		must(t, syscall.Mprotect(a.Bytes(), syscall.PROT_READ|syscall.PROT_WRITE), a.Detach())
		attachments(t, s, 0)
	}},
	{"to write after shmdt is SIGSEGV", func(t *testing.T) {
		out := fatal(t, "write after detach", privateSegment(t, 4096).ID())
		if !strings.Contains(out, "SIGSEGV") && !strings.Contains(out, "unexpected fault address") {
			t.Fatalf("it said %s", out)
		}
	}},
}

var shmdtList = []assertion{
	{"what is not attached: EINVAL", func(t *testing.T) {
		a := attach(t, privateSegment(t, 1))
		must(t, a.Detach())
		is(t, a.Detach(), isthmus.ErrClosed)
		if a.Bytes() != nil {
			t.Fatal("there are bytes after Detach")
		}
	}},
	{"munmap of a part leaves the rest attached", func(t *testing.T) {
		s := privateSegment(t, 3*4096)
		a := attach(t, s)
		mem := a.Bytes()
		if _, _, e := syscall.Syscall(syscall.SYS_MUNMAP, addressOf(mem)+2*4096, 4096, 0); e != 0 {
			t.Fatal(e)
		}
		runtime.KeepAlive(mem)
		attachments(t, s, 1)
		mem[0] = 1
		must(t, a.Detach())
		attachments(t, s, 0)
	}},
	{"exit and exec detach", func(t *testing.T) {
		s := privateSegment(t, 1)
		p := act(t, proctest.Options{}, "attach", s.ID())
		p.Expect("attached")
		attachments(t, s, 1)
		p.Kill()
		attachments(t, s, 0)
		p = act(t, proctest.Options{}, "attach and exec", s.ID())
		p.Expect("after exec")
		attachments(t, s, 0)
	}},
}

var shmctlList = []assertion{
	{"shm_nattch counts over fork, attach and detach", func(t *testing.T) {
		s := privateSegment(t, 1)
		attachments(t, s, 0)
		a, b := attach(t, s), attach(t, s)
		attachments(t, s, 2)
		must(t, exec.Command("/proc/self/exe", "-test.run=^$").Run()) // forked and exec'd: gone again
		attachments(t, s, 2)
		p := act(t, proctest.Options{}, "attach", s.ID())
		p.Expect("attached")
		attachments(t, s, 3)
		p.Kill()
		must(t, a.Detach(), b.Detach())
		attachments(t, s, 0)
	}},
	{"EACCES, EFAULT, EINVAL", func(t *testing.T) {
		s := privateSegment(t, 1)
		act(t, stranger(t), "shm denied", s.ID(), 0).Wait()
		must(t, s.Remove())
		_, err := s.Stat()
		is(t, err, isthmus.ErrRemoved)
		is(t, s.Remove(), isthmus.ErrRemoved)
	}},
	{"IPC_SET, IPC_RMID and SHM_LOCK by a stranger: EPERM", func(t *testing.T) {
		s := privateSegment(t, 1)
		must(t, s.Chmod(0o666))
		act(t, stranger(t), "shm stranger", s.ID()).Wait()
	}},
	{"IPC_INFO and /proc/sys/kernel/shm* agree", func(t *testing.T) {
		l, err := sysv.ReadLimits()
		must(t, err)
		for name, n := range map[string]uint64{"shmmax": l.MaxSegmentSize, "shmall": l.MaxPages, "shmmni": uint64(l.MaxSegments)} {
			if kernel(name) != strconv.FormatUint(n, 10) {
				t.Errorf("%s is %s, and IPC_INFO says %d", name, kernel(name), n)
			}
		}
	}},
	{"SHM_INFO and /proc/sysvipc/shm agree", func(t *testing.T) { act(t, island(), "shm info").Wait() }},
	{"SHM_LOCK and SHM_UNLOCK set and clear SHM_LOCKED", func(t *testing.T) {
		s := privateSegment(t, 4096)
		for _, want := range []bool{true, false} {
			if want {
				must(t, s.Lock())
			} else {
				must(t, s.Unlock())
			}
			if st, err := s.Stat(); err != nil || st.Locked != want || st.Mode != 0o600 {
				t.Fatalf("%+v, %v", st, err)
			}
		}
	}},
	{"IPC_SET sets the mode and shm_ctime", func(t *testing.T) {
		s := privateSegment(t, 1)
		before, err := s.Stat()
		must(t, err, s.Chmod(0o640), s.Chown(os.Geteuid(), os.Getegid()))
		after, err := s.Stat()
		if must(t, err); after.Mode != 0o640 || after.Changed.Before(before.Changed) || time.Since(after.Changed) > time.Minute {
			t.Fatalf("%+v", after)
		}
	}},
	{"IPC_RMID while attached: SHM_DEST, key 0, still attachable by id, gone with the last", func(t *testing.T) {
		s, err := sysv.CreateSegment(newKey(t), 4096, nil)
		must(t, err)
		a := attach(t, s)
		copy(a.Bytes(), "still here")
		must(t, s.Remove())
		if st, err := s.Stat(); err != nil || !st.Removed || st.Key != sysv.Private || st.Mode != 0o600 {
			t.Fatalf("%+v, %v", st, err)
		}
		late, err := sysv.SegmentByID(s.ID())
		must(t, err)
		b := attach(t, late)
		must(t, a.Detach())
		if string(b.Bytes()[:10]) != "still here" {
			t.Fatalf("%q", b.Bytes()[:10])
		}
		must(t, b.Detach())
		_, err = s.Stat()
		is(t, err, isthmus.ErrRemoved)
	}},
	{"a removed segment is not found by its key", func(t *testing.T) {
		s, err := sysv.CreateSegment(newKey(t), 4096, nil)
		must(t, err)
		attach(t, s)
		must(t, s.Remove())
		_, err = sysv.OpenSegment(s.Key())
		is(t, err, fs.ErrNotExist)
		other, err := sysv.CreateSegment(s.Key(), 4096, nil)
		if must(t, err, other.Remove()); other.ID() == s.ID() {
			t.Fatal("it is the removed one")
		}
	}},
	{"a second IPC_RMID while attached does not destroy it", func(t *testing.T) {
		s := privateSegment(t, 4096)
		a := attach(t, s)
		must(t, s.Remove(), s.Remove())
		a.Bytes()[0] = 7
		attachments(t, s, 1)
	}},
}

func attachments(t *testing.T, s *sysv.Segment, want uint64) {
	t.Helper()
	if st, err := s.Stat(); err != nil || st.Attachments != want {
		t.Fatalf("%d are attached, %v; want %d", st.Attachments, err, want)
	}
}

// fatal is what a process says that dies in an act.
func fatal(t *testing.T, name string, args ...any) string {
	t.Helper()
	p := act(t, proctest.Options{}, name, args...)
	p.Expect("now")
	p.Rest()
	p.Kill()
	return p.Log()
}
