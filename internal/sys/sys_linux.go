package sys

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	sysFutexWaitv = 449 // the same on amd64 and arm64

	futexWake    = 1
	futexPrivate = 128

	futex2Size32  = 0x02
	futex2Private = futexPrivate
)

// waitv is struct futex_waitv of linux/futex.h.
type waitv struct {
	val   uint64
	addr  uintptr
	flags uint32
	_     uint32
}

// Waitv sleeps until one of the words changes or is woken, or the time has come
// (futex_waitv(2)). It returns at once if one has changed already. A nil error
// says only that it is time to look again.
func Waitv(words []Word, until time.Time) error {
	var vec [MaxWords]waitv
	for i, w := range words {
		vec[i] = waitv{val: uint64(w.Val), addr: uintptr(unsafe.Pointer(w.Addr)), flags: futex2Size32}
		if w.Private {
			vec[i].flags |= futex2Private
		}
	}
	err := waitVec(vec[:len(words)], until)
	runtime.KeepAlive(words)
	return err
}

// Wait2 is Waitv for a shared word and a private one, without the cost of a
// vector.
func Wait2(shared *uint32, val uint32, private *uint32, pval uint32) error {
	vec := [2]waitv{
		{val: uint64(val), addr: uintptr(unsafe.Pointer(shared)), flags: futex2Size32},
		{val: uint64(pval), addr: uintptr(unsafe.Pointer(private)), flags: futex2Size32 | futex2Private},
	}
	err := waitVec(vec[:], time.Time{})
	runtime.KeepAlive(shared)
	runtime.KeepAlive(private)
	return err
}

func waitVec(vec []waitv, until time.Time) error {
	var ts *unix.Timespec
	var t unix.Timespec
	if !until.IsZero() {
		// futex_waitv takes an absolute time; time.Until is monotonic.
		var now unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
		d := max(time.Until(until), 0)
		t = unix.NsecToTimespec(now.Nano() + int64(d))
		ts = &t
	}
	_, _, e := unix.Syscall6(sysFutexWaitv, uintptr(unsafe.Pointer(&vec[0])), uintptr(len(vec)), 0,
		uintptr(unsafe.Pointer(ts)), unix.CLOCK_MONOTONIC, 0)
	switch e {
	case 0, unix.EAGAIN, unix.EINTR, unix.ETIMEDOUT:
		return nil
	case unix.EFAULT:
		return ErrFault
	case unix.ENOSYS, unix.EPERM:
		return fmt.Errorf("futex_waitv: %w (it needs Linux 5.16 and a seccomp filter that lets it pass)", errors.ErrUnsupported)
	}
	return os.NewSyscallError("futex_waitv", e)
}

// Wake wakes up to n waiters on a word that processes share, and tells how many
// there were.
func Wake(addr *uint32, n int) int {
	woken, _, e := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)), futexWake, uintptr(n), 0, 0, 0)
	if e != 0 {
		return 0
	}
	return int(woken)
}

// WakePrivate wakes up to n waiters on a word of this process.
func WakePrivate(addr *uint32, n int) {
	_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)), futexWake|futexPrivate, uintptr(n), 0, 0, 0)
}

// Probe tells whether this kernel has what Isthmus needs: futex_waitv.
func Probe() error {
	var w uint32
	return Waitv([]Word{{Addr: &w, Val: 1, Private: true}}, time.Time{})
}

// CPUs is the number of CPUs that this thread may run on.
func CPUs() int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return runtime.NumCPU()
	}
	return set.Count()
}

// PIDNamespace identifies the PID namespace of this process (pid_namespaces(7)),
// 0 if /proc does not tell.
func PIDNamespace() uint64 {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &st) != nil {
		return 0
	}
	return st.Ino
}

// lockBase is where the bytes that serve as tokens begin: far beyond any file's
// end, where a lock needs no byte of the file.
const lockBase = 1 << 62

func ofd(fd uintptr, cmd int, kind int16, at int64) (int16, error) {
	lk := unix.Flock_t{Type: kind, Whence: unix.SEEK_SET, Start: lockBase + at, Len: 1}
	err := again(func() error { return unix.FcntlFlock(fd, cmd, &lk) })
	return lk.Type, err
}

// again makes a system call until no signal interrupts it.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// LockToken takes token at for this open file description, without waiting: an
// open-file-description lock (fcntl(2)), which the kernel drops when the
// description is closed, however its process ends. It is false if another
// description holds it.
func LockToken(f *os.File, at int64) (bool, error) {
	var ok bool
	err := control(f, func(fd uintptr) error {
		_, err := ofd(fd, unix.F_OFD_SETLK, unix.F_WRLCK, at)
		if err == unix.EAGAIN || err == unix.EACCES {
			return nil
		}
		ok = err == nil
		return os.NewSyscallError("fcntl F_OFD_SETLK", err)
	})
	return ok, err
}

// AwaitToken takes token at, and waits as long as another description holds it:
// the kernel tells when that is over, and nothing else ends it. Meanwhile it
// keeps a thread, and f cannot be closed.
func AwaitToken(f *os.File, at int64) error {
	return control(f, func(fd uintptr) error {
		_, err := ofd(fd, unix.F_OFD_SETLKW, unix.F_WRLCK, at)
		return os.NewSyscallError("fcntl F_OFD_SETLKW", err)
	})
}

// UnlockToken gives token at back.
func UnlockToken(f *os.File, at int64) error {
	return control(f, func(fd uintptr) error {
		_, err := ofd(fd, unix.F_OFD_SETLK, unix.F_UNLCK, at)
		return os.NewSyscallError("fcntl F_OFD_SETLK", err)
	})
}

// UnlockAll gives every token of this open file description back.
func UnlockAll(f *os.File) error {
	return control(f, func(fd uintptr) error {
		lk := unix.Flock_t{Type: unix.F_UNLCK, Whence: unix.SEEK_SET, Start: lockBase}
		return os.NewSyscallError("fcntl F_OFD_SETLK", again(func() error { return unix.FcntlFlock(fd, unix.F_OFD_SETLK, &lk) }))
	})
}

// TokenHeld tells whether another open file description holds token at.
func TokenHeld(f *os.File, at int64) (bool, error) {
	var held bool
	err := control(f, func(fd uintptr) error {
		kind, err := ofd(fd, unix.F_OFD_GETLK, unix.F_WRLCK, at)
		held = kind != unix.F_UNLCK
		return os.NewSyscallError("fcntl F_OFD_GETLK", err)
	})
	return held, err
}

func control(f *os.File, fn func(fd uintptr) error) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := rc.Control(func(fd uintptr) { inner = fn(fd) }); err != nil {
		return err
	}
	return inner
}

// Map maps the first size bytes of f, shared.
func Map(f *os.File, size int) ([]byte, error) {
	var mem []byte
	err := control(f, func(fd uintptr) error {
		var err error
		mem, err = unix.Mmap(int(fd), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
		return os.NewSyscallError("mmap", err)
	})
	return mem, err
}

// Unmap ends a mapping.
func Unmap(mem []byte) error { return os.NewSyscallError("munmap", unix.Munmap(mem)) }

// Reserve puts memory behind bytes [off, off+n) of f now, so that there is no
// SIGBUS later (fallocate(2)). It does not change the file's size.
func Reserve(f *os.File, off, n int64) error {
	return fallocate(f, unix.FALLOC_FL_KEEP_SIZE, off, n)
}

// Punch gives the memory behind bytes [off, off+n) of f back.
func Punch(f *os.File, off, n int64) error {
	return fallocate(f, unix.FALLOC_FL_KEEP_SIZE|unix.FALLOC_FL_PUNCH_HOLE, off, n)
}

func fallocate(f *os.File, mode uint32, off, n int64) error {
	return control(f, func(fd uintptr) error {
		err := inPieces(off, n, func(off, n int64) error { return unix.Fallocate(int(fd), mode, off, n) })
		return os.NewSyscallError("fallocate", err)
	})
}

// inPieces makes a call for n bytes at off. When signals interrupt it, it goes on
// in ever smaller pieces: for a tmpfs, many kernels undo what they had done of an
// interrupted call (shmem_fallocate in mm/shmem.c), so a large one that is only
// repeated never ends in a process that gets many.
func inPieces(off, n int64, call func(off, n int64) error) error {
	for piece := n; ; {
		err := call(off, piece)
		switch {
		case err == unix.EINTR:
			piece = max(piece/2, min(n, 4096))
		case err != nil || piece == n:
			return err
		default:
			off, n = off+piece, n-piece
			piece = min(piece, n)
		}
	}
}

// Truncate sets the size of f.
func Truncate(f *os.File, size int64) error {
	return control(f, func(fd uintptr) error {
		return os.NewSyscallError("ftruncate", again(func() error { return unix.Ftruncate(int(fd), size) }))
	})
}

// Seal forbids to change the size of an anonymous file, for ever (memfd_create(2)).
func Seal(f *os.File) error {
	return control(f, func(fd uintptr) error {
		_, err := unix.FcntlInt(fd, unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
		return os.NewSyscallError("fcntl F_ADD_SEALS", err)
	})
}

// Sealed tells whether the size of f is sealed.
func Sealed(f *os.File) bool {
	var ok bool
	_ = control(f, func(fd uintptr) error {
		s, err := unix.FcntlInt(fd, unix.F_GET_SEALS, 0)
		const want = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW
		ok = err == nil && s&want == want
		return nil
	})
	return ok
}

// Memfd creates an anonymous file.
func Memfd(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "memfd:"+name), nil
}

// Reopen opens the file behind f anew: another open file description, which
// holds tokens of its own.
func Reopen(f *os.File) (*os.File, error) {
	var g *os.File
	err := control(f, func(fd uintptr) error {
		n, err := openat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: f.Name(), Err: err}
		}
		g = os.NewFile(uintptr(n), f.Name())
		return nil
	})
	return g, err
}

// Fstat describes f.
func Fstat(f *os.File) (Stat, error) {
	var st unix.Stat_t
	err := control(f, func(fd uintptr) error { return os.NewSyscallError("fstat", unix.Fstat(int(fd), &st)) })
	return fromStat(&st), err
}

func fromStat(st *unix.Stat_t) Stat {
	return Stat{
		ID: FileID{st.Dev, st.Ino}, Size: st.Size, Blocks: st.Blocks * 512, UID: int(st.Uid), GID: int(st.Gid),
		Mode: st.Mode, Links: uint64(st.Nlink),
		Regular: st.Mode&unix.S_IFMT == unix.S_IFREG, Dir: st.Mode&unix.S_IFMT == unix.S_IFDIR,
	}
}

// Free is the number of bytes that the file system of f can still give, and
// its whole size.
func Free(f *os.File) (free, size int64) {
	_ = control(f, func(fd uintptr) error {
		var st unix.Statfs_t
		if unix.Fstatfs(int(fd), &st) == nil {
			free, size = int64(st.Bavail)*int64(st.Bsize), int64(st.Blocks)*int64(st.Bsize)
		}
		return nil
	})
	return free, size
}

// PidFD opens a descriptor of a process: readable when it has ended (pidfd_open(2)).
func PidFD(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return os.NewFile(uintptr(fd), fmt.Sprintf("pidfd:%d", pid)), nil
}

// WaitPidFD waits, without a thread, until the process behind f has ended. It
// returns an error when f was closed.
func WaitPidFD(f *os.File) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return rc.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 0)
		return err == nil && n > 0
	})
}

// IsNoSpace tells whether err is the kernel's word for a full file system or quota.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.ENOMEM)
}

// IsNoFiles tells whether err says that there are too many descriptors.
func IsNoFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// Credentials are the effective user and group of this process.
func Credentials() (uid, gid int) { return unix.Geteuid(), unix.Getegid() }
