//go:build linux

package posix_test

import (
	"os"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// unixStorm sends this process a signal a thousand times a second, for good.
func unixStorm() error {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGALRM)
	every := unix.Timeval{Usec: 1000}
	_, err := unix.Setitimer(unix.ItimerReal, unix.Itimerval{Interval: every, Value: every})
	return err
}

// storm is unixStorm until the test ends.
func storm(t testing.TB) {
	t.Helper()
	must(t, unixStorm())
	t.Cleanup(func() {
		_, _ = unix.Setitimer(unix.ItimerReal, unix.Itimerval{})
		signal.Reset(syscall.SIGALRM)
		signal.Ignore(syscall.SIGALRM) // one may be on its way
	})
}
