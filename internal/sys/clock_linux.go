package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock is CLOCK_MONOTONIC: nanoseconds since some moment that is the same for
// all processes of the machine. The tests order the steps of several processes
// by it.
func Clock() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // every kernel has it
	}
	return t.Sec*int64(time.Second) + t.Nsec
}
