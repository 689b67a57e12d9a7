package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Dir is an open directory. Names given to its methods are single components:
// the caller has checked them. No method follows a link in the last component.
type Dir struct {
	fd   int
	path string
}

// OpenDir opens the directory at path.
func OpenDir(path string) (*Dir, error) {
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_RDONLY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &Dir{fd, path}, nil
}

// Close gives the descriptor back.
func (d *Dir) Close() error { return unix.Close(d.fd) }

// Path is the path that d was opened by.
func (d *Dir) Path() string { return d.path }

// Stat describes the directory itself.
func (d *Dir) Stat() (Stat, error) {
	var st unix.Stat_t
	err := unix.Fstat(d.fd, &st)
	return fromStat(&st), os.NewSyscallError("fstat", err)
}

// Lstat describes the entry name.
func (d *Dir) Lstat(name string) (Stat, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Stat{}, d.err("stat", name, err)
	}
	return fromStat(&st), nil
}

// Open opens the entry name for reading and writing.
func (d *Dir) Open(name string) (*os.File, error) {
	fd, err := openat(d.fd, name, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, d.err("open", name, err)
	}
	return os.NewFile(uintptr(fd), d.path+"/"+name), nil
}

// Temp creates a file without a name, which Link may give one. Where the file
// system cannot do that it has the name that is returned, until Link or DropTemp.
func (d *Dir) Temp(mode fs.FileMode, fallback string) (*os.File, string, error) {
	fd, err := openat(d.fd, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, uint32(mode.Perm()))
	name := ""
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOENT) {
		name = fallback
		fd, err = openat(d.fd, name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(mode.Perm()))
	}
	if err != nil {
		return nil, "", d.err("create", fallback, err)
	}
	return os.NewFile(uintptr(fd), d.path+"/"+fallback), name, nil
}

// DropTemp removes what Temp made, if it has a name.
func (d *Dir) DropTemp(temp string) {
	if temp != "" {
		_ = unix.Unlinkat(d.fd, temp, 0)
	}
}

// Link gives the file from Temp the entry name. It is an fs.ErrExist if name is taken.
func (d *Dir) Link(f *os.File, temp, name string) error {
	if temp != "" {
		err := unix.Linkat(d.fd, temp, d.fd, name, 0)
		if err == nil {
			d.DropTemp(temp)
		}
		return d.err("link", name, err)
	}
	err := control(f, func(fd uintptr) error {
		return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), d.fd, name, unix.AT_SYMLINK_FOLLOW)
	})
	return d.err("link", name, err)
}

// Unlink removes the entry name.
func (d *Dir) Unlink(name string) error { return d.err("unlink", name, unix.Unlinkat(d.fd, name, 0)) }

// Names lists the entries.
func (d *Dir) Names() ([]string, error) {
	fd, err := openat(d.fd, ".", unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, d.err("open", ".", err)
	}
	f := os.NewFile(uintptr(fd), d.path)
	defer f.Close()
	return f.Readdirnames(-1)
}

// Free is what the directory's file system can still give, and its whole size, in bytes.
func (d *Dir) Free() (free, size int64) {
	var st unix.Statfs_t
	if unix.Fstatfs(d.fd, &st) != nil {
		return 0, 0
	}
	return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize
}

// SetMode gives f its mode and, unless gid is negative, its group.
func SetMode(f *os.File, mode fs.FileMode, gid int) error {
	return control(f, func(fd uintptr) error {
		if gid >= 0 {
			if err := unix.Fchown(int(fd), -1, gid); err != nil {
				return os.NewSyscallError("fchown", err)
			}
		}
		return os.NewSyscallError("fchmod", unix.Fchmod(int(fd), uint32(mode.Perm())))
	})
}

func (d *Dir) err(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: d.path + "/" + name, Err: err}
}

func openat(dir int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags, mode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}
