package sysv

import (
	"fmt"
	"io/fs"
	"math/bits"
	"sync"
	"syscall"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// SegmentConfig says what segment to create. Nil and the zero value are useful.
// For a segment that exists already it does not matter.
type SegmentConfig struct {
	// Mode is the permission; the umask does not apply. Default: 0600.
	Mode fs.FileMode
	// HugePageSize makes the segment of huge pages of so many bytes, 2 << 20 or
	// 1 << 30 (SHM_HUGETLB), of which vm.nr_hugepages must have reserved enough.
	// Default: ordinary pages.
	HugePageSize int64
}

// Segment is a System V shared memory segment. It holds nothing that would have
// to be closed: what must be detached are its Attachments. Its methods may be
// called from several goroutines at once.
type Segment struct{ object }

// GetSegment finds the segment of a key, and creates one of size bytes if there
// is none: shmget(2) with IPC_CREAT. One that exists must not be smaller. With
// Private it creates a new one each time.
//
// A new segment is all zeros. Its memory is taken when it is first written to.
func GetSegment(key Key, size int, c *SegmentConfig) (*Segment, error) {
	return getSegment("open", key, size, c, sys.IPCCreate)
}

// CreateSegment creates a segment: shmget(2) with IPC_CREAT and IPC_EXCL. It is
// an fs.ErrExist if the key has one.
func CreateSegment(key Key, size int, c *SegmentConfig) (*Segment, error) {
	return getSegment("create", key, size, c, sys.IPCCreate|sys.IPCExcl)
}

// OpenSegment finds the segment of a key, whatever its size. It is an
// fs.ErrNotExist if there is none.
func OpenSegment(key Key) (*Segment, error) {
	if key == Private {
		return nil, failure("open", key, errPrivate)
	}
	return getSegment("open", key, 0, nil, 0)
}

// SegmentByID finds a segment by its number. On Linux that works even for one
// that was removed, while somebody has it attached.
func SegmentByID(id int) (*Segment, error) {
	o := named(Private, id)
	ds, err := sys.ShmStat(id)
	if err == syscall.EACCES {
		return &Segment{o}, nil
	}
	if err != nil {
		return nil, o.wrap("open", absent(err))
	}
	o.key = Key(ds.Perm.Key)
	return &Segment{o}, nil
}

func getSegment(op string, key Key, size int, c *SegmentConfig, flags int) (*Segment, error) {
	if c == nil {
		c = &SegmentConfig{}
	}
	mode, err := permission(c.Mode)
	if err == nil && size < 0 {
		err = fmt.Errorf("%w: a size of %d bytes", syscall.EINVAL, size)
	}
	if n := uint64(c.HugePageSize); err == nil && n != 0 {
		if c.HugePageSize < 0 || n&(n-1) != 0 {
			err = fmt.Errorf("%w: a page of %d bytes: it is 2 << 20 or 1 << 30", syscall.EINVAL, c.HugePageSize)
		}
		flags |= sys.ShmHugePages | bits.TrailingZeros64(n)<<sys.ShmHugeShift
	}
	if err != nil {
		return nil, failure(op, key, err)
	}
	if flags&sys.IPCCreate == 0 {
		mode = 0
	}
	id, err := sys.Shmget(int32(key), uint64(size), flags|mode)
	if err != nil {
		return nil, failure(op, key, segmentLimit(err, key, size, c))
	}
	return &Segment{named(key, id)}, nil
}

// segmentLimit says which limit an errno of shmget is about.
func segmentLimit(err error, key Key, size int, c *SegmentConfig) error {
	l, e := sys.ShmInfo()
	if e != nil {
		return err
	}
	switch err {
	case syscall.EINVAL:
		if size == 0 {
			return fmt.Errorf("%w: a segment has at least 1 byte", err)
		}
		if uint64(size) > l.MaxSize {
			return exceeded(fmt.Errorf("%w: %d bytes", err, size), "kernel.shmmax", l.MaxSize)
		}
		return fmt.Errorf("%w: the segment exists, and is smaller than %d bytes: open it with OpenSegment, or remove it", err, size)
	case syscall.ENOSPC:
		if l.Segments >= l.MaxSegments {
			return exceeded(err, "kernel.shmmni", l.MaxSegments)
		}
		return exceeded(err, "kernel.shmall", fmt.Sprintf("%d pages, of which %d are taken", l.MaxPages, l.Pages))
	case syscall.ENOMEM:
		if c.HugePageSize != 0 {
			return fmt.Errorf("%w: not enough huge pages are reserved: raise vm.nr_hugepages", err)
		}
		return fmt.Errorf("%w: there is no memory for %d bytes", err, size)
	case syscall.EPERM:
		return fmt.Errorf("%w: huge pages need CAP_IPC_LOCK, or the group of vm.hugetlb_shm_group", err)
	}
	return err
}

// Key is the key that the segment has, or Private.
func (s *Segment) Key() Key { return s.key }

// ID is the segment's number (shmid), by which ipcrm(1) and others know it.
func (s *Segment) ID() int { return s.id }

// Remove removes the segment (shmctl IPC_RMID): its key is free at once, its
// memory when the last process has detached it. Who has it attached goes on as
// before. That is for its owner, its creator, and root.
func (s *Segment) Remove() error { return s.wrap("remove", control(sys.ShmRemove(s.id))) }

// SegmentStat is what a segment looks like at one moment.
type SegmentStat struct {
	Perm
	// Size is in bytes, as it was asked for; Attachments is how many there are now.
	Size        uint64 `json:"size"`
	Attachments uint64 `json:"attachments"`
	// Removed says that the segment goes with its last attachment; Locked, that
	// its memory is not swapped out.
	Removed bool `json:"removed,omitempty"`
	Locked  bool `json:"locked,omitempty"`
	// CreatorPID and LastPID are the processes that created it, and that attached
	// or detached it last.
	CreatorPID int `json:"creator_pid"`
	LastPID    int `json:"last_pid"`
	// Times are whole seconds.
	Attached time.Time `json:"attached,omitzero"`
	Detached time.Time `json:"detached,omitzero"`
	Changed  time.Time `json:"changed"`
	// Resident and Swapped are the bytes of it in memory and in swap. Only
	// ListSegments knows them.
	Resident uint64 `json:"resident,omitempty"`
	Swapped  uint64 `json:"swapped,omitempty"`
}

// Stat describes the segment (shmctl IPC_STAT). It needs the permission to read.
func (s *Segment) Stat() (SegmentStat, error) {
	ds, err := sys.ShmStat(s.id)
	if err != nil {
		return SegmentStat{}, s.wrap("stat", control(err))
	}
	return SegmentStat{
		Perm: perm(s.id, &ds.Perm), Size: ds.Size, Attachments: ds.Attachments,
		Removed: ds.Perm.Mode&sys.ShmDestroyed != 0, Locked: ds.Perm.Mode&sys.ShmLocked != 0,
		CreatorPID: int(ds.Creator), LastPID: int(ds.Last),
		Attached: seconds(ds.Attached), Detached: seconds(ds.Detached), Changed: seconds(ds.Changed),
	}, nil
}

// Chmod sets the permission bits. Who has the segment attached keeps it.
func (s *Segment) Chmod(mode fs.FileMode) error {
	if mode&^fs.ModePerm != 0 {
		return s.fail("set", syscall.EINVAL)
	}
	return s.set(func(p *sys.IPCPerm) { p.Mode = uint32(mode) })
}

// Chown sets the owner and the group; -1 leaves one as it is.
func (s *Segment) Chown(uid, gid int) error {
	return s.set(func(p *sys.IPCPerm) { owner(p, uid, gid) })
}

func (s *Segment) set(change func(*sys.IPCPerm)) error {
	ds, err := sys.ShmStat(s.id)
	if err == nil {
		change(&ds.Perm)
		err = sys.ShmSet(s.id, ds.Perm)
	}
	return s.wrap("set", control(err))
}

// Lock keeps the segment's memory from being swapped out (SHM_LOCK); Unlock ends
// that. It counts against RLIMIT_MEMLOCK of the caller.
func (s *Segment) Lock() error { return s.wrap("lock", control(sys.ShmLock(s.id, true))) }

// Unlock ends what Lock began.
func (s *Segment) Unlock() error { return s.wrap("unlock", control(sys.ShmLock(s.id, false))) }

// Attach maps the segment, to be read and written: shmat(id, NULL, 0).
func (s *Segment) Attach() (*Attachment, error) { return s.attach(0) }

// AttachReadOnly maps the segment, to be read: shmat(id, NULL, SHM_RDONLY). To
// write to the bytes is a memory fault, which ends the program.
func (s *Segment) AttachReadOnly() (*Attachment, error) { return s.attach(sys.ShmReadOnly) }

func (s *Segment) attach(flags int) (*Attachment, error) {
	// The size of a segment never changes, so nobody can take memory away from
	// under a mapping, as with a file. But an ID can come to be another's.
	for {
		before, err := sys.ShmStat(s.id)
		if err != nil {
			return nil, s.wrap("attach", control(err))
		}
		mem, err := sys.Shmat(s.id, before.Size, flags)
		if err != nil {
			return nil, s.wrap("attach", attachError(err))
		}
		after, err := sys.ShmStat(s.id)
		if err == nil && after.Size == before.Size && after.Changed == before.Changed {
			return &Attachment{object: s.object, mem: mem}, nil
		}
		_ = sys.Shmdt(mem)
		if err != nil {
			return nil, s.wrap("attach", control(err))
		}
	}
}

func attachError(err error) error {
	switch err {
	case syscall.ENOMEM:
		return fmt.Errorf("%w: no room in the address space of this process (vm.max_map_count, ulimit -v)", err)
	case syscall.EMFILE:
		return fmt.Errorf("%w: too many segments are attached", err)
	}
	return control(err)
}

// Attachment is a segment's memory in this process.
type Attachment struct {
	object
	mu  sync.Mutex
	mem []byte
}

// Bytes is the segment's memory itself: other processes see what is written, and
// write while it is read. Both have to agree on who may when, say by a
// SemaphoreSet; what others can write must be copied, checked, and only then
// used. It must hold no Go pointers.
//
// It is nil after Detach. A slice from before must then not be used: to do so is
// a memory fault, which ends the program.
func (a *Attachment) Bytes() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mem
}

// Detach ends the mapping (shmdt(2)). The end of the process does, too.
func (a *Attachment) Detach() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mem == nil {
		return a.fail("detach", isthmus.ErrClosed)
	}
	err := sys.Shmdt(a.mem)
	a.mem = nil
	return a.wrap("detach", err)
}
