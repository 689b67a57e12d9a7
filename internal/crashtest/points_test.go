//go:build linux

package crashtest

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

// points are the names of all crash points in the source.
func points(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	fset := token.NewFileSet()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if name, ok := pointOf(n); ok {
				found[name] = true
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// pointOf is the name in a call crash.Point("name").
func pointOf(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return "", false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Point" {
		return "", false
	}
	if x, ok := sel.X.(*ast.Ident); !ok || x.Name != "crash" {
		return "", false
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return "", false
	}
	name, err := strconv.Unquote(lit.Value)
	return name, err == nil
}

// TestEveryPointHasAScenario fails when a point is added and no scenario that
// reaches it, or the other way round.
func TestEveryPointHasAScenario(t *testing.T) {
	inSource := points(t)
	covered := map[string]bool{}
	for _, sc := range scenarios {
		for _, st := range sc.steps {
			name, _, _ := strings.Cut(st.at, ":")
			covered[name] = true
		}
	}
	for _, name := range slices.Concat(removal, growing) {
		covered[name] = true
	}
	for name, why := range unreachable {
		if covered[name] || why == "" {
			t.Errorf("point %s is said to be unreachable (%q), and has a scenario: %t", name, why, covered[name])
		}
		covered[name] = true
	}
	for name := range inSource {
		if !covered[name] {
			t.Errorf("no scenario reaches crash point %s: add one to scenarios_test.go", name)
		}
	}
	for name := range covered {
		if !inSource[name] {
			t.Errorf("there is no crash point %s", name)
		}
	}
	t.Logf("%d crash points", len(inSource))
}

// trial is one victim's death.
type trial struct {
	sc    *scenario
	step  step
	shape shape
	size  int
	mode  string
}

func (c trial) name() string {
	return strings.ReplaceAll(fmt.Sprintf("%s/%s/%s/%d/%s", c.mode, c.sc.name, c.step.at, c.size, c.shape.name), " ", "-")
}

func trials(mode string) (all []trial) {
	for i := range scenarios {
		sc := &scenarios[i]
		for _, st := range sc.steps {
			sizes := st.sizes
			if sizes == nil {
				sizes = []int{small, large}
			}
			for _, sh := range shapes {
				for _, size := range sizes {
					if st.passed(sh, size) {
						all = append(all, trial{sc, st, sh, size, mode})
					}
				}
			}
		}
	}
	return all
}

func (s step) passed(sh shape, size int) bool {
	for _, ok := range s.where {
		if !ok(sh, size) {
			return false
		}
	}
	return true
}

// each runs all trials of a mode, n at a time: they sleep most of their time.
func each(t *testing.T, mode string, n int) {
	crashable(t)
	work := make(chan trial)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for c := range work {
				t.Run(c.name(), c.run)
			}
		})
	}
	count := 0
	for _, c := range trials(mode) {
		work <- c
		count++
	}
	close(work)
	wg.Wait()
	t.Logf("%d trials", count)
}

func TestKilledAtEveryPoint(t *testing.T)     { each(t, "kill", 2) }
func TestStoppedAtEveryPoint(t *testing.T)    { each(t, "stop", 8) }
func TestKilledWhileOthersSleep(t *testing.T) { each(t, "stopkill", 3) }

func (c trial) run(t *testing.T) {
	w := newWorld(t, c.shape, c.size)
	c.sc.before(w)
	signal := "STOP"
	if c.mode == "kill" {
		signal = "KILL"
	}
	p := w.victim(c.sc.script, c.step.at, signal)
	late := time.AfterFunc(stopTime()+10*bound, func() { p.Signal(syscall.SIGKILL) }) // it stopped before it was ready
	defer late.Stop()
	if !c.sc.unready {
		p.Expect("ready")
		if c.sc.armed != nil {
			c.sc.armed(w)
		}
		p.Say("")
	}
	report := ""
	switch c.mode {
	case "kill":
		report = lastWords(t, p)
		p.WaitKilled()
		c.checkFiles(w)
		c.survive(w)
	case "stop":
		p.Stopped()
		c.goOn(w)
		p.Signal(syscall.SIGCONT)
		report = lastWords(t, p)
		p.Wait()
		if !strings.HasSuffix(report, "done\n") {
			t.Fatalf("the victim did not come to its end: %q", report)
		}
	case "stopkill":
		p.Stopped()
		c.sleep(w)
		p.Signal(syscall.SIGKILL)
		report = lastWords(t, p)
		p.WaitKilled()
	}
	c.settle(w, report)
	w.check()
}

// checkFiles demands that a creator's death leaves a whole mailbox, or nothing.
func (c trial) checkFiles(w *world) {
	if c.sc.name != "create" {
		return
	}
	n := 1
	if strings.HasPrefix(c.step.at, "create.") && c.step.at != "create.linked" {
		n = 0
	}
	w.holds(n)
}

// survive makes sure that the survivors are there, and listen.
func (c trial) survive(w *world) {
	if w.tx == nil {
		w.open()
		w.listen()
	} else if c.sc.deaf {
		w.listen()
	}
}

// goOn is what survivors do while the victim is stopped.
func (c trial) goOn(w *world) {
	until := time.Now().Add(stopTime())
	c.survive(w)
	w.exchange(3)
	for time.Now().Before(until) {
		w.exchange(1)
		time.Sleep(10 * time.Millisecond)
	}
}

// sleep is for survivors who notice nothing but the victim's end.
func (c trial) sleep(w *world) {
	c.survive(w)
	w.eventually("the survivors sleep", func() bool {
		st := w.look()
		for _, p := range st.Participants {
			if p.WaitsForMessage {
				return true
			}
		}
		return st.Depth == 0
	})
}

// lastWords is what a process writes until its end, which must be near.
func lastWords(t *testing.T, p *proctest.Proc) string {
	t.Helper()
	said := make(chan string, 1)
	go func() { said <- p.Rest() }()
	select {
	case report := <-said:
		return report
	case <-time.After(2 * bound):
		p.Signal(syscall.SIGKILL)
		t.Fatalf("the victim does not come to its end; it wrote: %q", <-said)
	}
	return ""
}

// settle demands that each message is where it should be.
func (c trial) settle(w *world, report string) {
	t := w.t
	f := c.step.fate
	if c.shape.zero() {
		f = c.step.zero
	}
	sent, got := reported(report)
	id := c.sc.inFlight
	switch {
	case c.mode == "stop":
		f = either // the call came to its end, and the report says how
	case f == there: // it comes by itself: nobody sends anything that could wake somebody
		w.eventually(fmt.Sprintf("message %d comes to a survivor", id), func() bool { return w.has(id) })
	}
	w.letGo()
	w.disperse()
	w.exchange(3)
	w.giveOnce()
	w.eventually("every send of a survivor returns", func() bool { return w.pending() == 0 })
	w.eventually("every acknowledged message is received", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for a := range w.acked {
			if _, ok := w.got[a]; !ok && !got[a] && !(a == id && f == nowhere) {
				return false
			}
		}
		for a := range sent {
			if _, ok := w.got[a]; !ok {
				return false
			}
		}
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	for a := range got {
		if _, twice := w.got[a]; twice {
			t.Errorf("message %d was received by the victim and by a survivor", a)
		}
	}
	if _, ok := w.got[corpseID]; ok {
		t.Errorf("a survivor received what a dead process had not sent")
	}
	again, ok := w.got[id]
	switch {
	case f == nowhere && ok && id != 0:
		t.Errorf("a survivor received message %d, which was %s", id, c.step.at)
	case f == there && id == 1 && again == 0:
		t.Errorf("message 1 was claimed before, and Redelivered does not say so")
	case c.mode == "stop" && !ok && id == 1 && !got[1]:
		t.Errorf("message 1 was lost")
	case c.mode == "stop" && ok && id == victimID && !sent[id] && !patient(c.sc.script):
		t.Errorf("the victim's message was received, but its send did not say so")
	}
	for a := range w.got {
		if !w.acked[a] && a != victimID {
			t.Errorf("message %d was received, but its send has not returned", a)
		}
	}
}

// patient scripts give up after a time.
func patient(script string) bool { return script == "deliver" }

func reported(report string) (sent, got map[uint64]bool) {
	sent, got = map[uint64]bool{}, map[uint64]bool{}
	for lines := bufio.NewScanner(strings.NewReader(report)); lines.Scan(); {
		var id uint64
		if _, err := fmt.Sscanf(lines.Text(), "sent %d", &id); err == nil {
			sent[id] = true
		}
		if _, err := fmt.Sscanf(lines.Text(), "got %d", &id); err == nil {
			got[id] = true
		}
	}
	return sent, got
}
