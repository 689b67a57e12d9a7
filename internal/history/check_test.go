//go:build linux

package history

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// checkTime is what the check of one history may take. It is milliseconds.
const checkTime = time.Minute

// strict is a queue that leaves nothing open.
var strict = rules{}

// promised is what the queues of a shape keep.
func (s shape) promised() rules {
	r := rules{circle: true, behind: true, oldPlace: true, missed: true, stranded: true, aside: s.inbox}
	for _, name := range strings.Split(*strictly, ",") {
		switch name {
		case "":
		case "circle":
			r.circle = false
		case "behind":
			r.behind = false
		case "oldPlace":
			r.oldPlace = false
		case "missed":
			r.missed = false
		case "stranded":
			r.stranded = false
		case "aside":
			r.aside = false
		default:
			panic("there is no rule " + name)
		}
	}
	return r
}

// check tells whether a history is one of a queue with these rules. It is an
// error if it cannot be told in time, or if the journals contradict themselves.
func (h *history) check(r rules) (bool, error) {
	p, err := h.puzzle(r)
	if err != nil {
		return false, err
	}
	for _, known := range h.solutions(p) {
		switch porcupine.CheckOperationsTimeout(h.model(r), h.operations(r, p, known), checkTime) {
		case porcupine.Ok:
			return true, nil
		case porcupine.Unknown:
			return false, fmt.Errorf("not checked within %v", checkTime)
		}
	}
	return false, nil
}

// model is that of a queue; where every receiver names its source, one of each
// source.
func (h *history) model(r rules) porcupine.Model {
	m := r.model()
	if h.shape.named {
		m.Partition = bySource
	}
	return m
}

// bySource gives each sender's messages a history of their own, with the calls
// that saw that there was none of them.
func bySource(all []porcupine.Operation) [][]porcupine.Operation {
	parts := make([][]porcupine.Operation, players)
	for _, op := range all {
		s := op.Input.(*step)
		for source := range parts {
			if s.concerns(uint64(source)) {
				parts[source] = append(parts[source], op)
			}
		}
	}
	return parts
}

func (in *step) concerns(source uint64) bool {
	if in.do == seeEmpty || in.do == seeFull {
		return in.from == 0 || in.from == source
	}
	return senderOf(in.sent[in.m].id)%players == source
}

// shrink is the shortest history that it can find that is still against the
// rules: it leaves out calls that saw the queue full or empty, and messages.
func (h *history) shrink(r rules) *history {
	bad := func(h *history) bool {
		ok, err := h.check(r)
		return err == nil && !ok
	}
	if s := h.without(func(c *call) bool { return c.Outcome == full }); bad(s) {
		h = s
		for _, id := range h.ids() {
			if s := h.without(func(c *call) bool { return c.ID == id || c.Got == id }); bad(s) {
				h = s
			}
		}
	}
	for _, c := range h.calls {
		if c.Outcome == full || c.Outcome == empty || c.Outcome == expired && c.Verb.receives() {
			if s := h.without(func(o *call) bool { return o == c }); bad(s) {
				h = s
			}
		}
	}
	return h
}

func (h *history) without(drop func(*call) bool) *history {
	s := &history{shape: h.shape}
	for _, c := range h.calls {
		if !drop(c) {
			s.calls = append(s.calls, c)
		}
	}
	return s
}

func (h *history) ids() (all []uint64) {
	for _, c := range h.calls {
		if c.Verb.sends() {
			all = append(all, c.ID)
		}
	}
	return all
}

func (h *history) String() string {
	var b strings.Builder
	for _, c := range h.calls {
		to := "      never"
		if c.Outcome != pending {
			to = fmt.Sprintf("%8d ns", c.Return-h.calls[0].Call)
		}
		fmt.Fprintf(&b, "%8d to %s  %v\n", c.Call-h.calls[0].Call, to, c)
	}
	return b.String()
}

// picture writes porcupine's picture of a history to a file that stays, and
// returns where.
func (h *history) picture(r rules) string {
	p, err := h.puzzle(r)
	if err != nil {
		return err.Error()
	}
	solutions := h.solutions(p)
	if len(solutions) == 0 {
		return "no picture: there are more receipts missing than receivers that were killed"
	}
	_, info := porcupine.CheckOperationsVerbose(h.model(r), h.operations(r, p, solutions[0]), checkTime)
	f, err := os.CreateTemp("", "isthmus-history-*.html")
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if err := porcupine.Visualize(h.model(r), info, f); err != nil {
		return err.Error()
	}
	return f.Name()
}

// demand fails the test unless the history is one that was promised.
func (h *history) demand(t testing.TB) {
	t.Helper()
	ok, err := h.check(h.shape.promised())
	if err != nil {
		t.Fatalf("%v\n%v", err, h)
	}
	if !ok {
		short := h.shrink(h.shape.promised())
		t.Fatalf("no queue that keeps what is promised has this history:\n%v\nof %d calls; picture: %s; picture of all: %s",
			short, len(h.calls), short.picture(h.shape.promised()), h.picture(h.shape.promised()))
	}
}
