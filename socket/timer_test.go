//go:build linux

package socket_test

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// timerSignals sends this process a SIGALRM every millisecond.
func timerSignals(t *testing.T) (stop func()) {
	t.Helper()
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGALRM)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = syscall.Kill(os.Getpid(), syscall.SIGALRM)
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended; signal.Stop(c) }
}
