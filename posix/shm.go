package posix

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// SharedMemoryConfig says what shared memory to create, and how this handle uses
// it. The zero value, and nil, are useful: memory of no bytes yet, for its owner.
//
// For an object that exists already, only ReadOnly matters.
type SharedMemoryConfig struct {
	// Size is the size in bytes of an object that is created. Its memory is
	// reserved, so that there is an ENOSPC now, and no SIGBUS when it is used,
	// unless Sparse is set.
	Size   int64
	Sparse bool
	// Mode is the permission of the object, less the process's umask. Default: 0600.
	Mode fs.FileMode
	// ReadOnly opens it to read: the kernel lets nobody write through this
	// handle. It cannot be used to create one of some Size.
	ReadOnly bool
}

// SharedMemory is a handle on a POSIX shared memory object: a descriptor. Map
// makes its bytes accessible. Its methods may be called from several goroutines
// at once.
type SharedMemory struct {
	f        *os.File
	name     string
	readOnly bool
	closed   atomic.Bool
}

// OpenSharedMemory opens the object of this name, and creates it as c says if
// there is none.
//
// Who opens it while another process creates it may find it smaller than it is
// going to be. The standard has no cure: have one process create it before
// others attach, or look at Size.
func OpenSharedMemory(name string, c *SharedMemoryConfig) (*SharedMemory, error) {
	for {
		m, err := openMemory("open", name, c, sys.ShmOpening{})
		if !errors.Is(err, fs.ErrNotExist) {
			return m, err
		}
		m, err = openMemory("open", name, c, sys.ShmOpening{Create: true, Exclusive: true})
		if !errors.Is(err, fs.ErrExist) {
			return m, err
		}
	}
}

// CreateSharedMemory creates an object. It is an fs.ErrExist if there is one of
// this name.
func CreateSharedMemory(name string, c *SharedMemoryConfig) (*SharedMemory, error) {
	return openMemory("create", name, c, sys.ShmOpening{Create: true, Exclusive: true})
}

// AttachSharedMemory opens an object that exists. It is an fs.ErrNotExist if
// there is none.
func AttachSharedMemory(name string, c *SharedMemoryConfig) (*SharedMemory, error) {
	return openMemory("attach", name, c, sys.ShmOpening{})
}

// RemoveSharedMemory removes an object's name (shm_unlink(3)). Those who have it
// open or mapped go on using it; its memory is given back when the last one has
// ended that.
func RemoveSharedMemory(name string) error {
	file, err := memoryName(name)
	if err != nil {
		return wrap("remove", memoryMechanism, name, unlinkName(err))
	}
	return wrap("remove", memoryMechanism, name, removeFile(file))
}

// removeFile removes a file in shmDir. As in glibc, what the sticky bit forbids
// is an EACCES.
func removeFile(file string) error {
	err := bare(syscall.Unlink(shmDir + "/" + file))
	if errors.Is(err, syscall.EPERM) {
		return syscall.EACCES
	}
	return err
}

func openMemory(op, name string, c *SharedMemoryConfig, o sys.ShmOpening) (*SharedMemory, error) {
	if c == nil {
		c = &SharedMemoryConfig{}
	}
	m, err := c.open(name, o)
	if err != nil {
		return nil, wrap(op, memoryMechanism, name, err)
	}
	return m, nil
}

func (c *SharedMemoryConfig) open(name string, o sys.ShmOpening) (*SharedMemory, error) {
	file, err := memoryName(name)
	if err != nil {
		return nil, err
	}
	if c.Size < 0 || o.Create && c.ReadOnly && c.Size > 0 {
		return nil, &explained{text: "a Size is at least 0, and is given by who may write", errno: syscall.EINVAL}
	}
	o.ReadOnly, o.Mode = c.ReadOnly, c.Mode
	if o.Mode == 0 {
		o.Mode = 0o600
	}
	f, err := sys.OpenShm(shmDir+"/"+file, o)
	if err != nil {
		return nil, explainShm(err)
	}
	m := &SharedMemory{f: f, name: name, readOnly: c.ReadOnly}
	if err := m.prepare(c, o.Create); err != nil {
		_ = f.Close()
		if o.Create {
			_ = removeFile(file) // it is ours, and of no use to anybody
		}
		return nil, err
	}
	return m, nil
}

func (m *SharedMemory) prepare(c *SharedMemoryConfig, created bool) error {
	st, err := sys.Fstat(m.f)
	if err != nil {
		return err
	}
	if !st.Regular {
		return &explained{text: "there is something of that name that is no file of memory", errno: syscall.EINVAL}
	}
	if !created || c.Size == 0 {
		return nil
	}
	if err := m.resize(c.Size); err != nil {
		return err
	}
	if c.Sparse {
		return nil
	}
	return m.reserve(c.Size)
}

func explainShm(err error) error {
	e := &explained{errno: err}
	switch err {
	case syscall.ELOOP:
		e.text = "there is a symbolic link of that name, which is not followed"
	case syscall.EISDIR:
		e.text = "there is a directory of that name"
	case syscall.EMFILE:
		limit, _ := sys.FilesLimit()
		e.text = fmt.Sprintf("this process has no descriptor left of %d: raise RLIMIT_NOFILE (ulimit -n, LimitNOFILE=)", limit)
	case syscall.ENFILE:
		e.text = "the machine has no descriptor left (fs.file-max)"
	case syscall.EACCES:
		e.text = "its mode, owner or group, or fs.protected_regular, does not allow that"
	case syscall.ENOSPC:
		e.text = shmDir + " has no room for a further file: remove some, or mount it with more (size=, nr_inodes=)"
	default:
		return err
	}
	return e
}

// Name is the name that the object was opened by.
func (m *SharedMemory) Name() string { return m.name }

// Size is the object's size now, in bytes. Whoever may write to it can change it.
func (m *SharedMemory) Size() (int64, error) {
	st, err := m.stat()
	return st.Size, wrap("stat", memoryMechanism, m.name, err)
}

// SharedMemoryStat is what is known of a shared memory object.
type SharedMemoryStat struct {
	Size     int64 // bytes
	Reserved int64 // bytes that have memory behind them
	UID, GID int
	Mode     fs.FileMode
	Removed  bool // the name is gone, or means another object
}

// Stat looks at the object.
func (m *SharedMemory) Stat() (SharedMemoryStat, error) {
	st, err := m.stat()
	if err != nil {
		return SharedMemoryStat{}, wrap("stat", memoryMechanism, m.name, err)
	}
	return SharedMemoryStat{
		Size: st.Size, Reserved: st.Blocks, UID: st.UID, GID: st.GID,
		Mode: fs.FileMode(st.Mode).Perm(), Removed: st.Links == 0,
	}, nil
}

func (m *SharedMemory) stat() (sys.Stat, error) {
	if m.closed.Load() {
		return sys.Stat{}, isthmus.ErrClosed
	}
	return sys.Fstat(m.f)
}

// Resize sets the object's size (ftruncate(2)), in bytes. New bytes are 0 and
// have no memory behind them yet: see Reserve. Bytes that go are a fault for who
// has them mapped, which a Mapping's calls report as isthmus.ErrCorrupt, and
// which kills a program that does not expect it.
func (m *SharedMemory) Resize(size int64) error {
	return wrap("resize", memoryMechanism, m.name, m.guarded(func() error { return m.resize(size) }))
}

func (m *SharedMemory) resize(size int64) error {
	err := sys.Truncate(m.f, size)
	if errors.Is(err, syscall.EFBIG) || errors.Is(err, syscall.EINVAL) {
		return &explained{text: fmt.Sprintf("%d bytes are no size that a file can have", size), errno: syscall.EINVAL}
	}
	return err
}

// Reserve puts memory behind the first n bytes now (fallocate(2)); 0: behind
// all. It is an ENOSPC if there is not enough. Without it a full /dev/shm is
// a fault at the first use of a byte.
func (m *SharedMemory) Reserve(n int64) error {
	return wrap("reserve", memoryMechanism, m.name, m.guarded(func() error {
		if n == 0 {
			st, err := sys.Fstat(m.f)
			if err != nil || st.Size == 0 {
				return err
			}
			n = st.Size
		}
		return m.reserve(n)
	}))
}

func (m *SharedMemory) reserve(n int64) error {
	err := sys.Reserve(m.f, 0, n)
	if sys.IsNoSpace(err) {
		free, size := sys.Free(m.f)
		return &explained{text: fmt.Sprintf("%d bytes do not fit in %s (%d of %d bytes are free): ask for less, or mount it with a larger size=", n, shmDir, free, size), errno: syscall.ENOSPC}
	}
	return err
}

func (m *SharedMemory) guarded(call func() error) error {
	switch {
	case m.closed.Load():
		return isthmus.ErrClosed
	case m.readOnly:
		return &explained{text: "this handle is for reading only", errno: syscall.EBADF}
	}
	return call()
}

// File is a duplicate of the handle's descriptor, to hand to another process.
// The caller closes it.
func (m *SharedMemory) File() (*os.File, error) {
	if m.closed.Load() {
		return nil, wrap("file", memoryMechanism, m.name, isthmus.ErrClosed)
	}
	f, err := sys.Duplicate(m.f)
	if err != nil && m.closed.Load() {
		err = isthmus.ErrClosed
	}
	return f, wrap("file", memoryMechanism, m.name, err)
}

// Close gives the descriptor up. Mappings stay.
func (m *SharedMemory) Close() error {
	if m.closed.Swap(true) {
		return wrap("close", memoryMechanism, m.name, isthmus.ErrClosed)
	}
	return wrap("close", memoryMechanism, m.name, m.f.Close())
}
