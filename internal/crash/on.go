//go:build isthmus_crash && linux

package crash

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Enabled tells whether the crash points are compiled in.
const Enabled = true

var (
	name   string
	signal = syscall.SIGKILL
	left   atomic.Int64
)

func init() {
	spec := os.Getenv("ISTHMUS_CRASH")
	n := int64(1)
	if at := strings.LastIndexByte(spec, ':'); at >= 0 {
		if k, err := strconv.ParseInt(spec[at+1:], 10, 64); err == nil {
			spec, n = spec[:at], k
		}
	}
	name = spec
	left.Store(n)
	if os.Getenv("ISTHMUS_CRASH_SIGNAL") == "STOP" {
		signal = syscall.SIGSTOP
	}
}

// Point kills (or stops) this process if the environment names this point. The
// signal goes to this very thread, which takes it before it returns from the
// system call: no step behind the point is made before the process is continued.
func Point(at string) {
	if at != name || left.Add(-1) != 0 {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, _, _ = syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(syscall.Gettid()), uintptr(signal))
	if signal == syscall.SIGKILL {
		select {}
	}
}
