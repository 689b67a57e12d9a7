package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/mailbox"
	"github.com/spf13/cobra"
)

const (
	demoLimit = 2 * time.Minute  // it takes a second, but the machine may be busy
	stepLimit = 45 * time.Second // so that one that hangs is named, and the others are seen
	demoGrace = 5 * time.Second  // to end the other processes and remove the directory
)

// tour is a run of the demo.
type tour struct {
	io  *IOStreams
	tmp string // the demo's own files
	dir string // the demo's own objects
	exe string
}

// step is a part of the tour. Its run says what it measured; an error means that
// it went wrong.
type step struct {
	title string
	what  string
	run   func(context.Context, *tour) (string, error)
}

func steps() []step {
	return []step{
		{"Indirect naming", "One process sends the lines of a file to a mailbox, two receive them.", demoLines},
		{"Speed", "A million messages of 64 bytes go from one process to another.", demoRate},
		{"Bounded", "A mailbox of four messages: what does not wait is told, what waits goes on.", demoBounded},
		{"Zero", "No room at all: a send is over when the message was received.", demoZero},
		{"Unbounded", "Nobody receives, and the sender never waits.", demoUnbounded},
		{"kill -9", "A receiver is killed with a message in its hands. Another one gets it.", demoKill},
		{"Direct naming", "A process asks another by its name, and gets an answer.", demoDirect},
		{"From one source", "Three processes send to one, which wants the answers of P2 first.", demoSource},
		{"Death of a peer", "P1 waits for P2 to receive a message. P2 is killed.", demoDeath},
	}
}

func newDemoCmd(s *IOStreams) *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "A short tour, with real processes",
		Long: `Show what there is, with real processes, and check every result. The demo works
in a directory of its own, which it removes at the end, whatever ends it but
SIGKILL; its processes end even then.`,
		Args: exactly(0, ""),
		RunE: func(*cobra.Command, []string) error { return runDemo(s) },
	}
}

func runDemo(s *IOStreams) (err error) {
	ctx, stop := interruptible(context.Background(), demoGrace)
	defer stop()
	ctx, done := attended(ctx, s.Out)
	defer done()
	t, err := newTour(s)
	if err != nil {
		return err
	}
	defer func() {
		if rerr := os.RemoveAll(t.tmp); rerr != nil {
			err = errors.Join(err, told{fmt.Errorf("demo: clean up: %w", rerr)})
		}
	}()
	limited, cancel := context.WithTimeout(ctx, demoLimit)
	defer cancel()
	err = t.walk(limited, steps())
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("demo: not done within %v: the machine may be busy: %w", demoLimit, err)
	}
	return ended(ctx, err)
}

func newTour(s *IOStreams) (*tour, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("demo: find this program, to start it again: %w", err)
	}
	// Beside the place where mailboxes are by default, if there is one: what the
	// demo measures shall be what the user gets.
	parent := filepath.Dir(region.Path(""))
	if fi, err := os.Stat(parent); err != nil || !fi.IsDir() {
		parent = ""
	}
	tmp, err := os.MkdirTemp(parent, "isthmus-demo-")
	if err != nil {
		tmp, err = os.MkdirTemp("", "isthmus-demo-")
	}
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	dir := filepath.Join(tmp, "ipc")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, errors.Join(err, os.RemoveAll(tmp))
	}
	return &tour{io: s, tmp: tmp, dir: dir, exe: exe}, nil
}

// walk takes the steps, all of them even if one goes wrong.
func (t *tour) walk(ctx context.Context, all []step) error {
	began := time.Now()
	var summary strings.Builder
	titles := 0 // columns of the longest
	for _, st := range all {
		titles = max(titles, len(st.title))
	}
	var out error
	say := func(format string, args ...any) {
		if _, err := fmt.Fprintf(t.io.Out, format, args...); err != nil && out == nil {
			out = outputError(err)
		}
	}
	over := func() error { return cmp.Or(out, ctx.Err()) }
	n := 0
	err := each(all, func(st step) error {
		if over() != nil {
			return nil
		}
		n++
		say("%s\n   %s\n", t.io.bold(fmt.Sprintf("%d. %s", n, st.title)), st.what)
		result, err := t.take(ctx, st)
		if over() != nil {
			return nil
		}
		if err != nil {
			result = "WRONG: " + err.Error()
			err = fmt.Errorf("demo: %s: %w", st.title, err)
		}
		say("   → %s\n\n", wrapText(result, t.io.Width, 5, 5))
		fmt.Fprintf(&summary, "   %-*s   %s\n", titles, st.title, wrapText(result, t.io.Width, titles+6, titles+6))
		return err
	})
	if over() != nil {
		return over()
	}
	verdict := "everything was as it should be"
	if err != nil {
		verdict = "something was wrong"
	}
	say("%s\n%s   In %.1f s; %s.\n", t.io.bold("Summary"), summary.String(), time.Since(began).Seconds(), verdict)
	return cmp.Or(out, err)
}

func (t *tour) take(ctx context.Context, st step) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	result, err := st.run(ctx, t)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("not done within %v: %w", stepLimit, err)
	}
	return result, err
}

// create makes a mailbox of the demo.
func (t *tour) create(name string, c mailbox.Config) (*mailbox.Mailbox, error) {
	c.Dir = t.dir
	return mailbox.Create(name, &c)
}

// until waits for what nobody announces: that another process sleeps.
func until(ctx context.Context, ok func() (bool, error)) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if yes, err := ok(); yes || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// waiting waits until n handles wait for what is named.
func waiting(ctx context.Context, m *mailbox.Mailbox, n int, what string) error {
	return until(ctx, func() (bool, error) {
		st, err := m.Stat()
		found := 0
		for _, p := range st.Participants {
			if p.WaitsFor == what {
				found++
			}
		}
		return found >= n, err
	})
}
