//go:build linux

package crashtest

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// removal are the points of a removal, after which nothing can be used.
var removal = []string{"remove.marked", "remove.locked", "remove.unlinked"}

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
		w.eventually("the sleeper is told", func() bool { return errors.Is(w.ended(), isthmus.ErrRemoved) })
	} else {
		p.Stopped()
	}
	holding := mode == "stop" && point == "remove.locked" // then the remover alone may unlink the name
	if err := mailbox.Remove(boxName, s.config(w.dir)); holding != (err != nil && !errors.Is(err, fs.ErrNotExist)) {
		t.Fatalf("remove, while another is at it and stopped (%t): %v", holding, err)
	}
	if !holding {
		w.holds(0)
	}
	if mode == "stop" {
		time.Sleep(stopTime() / 4)
		p.Signal(syscall.SIGCONT)
		if report := lastWords(t, p); !strings.HasSuffix(report, "done\n") {
			t.Fatalf("the remover did not come to its end: %q", report)
		}
		w.eventually("the sleeper is told", func() bool { return errors.Is(w.ended(), isthmus.ErrRemoved) })
		w.holds(0)
	}
	w.leave()
	again := newWorld(t, s, small)
	again.dir = w.dir
	again.listening()
	again.exchange(3)
	again.check()
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
