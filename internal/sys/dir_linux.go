package sys

import (
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
	fd, err := openat(unix.AT_FDCWD, path, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_RDONLY, 0)
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
	if err := again(func() error { return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
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

// Temp creates a file without a name, which Link gives one. It is an
// errors.ErrUnsupported where the file system cannot do that.
func (d *Dir) Temp(mode fs.FileMode) (*os.File, error) {
	return d.create(".", unix.O_TMPFILE, mode)
}

// Create creates the entry name. It is an fs.ErrExist if name is taken.
func (d *Dir) Create(name string, mode fs.FileMode) (*os.File, error) {
	return d.create(name, unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, mode)
}

func (d *Dir) create(name string, flags int, mode fs.FileMode) (*os.File, error) {
	fd, err := openat(d.fd, name, flags|unix.O_RDWR|unix.O_CLOEXEC, uint32(mode.Perm()))
	if err != nil {
		return nil, d.err("create", name, err)
	}
	return os.NewFile(uintptr(fd), d.path+"/"+name), nil
}

// Link gives the file that Temp made the entry name. It is an fs.ErrExist if
// name is taken.
func (d *Dir) Link(f *os.File, name string) error {
	err := control(f, func(fd uintptr) error {
		return again(func() error {
			return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), d.fd, name, unix.AT_SYMLINK_FOLLOW)
		})
	})
	return d.err("link", name, err)
}

// LinkEntry gives the entry temp another name. It is an fs.ErrExist if name is
// taken.
func (d *Dir) LinkEntry(temp, name string) error {
	return d.err("link", name, again(func() error { return unix.Linkat(d.fd, temp, d.fd, name, 0) }))
}

// Unlink removes the entry name.
func (d *Dir) Unlink(name string) error {
	return d.err("unlink", name, again(func() error { return unix.Unlinkat(d.fd, name, 0) }))
}

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
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize)
}

// SetMode gives f its mode and, unless gid is negative, its group.
func SetMode(f *os.File, mode fs.FileMode, gid int) error {
	return control(f, func(fd uintptr) error {
		if gid >= 0 {
			if err := again(func() error { return unix.Fchown(int(fd), -1, gid) }); err != nil {
				return os.NewSyscallError("fchown", err)
			}
		}
		return os.NewSyscallError("fchmod", again(func() error { return unix.Fchmod(int(fd), uint32(mode.Perm())) }))
	})
}

func (d *Dir) err(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: d.path + "/" + name, Err: err}
}

func openat(dir int, name string, flags int, mode uint32) (fd int, err error) {
	err = again(func() error {
		fd, err = unix.Openat(dir, name, flags, mode)
		return err
	})
	return fd, err
}
