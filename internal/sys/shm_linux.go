package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// OpenShm opens the file of this path as shm_open(3) does; the error is the
// errno. O_NONBLOCK is there for a FIFO of that name, which would keep the
// caller waiting.
func OpenShm(path string, o ShmOpening) (*os.File, error) {
	flags := unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_RDWR
	if o.ReadOnly {
		flags = flags&^unix.O_RDWR | unix.O_RDONLY
	}
	if o.Create {
		flags |= unix.O_CREAT
	}
	if o.Exclusive {
		flags |= unix.O_EXCL
	}
	if o.Truncate {
		flags |= unix.O_TRUNC
	}
	fd, err := openat(unix.AT_FDCWD, path, flags, uint32(o.Mode.Perm()))
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// MapShm maps n bytes of f at off, which is a multiple of the page size.
func MapShm(f *os.File, off int64, n int, readOnly bool) ([]byte, error) {
	prot := unix.PROT_READ | unix.PROT_WRITE
	if readOnly {
		prot = unix.PROT_READ
	}
	var mem []byte
	err := control(f, func(fd uintptr) error {
		var err error
		mem, err = unix.Mmap(int(fd), off, n, prot, unix.MAP_SHARED)
		return os.NewSyscallError("mmap", err)
	})
	return mem, err
}

// Duplicate is a further descriptor of the same open file description.
func Duplicate(f *os.File) (*os.File, error) {
	var fd int
	err := control(f, func(old uintptr) error {
		var err error
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
		return os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
