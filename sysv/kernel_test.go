//go:build linux

package sysv_test

import (
	"syscall"
	"unsafe"
)

// everyMillisecond has SIGALRM sent to this process 1,000 times a second
// (setitimer(2), ITIMER_REAL).
func everyMillisecond() error {
	ms := syscall.Timeval{Usec: 1000}
	timer := [2]syscall.Timeval{ms, ms}
	if _, _, e := syscall.Syscall(syscall.SYS_SETITIMER, 0, uintptr(unsafe.Pointer(&timer)), 0); e != 0 {
		return e
	}
	return nil
}

// addressOf is where a slice begins.
func addressOf(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
