package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/isthmus-ipc/isthmus/address"
)

// Programs that the scripts run beside isthmus.

// numbers N FILE writes the numbers from 1 to N, a line each.
func numbers() {
	n, _ := strconv.Atoi(os.Args[1])
	f, err := os.Create(os.Args[2])
	if err != nil {
		panic(err)
	}
	w := bufio.NewWriter(f)
	for i := 1; i <= n; i++ {
		fmt.Fprintln(w, i)
	}
	if w.Flush() != nil || f.Close() != nil {
		os.Exit(1)
	}
}

// exits STATUS COMMAND… runs a command and checks its exit status.
func exits() {
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	_ = cmd.Run()
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != os.Args[1] {
		fmt.Fprintf(os.Stderr, "%q exited with %s, not %s\n", os.Args[2:], got, os.Args[1])
		os.Exit(1)
	}
}

// inspect ADDRESS WHAT N waits until there are N of WHAT there: messages, claims,
// waiters, receivers.
func inspectUntil() {
	n, _ := strconv.Atoi(os.Args[3])
	a, err := address.Parse(os.Args[1])
	if err != nil {
		panic(err)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		st, err := address.Stat(a, address.Options{})
		if err == nil && count(st, os.Args[2]) == n {
			return
		}
	}
	fmt.Fprintf(os.Stderr, "not in time: %q\n", os.Args[1:])
	os.Exit(1)
}

func count(st address.Info, what string) int {
	switch what {
	case "messages":
		return st.Depth
	case "claims":
		return st.Claimed
	case "waiters":
		return st.Waiters
	case "receivers":
		return st.Receivers
	}
	return -1
}

// noread COMMAND… runs a command whose standard output is a pipe that nobody
// reads any more, and exits as it does.
func noReader() {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	_ = r.Close()
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	_ = cmd.Run()
	os.Exit(cmd.ProcessState.ExitCode())
}

// interrupt PATTERN COMMAND… interrupts a command when a file matches the
// pattern, and checks that it ends by that. The command's output is stuck until
// then, so that it cannot be done before.
func interrupt() {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	_ = w.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	_, _ = w.Write(make([]byte, 1<<21)) // as much as goes in
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	_ = w.Close()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if found, _ := filepath.Glob(os.Args[1]); len(found) > 0 {
			break
		}
	}
	_ = cmd.Process.Signal(os.Interrupt)
	_, _ = io.Copy(io.Discard, r)
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != exitSignal+2 {
		fmt.Fprintf(os.Stderr, "exited with %d\n", got)
		os.Exit(1)
	}
}
