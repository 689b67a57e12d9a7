//go:build linux && interop

package sysv

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/internal/sys"
	"github.com/isthmus-ipc/isthmus/sysv"
)

func each(t *testing.T, test func(t *testing.T, l language)) {
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) { test(t, l) })
	}
}

// TestFtok compares keys with those of the C library, Perl and Python.
func TestFtok(t *testing.T) {
	dir := t.TempDir()
	paths := []string{"/", "/etc/passwd", "/proc", "/dev/null", "/dev/shm", "/proc/self/cmdline", dir}
	must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "link")))
	paths = append(paths, filepath.Join(dir, "link"))
	for i := range 20 {
		path := filepath.Join(dir, fmt.Sprint("file ", i))
		must(t, os.WriteFile(path, nil, 0o600))
		paths = append(paths, path)
	}
	each(t, func(t *testing.T, l language) {
		words, want := []any{"ftok"}, []string{}
		for i, path := range paths {
			if path == "/proc/self/cmdline" {
				continue // another file in each process
			}
			id := []int{1, 65, 255, 128, 0, 256, -1, 65536 + 7}[i%8]
			if l.name == "Perl" {
				id &= 0xff // the rest is its own affair
			}
			key, err := sysv.Ftok(path, id)
			must(t, err)
			words, want = append(words, path, id), append(want, strconv.Itoa(int(key)))
		}
		p := l.start(t, words...)
		for _, key := range want {
			p.expect(key)
		}
		p.end()
	})
}

// TestLayout compares the structures with C's, byte by byte.
func TestLayout(t *testing.T) {
	var perm sys.IPCPerm
	var msg sys.MsgDS
	var shm sys.ShmDS
	at := func(v any, field string) uintptr {
		f, ok := reflect.TypeOf(v).FieldByName(field)
		if !ok {
			t.Fatalf("no field %s", field)
		}
		return f.Offset
	}
	p := languages[0].start(t, "layout")
	for _, row := range []struct {
		name   string
		offset uintptr
	}{
		{"ipc64_perm.uid", at(perm, "UID")}, {"ipc64_perm.mode", at(perm, "Mode")}, {"ipc64_perm.seq", at(perm, "Seq")},
		{"msqid64_ds.msg_stime", at(msg, "Sent")}, {"msqid64_ds.msg_ctime", at(msg, "Changed")}, {"msqid64_ds.msg_cbytes", at(msg, "Bytes")},
		{"msqid64_ds.msg_qbytes", at(msg, "Room")}, {"msqid64_ds.msg_lspid", at(msg, "Sender")},
		{"shmid64_ds.shm_segsz", at(shm, "Size")}, {"shmid64_ds.shm_ctime", at(shm, "Changed")},
		{"shmid64_ds.shm_cpid", at(shm, "Creator")}, {"shmid64_ds.shm_nattch", at(shm, "Attachments")},
	} {
		p.expect(fmt.Sprint(row.name, " ", row.offset))
	}
	o, c, n, size := sys.SemLayout()
	p.expect(fmt.Sprint("semid64_ds.sem_otime ", o))
	p.expect(fmt.Sprint("semid64_ds.sem_ctime ", c))
	p.expect(fmt.Sprint("semid64_ds.sem_nsems ", n))
	p.expect(fmt.Sprint("sizes ", reflect.TypeOf(perm).Size(), " ", reflect.TypeOf(msg).Size(), " ", reflect.TypeOf(shm).Size(), " ", size, " ", reflect.TypeOf(sys.Sembuf{}).Size()))
	p.end()
}

// TestTheySend has them create the queue and send, and us open it and receive.
func TestTheySend(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		key := freshKey(t)
		p := l.start(t, "msgsnd", int32(key), 7, "two coffees")
		switch l.name {
		case "Perl":
			p.expect("1 messages, limit 16384, last sender is me: 1")
		case "Python":
			p.expect("1 messages, limit 16384")
		}
		p.end()
		q, err := sysv.OpenQueue(key)
		must(t, err)
		m, err := q.TryReceive()
		if must(t, err); m.Type != 7 || string(m.Data) != "two coffees" {
			t.Fatalf("received %+v", m)
		}
		if st, err := q.Stat(); err != nil || st.LastSender != p.cmd.Process.Pid || st.LastReceiver != os.Getpid() {
			t.Fatalf("%+v, %v", st, err)
		}
	})
}

// receive is how a peer is told to receive a type.
func (l language) receive(t *testing.T, key sysv.Key, typ int) *peer {
	if l.name == "C" {
		return l.start(t, "msgrcv", int32(key), typ, 0, 100)
	}
	return l.start(t, "msgrcv", int32(key), typ)
}

// TestTheyReceive has us create the queue, and them wait for a message of ours;
// one who waits is killed, and takes none.
func TestTheyReceive(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		q, err := sysv.CreateQueue(freshKey(t), nil)
		must(t, err)
		victim := l.receive(t, q.Key(), 0)
		victim.expect("ready")
		inKernel(t, victim.cmd.Process.Pid, syscall.SYS_MSGRCV)
		victim.kill()
		p := l.receive(t, q.Key(), -5)
		p.expect("ready")
		inKernel(t, p.cmd.Process.Pid, syscall.SYS_MSGRCV)
		must(t, q.Send(background, isthmus.Message{Type: 6, Data: []byte("not this one")}))
		must(t, q.Send(background, isthmus.Message{Type: 5, Data: []byte("hello")}))
		p.expect("5 hello")
		p.end()
		if m, err := q.TryReceive(); err != nil || m.Type != 6 {
			t.Fatalf("received %+v, %v", m, err)
		}
	})
}

// TestWeAreKilled kills a receiver of ours that waits: they get the message.
func TestWeAreKilled(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		q, err := sysv.CreateQueue(freshKey(t), nil)
		must(t, err)
		victim := proctest.Start(t, proctest.Options{}, "receive", strconv.Itoa(q.ID()))
		inKernel(t, victim.PID(), syscall.SYS_MSGRCV)
		victim.Kill()
		p := l.receive(t, q.Key(), 3)
		p.expect("ready")
		must(t, q.Send(background, isthmus.Message{Type: 3, Data: []byte("for you")}))
		p.expect("3 for you")
		p.end()
	})
}

var roles = proctest.Roles{
	"receive": func(args []string) error {
		id, _ := strconv.Atoi(args[0])
		q, err := sysv.QueueByID(id)
		if err == nil {
			_, err = q.Receive(background)
		}
		return err
	},
	"take": func(args []string) error {
		id, _ := strconv.Atoi(args[0])
		s, err := sysv.SemaphoreSetByID(id)
		if err == nil {
			err = s.Operate(background, sysv.Operation{Delta: -1, Undo: true})
		}
		fmt.Println("taken")
		var line string
		_, _ = fmt.Scanln(&line)
		return err
	},
}

// TestSemaphores shares a lock with undo: each side is killed while it has it,
// and the other gets it at once.
func TestSemaphores(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		s, err := sysv.CreateSemaphoreSet(freshKey(t), 1, &sysv.SemaphoreConfig{Values: []int{1}})
		must(t, err)
		ours := proctest.Start(t, proctest.Options{}, "take", strconv.Itoa(s.ID()))
		ours.Expect("taken")
		var theirs *peer
		switch l.name {
		case "C":
			theirs = l.start(t, "semop", int32(s.Key()), 0, -1, sys.SemUndo)
			theirs.expect("ready")
		case "Perl":
			theirs = l.start(t, "sem", int32(s.Key()), 1)
			theirs.expect("0")
			theirs.expect("ready")
		case "Python":
			theirs = l.start(t, "sem", int32(s.Key()), "open", 0)
			theirs.expect("value 0 True")
		}
		waiters(t, s)
		ours.Kill()
		theirs.expect("done")
		if pid, err := s.LastPID(0); err != nil || pid != theirs.cmd.Process.Pid {
			t.Fatalf("the last process is %d, %v, not %d", pid, err, theirs.cmd.Process.Pid)
		}
		got := make(chan error, 1)
		go func() { got <- s.Operate(background, sysv.Operation{Delta: -1}) }()
		waiters(t, s)
		theirs.kill()
		select {
		case err := <-got:
			must(t, err)
		case <-time.After(20 * time.Second):
			t.Fatal("their death has not given the semaphore back")
		}
	})
}

func waiters(t *testing.T, s *sysv.SemaphoreSet) {
	t.Helper()
	proctest.Eventually(t, 20*time.Second, "one waits", func() bool { n, err := s.WaitingForIncrease(0); return err == nil && n == 1 })
}

// TestCreationRace creates a set in C and in Go at once, both as semctl(2) says.
func TestCreationRace(t *testing.T) {
	key := freshKey(t)
	for range 30 {
		p := languages[0].start(t, "semget", int32(key), 3, 5)
		s, err := sysv.GetSemaphoreSet(background, key, 3, &sysv.SemaphoreConfig{Values: []int{5, 5, 5}})
		must(t, err)
		if v, err := s.Values(); err != nil || v[0] != 5 || v[1] != 5 || v[2] != 5 {
			t.Fatalf("the values are %v, %v", v, err)
		}
		p.expect(strconv.Itoa(s.ID()))
		p.end()
		must(t, s.Remove())
	}
}

// TestPythonCreates finds a set of Python's module initialised after its first
// operation.
func TestPythonCreates(t *testing.T) {
	key := freshKey(t)
	p := languages[2].start(t, "sem", int32(key), "create", 3)
	p.expect("value 3 False") // sem_otime: its first operation is yet to come
	p.expect("done")
	s, err := sysv.GetSemaphoreSet(background, key, 1, nil)
	must(t, err)
	if v, err := s.Value(0); err != nil || v != 2 {
		t.Fatalf("the value is %d, %v", v, err)
	}
	p.end()
}

// TestSegments has each side create a segment, write, and be killed: what it
// wrote stays.
func TestSegments(t *testing.T) {
	each(t, func(t *testing.T, l language) {
		for _, weCreate := range []bool{true, false} {
			key, seen := freshKey(t), ""
			if weCreate {
				s, err := sysv.CreateSegment(key, 4096, nil)
				must(t, err)
				a, err := s.Attach()
				must(t, err)
				seen = "written by us"
				copy(a.Bytes(), seen+"\x00")
				must(t, a.Detach())
			}
			verb := "shm"
			if l.name == "C" {
				verb = "shmat"
			}
			p := l.start(t, verb, int32(key), 4096, "written by them")
			p.expect(seen)
			p.expect("written")
			s, err := sysv.OpenSegment(key)
			must(t, err)
			if st, err := s.Stat(); err != nil || st.Attachments != 1 || st.Size != 4096 || st.LastPID != p.cmd.Process.Pid {
				t.Fatalf("%+v, %v", st, err)
			}
			p.kill()
			a, err := s.AttachReadOnly()
			must(t, err)
			if got, _, _ := strings.Cut(string(a.Bytes()[:64]), "\x00"); got != "written by them" {
				t.Fatalf("it says %q", got)
			}
			must(t, a.Detach())
			remove(t, key)
		}
	})
}
