package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

// The test binary is the program when it is started in this role. Its children
// inherit the role.
func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{"program": func(args []string) error { return run(args, os.Stdout) }})
}

func TestClientsAndServer(t *testing.T) {
	for _, n := range []struct{ clients, requests int }{{1, 500}, {3, 200}, {8, 50}, {1, 0}} {
		t.Run(fmt.Sprintf("%dby%d", n.clients, n.requests), func(t *testing.T) {
			p := proctest.Start(t, proctest.Options{}, "program", fmt.Sprint("-clients=", n.clients), fmt.Sprint("-requests=", n.requests))
			out := p.Rest()
			p.Wait()
			answered := regexp.MustCompile(fmt.Sprintf(`(?m)^client\d+ \(process (\d+)\): %d requests were answered`, n.requests))
			pids := map[string]bool{fmt.Sprint(p.PID()): true}
			for _, m := range answered.FindAllStringSubmatch(out, -1) {
				pids[m[1]] = true
			}
			dead := regexp.MustCompile(`the server \(process (\d+)\) was killed, which was told `).FindStringSubmatch(out)
			if dead == nil {
				t.Fatalf("it said %q: nothing of the server's death", out)
			}
			pids[dead[1]] = true
			if len(pids) != n.clients+2 {
				t.Errorf("it said %q: want %d different clients, and a server", out, n.clients)
			}
		})
	}
}

// A client that finds no server says so, and a second server that there is one.
func TestWrongNumberOfServers(t *testing.T) {
	dir := t.TempDir()
	if err := run([]string{"ask", dir, "client", "1"}, io.Discard); err == nil || !strings.Contains(err.Error(), "no process has joined") {
		t.Errorf("without a server: %v", err)
	}
	proctest.Start(t, proctest.Options{}, "program", "serve", dir)
	proctest.Eventually(t, 10*time.Second, "the server answers", func() bool {
		return run([]string{"ask", dir, "client", "1"}, io.Discard) == nil
	})
	if err := run([]string{"serve", dir}, io.Discard); err == nil || !strings.Contains(err.Error(), "a living process") {
		t.Errorf("a second server: %v", err)
	}
}
