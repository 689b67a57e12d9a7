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

// blockSIGURG blocks SIGURG in this thread, and returns the mask from before for
// restoreMask.
func blockSIGURG() (old uint64) {
	urg := uint64(1) << (syscall.SIGURG - 1)
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 0, uintptr(unsafe.Pointer(&urg)), uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	return old
}

func restoreMask(mask uint64) {
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 2, uintptr(unsafe.Pointer(&mask)), 0, 8, 0, 0)
}
