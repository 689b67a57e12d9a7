//go:build unix

package isthmustest

import (
	"syscall"
	"time"
)

// processTime is the CPU time that this process has used.
func processTime() (time.Duration, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
