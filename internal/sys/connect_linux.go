package sys

import (
	"context"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// connecting bounds the threads that wait for room in a listener's backlog: a
// Go process dies at 10,000 threads.
var connecting = make(chan struct{}, 64)

// ConnectUnix connects fd, which blocks, to a path or an abstract name. Where
// the listener's backlog is full it waits, and the kernel offers no descriptor
// to poll for that: unix_stream_connect sleeps in the call. So a thread waits,
// and is interrupted by a SIGURG, which the runtime takes for its own, when ctx
// ends.
func ConnectUnix(ctx context.Context, fd int, name string) error {
	addr := &unix.SockaddrUnix{Name: name}
	if err := unix.SetNonblock(fd, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	err := again(func() error { return unix.Connect(fd, addr) })
	if err != unix.EAGAIN {
		return os.NewSyscallError("connect", err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	select {
	case connecting <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-connecting }()
	return connectSlowly(ctx, fd, addr)
}

func connectSlowly(ctx context.Context, fd int, addr unix.Sockaddr) error {
	// With a limit the kernel ends an interrupted call with EINTR; without one
	// it would begin it again (sock_intr_errno).
	limit := unix.NsecToTimeval(int64(time.Hour))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		return os.NewSyscallError("setsockopt SO_SNDTIMEO", err)
	}
	type thread struct{ id int }
	started, done := make(chan thread, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		started <- thread{unix.Gettid()}
		for {
			err := unix.Connect(fd, addr)
			if (err == unix.EINTR || err == unix.EAGAIN) && ctx.Err() == nil {
				continue
			}
			done <- err
			return
		}
	}()
	err := interruptible(ctx, (<-started).id, done)
	limit = unix.Timeval{}
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit)
	if (err == unix.EINTR || err == unix.EAGAIN) && ctx.Err() != nil {
		return ctx.Err()
	}
	return os.NewSyscallError("connect", err)
}

// interruptible waits for done. When ctx ends it signals the thread until that
// answers: the first signal can come just before the call it is to interrupt.
func interruptible(ctx context.Context, tid int, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		_ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
		select {
		case err := <-done:
			return err
		case <-tick.C:
		}
	}
}
