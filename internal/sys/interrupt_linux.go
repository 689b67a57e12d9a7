package sys

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Some system calls wait for what no descriptor stands for: msgsnd, msgrcv,
// semop. A thread in one of them comes back with EINTR when it handles a signal,
// whatever SA_RESTART says (signal(7)). So a signal is needed that reaches one
// thread, that has a handler, and that means nothing to anybody.
//
// Go's runtime has three for its own purposes, which os/signal never sees, or
// which it says may come at any time:
//
//   - 33, which makes all threads run a system call (runtime/os_linux.go,
//     runPerThreadSyscall). A thread that is not asked to just returns. It is
//     never blocked, and os/signal cannot touch it. In programs with cgo it is
//     glibc's (SIGSETXID), and must be left alone.
//   - SIGURG, which preempts goroutines. os/signal passes it on to those that ask
//     for it, and tells them to expect strays. A program can ignore it.
//   - SIGPROF, which without a profile does nothing, and with one takes a sample.
//     os/signal never passes it on.
const sigPerThread = 33

var interrupts = [...]syscall.Signal{sigPerThread, unix.SIGURG, unix.SIGPROF}

// ErrNoInterrupt says that no signal is left that could end a wait.
var ErrNoInterrupt = errors.New("the program ignores or blocks SIGURG and SIGPROF, so that no wait can be cancelled: let SIGURG be")

// handler is what a signal does in this process: an address, or 0 (its default)
// or 1 (nothing).
func handler(sig syscall.Signal) uintptr {
	var act [8]uintptr // struct sigaction of the kernel begins with the handler
	_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&act)), 8, 0, 0)
	if e != 0 {
		return 0
	}
	return act[0]
}

// Interrupt sends thread tid of this process a signal that makes a system call
// that waits return EINTR. A thread that was about to make the call misses it;
// so who interrupts repeats it, with another attempt, until the thread says that
// it is back. Later attempts look whether the thread has the signal blocked, as
// it has SIGURG in a program that was started so, and then use another.
func Interrupt(tid, attempt int) error {
	const hopeful = 4
	var blocked uint64
	if attempt >= hopeful {
		blocked = blockedSignals(tid)
	}
	runtimes := handler(unix.SIGSEGV)
	var chosen syscall.Signal
	for _, sig := range interrupts {
		h := handler(sig)
		if h <= 1 || sig == sigPerThread && h != runtimes {
			continue
		}
		if blocked>>(sig-1)&1 == 0 {
			chosen = sig
			break
		}
	}
	if chosen == 0 {
		return ErrNoInterrupt
	}
	return result(tgkill(tid, chosen))
}

// blockedSignals is the signal mask of a thread of this process, bit 0 for signal
// 1; none if /proc does not tell.
func blockedSignals(tid int) uint64 {
	status, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(tid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "\nSigBlk:\t")
	mask, _, _ := strings.Cut(rest, "\n")
	bits, _ := strconv.ParseUint(mask, 16, 64)
	return bits
}

func tgkill(tid int, sig syscall.Signal) syscall.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_TGKILL, uintptr(unix.Getpid()), uintptr(tid), uintptr(sig))
	return e
}

// ThreadID is the number of the thread that calls it.
func ThreadID() int { return unix.Gettid() }
