package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

// The test binary is the program when it is started in this role. Its children
// inherit the role.
func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{"program": func(args []string) error { return run(args, os.Stdout) }})
}

func TestProducersAndConsumers(t *testing.T) {
	for _, n := range []struct{ producers, consumers, items, room int }{
		{1, 1, 500, 1}, {2, 3, 500, 8}, {4, 1, 200, 3}, {1, 4, 500, 1000}, {2, 2, 200, 0},
	} {
		t.Run(fmt.Sprintf("%dto%dby%d", n.producers, n.consumers, n.room), func(t *testing.T) {
			// With -race each process would sleep for a second before it exits.
			quick := proctest.Options{Env: []string{"GORACE=" + os.Getenv("GORACE") + " atexit_sleep_ms=0"}}
			p := proctest.Start(t, quick, "program",
				fmt.Sprint("-producers=", n.producers), fmt.Sprint("-consumers=", n.consumers),
				fmt.Sprint("-items=", n.items), fmt.Sprint("-room=", n.room))
			out := p.Rest()
			p.Wait()
			if want := fmt.Sprintf("%d items were made and %[1]d used\n", n.producers*n.items); !strings.HasSuffix(out, want) {
				t.Errorf("it said %q, want %q at the end", out, want)
			}
			pids := map[string]bool{fmt.Sprint(p.PID()): true}
			for _, m := range regexp.MustCompile(`\(process (\d+)\) used`).FindAllStringSubmatch(out, -1) {
				pids[m[1]] = true
			}
			if len(pids) != n.consumers+1 {
				t.Errorf("it said %q: want %d different processes beside it", out, n.consumers)
			}
		})
	}
}

// TestNoMailbox proves that a child that finds no mailbox says so.
func TestNoMailbox(t *testing.T) {
	if err := run([]string{"produce", t.TempDir(), "0", "1"}, os.Stdout); err == nil {
		t.Error("a producer without a mailbox says nothing")
	}
	if err := run([]string{"consume", t.TempDir()}, os.Stdout); err == nil {
		t.Error("a consumer without a mailbox says nothing")
	}
}
