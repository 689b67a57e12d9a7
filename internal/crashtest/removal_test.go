//go:build linux

package crashtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// removal are the points of a removal, after which nothing can be used.
var removal = []string{"remove.locked", "remove.marked", "remove.unlinked"}

func TestKilledWhileRemoving(t *testing.T)  { removals(t, "kill") }
func TestStoppedWhileRemoving(t *testing.T) { removals(t, "stop") }

func removals(t *testing.T, mode string) {
	for _, point := range removal {
		for _, s := range shapes {
			t.Run(point+"/"+s.name, func(t *testing.T) { removed(t, s, point, mode) })
		}
	}
}

// removed demands that whoever sleeps is told of the removal, however far it
// has come, that the name is free for a successor, and that a remover who goes
// on does not touch the successor.
func removed(t *testing.T, s shape, point, mode string) {
	w := newWorld(t, s, small)
	w.listening()
	p := w.victim("remove", point, strings.ToUpper(mode))
	p.Expect("ready")
	p.Say("")
	if mode == "kill" {
		p.WaitKilled()
	} else {
		p.Stopped()
	}
	told := func() bool { return errors.Is(w.ended(), isthmus.ErrRemoved) }
	if mode == "kill" && point != "remove.locked" { // there nothing is marked yet, and so nothing was removed
		w.eventually("the sleeper is told", told)
	}
	holding := mode == "stop" && point != "remove.unlinked" // then the remover alone may unlink the name
	if err := mailbox.Remove(boxName, s.config(w.dir)); holding != (err != nil && !errors.Is(err, fs.ErrNotExist)) {
		t.Fatalf("remove, while another is at it and stopped (%t): %v", holding, err)
	}
	if !holding {
		w.holds(0)
	}
	if point == "remove.locked" { // the second remover marked it, whoever may unlink it
		w.eventually("the sleeper is told", told)
	}
	if mode == "stop" {
		p.Signal(syscall.SIGCONT)
		if report := lastWords(t, p); !strings.HasSuffix(report, "done\n") {
			t.Fatalf("the remover did not come to its end: %q", report)
		}
		w.eventually("the sleeper is told", told)
		w.holds(0)
	}
	w.leave()
	again := newWorld(t, s, small)
	again.dir = w.dir
	again.listening()
	again.exchange(3)
	again.check()
}

// TestComingWhileRemoved opens, attaches and creates, in this process and in
// others, while a remover is stopped with the file marked and its token in its
// hands. All wait for the kernel to tell how it goes on: the remover finishes,
// or is killed.
func TestComingWhileRemoved(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"goes on": syscall.SIGCONT, "is killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) { comingWhileRemoved(t, signal) })
	}
}

func comingWhileRemoved(t *testing.T, signal syscall.Signal) {
	defer func(old time.Duration) { region.Patience = old }(region.Patience)
	region.Patience = 4 * bound
	s := shapeNamed("bounded")
	w := newWorld(t, s, small)
	w.open()
	old := inode(t, w.dir+"/mailbox."+boxName)
	p := w.victim("remove", "remove.marked", "STOP")
	p.Expect("ready")
	p.Say("")
	p.Stopped()

	var others []*proctest.Proc
	for range 2 {
		others = append(others, w.victim("create", "", ""))
	}
	created, opened, attached := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { created <- tried(mailbox.Create(boxName, s.config(w.dir))) }()
	go func() { opened <- tried(mailbox.Open(boxName, s.config(w.dir))) }()
	go func() { attached <- tried(mailbox.Attach(boxName, s.config(w.dir))) }()
	w.eventually("three processes wait in the kernel", func() bool { return waiters(t, old) == 3 })
	p.Signal(signal)

	if err := <-opened; err != nil {
		t.Errorf("open: %v", err)
	}
	if err := <-created; err != nil && !errors.Is(err, fs.ErrExist) { // Open may have been faster
		t.Errorf("create: %v", err)
	}
	if err := <-attached; err != nil && !errors.Is(err, fs.ErrNotExist) { // or slower
		t.Errorf("attach: %v", err)
	}
	for _, o := range others {
		if report := lastWords(t, o); !strings.HasSuffix(report, "done\n") {
			t.Errorf("another process did not open it: %q", report)
		}
		o.Wait()
	}
	if signal == syscall.SIGCONT {
		p.Wait()
	} else {
		p.WaitKilled()
	}
	w.leave()
	w.open() // the successor, with what the others have sent
	if now := inode(t, w.dir+"/mailbox."+boxName); now == old {
		t.Error("the old one is still there")
	}
	for range others {
		if _, err := w.rx.TryReceive(); err != nil {
			t.Errorf("a message is lost: %v", err)
		}
	}
	w.check()
}

func tried(m *mailbox.Mailbox, err error) error {
	if err == nil {
		err = m.Close()
	}
	return err
}

// waiters is how many wait for a lock of this file.
func waiters(t *testing.T, ino uint64) (n int) {
	t.Helper()
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(locks)) {
		if strings.Contains(l, "->") && strings.Contains(l, fmt.Sprintf(":%d ", ino)) {
			n++
		}
	}
	return n
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func (w *world) ended() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end
}

// leave closes the survivors' handles.
func (w *world) leave() {
	w.t.Helper()
	if err := errors.Join(w.tx.Close(), w.rx.Close(), w.stat.Close()); err != nil {
		w.t.Fatal(err)
	}
}
