package sysv

import (
	"context"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// SemaphoreSet is a handle on a System V semaphore set. Its methods may be
// called from several goroutines at once.
type SemaphoreSet struct {
	object
	handle
}

// OpenSemaphoreSet opens the set of a key, as it is: it does not ask whether the
// set was initialised. It is an fs.ErrNotExist if there is none.
func OpenSemaphoreSet(key Key) (*SemaphoreSet, error) {
	if key == Private {
		return nil, failure("open", key, errPrivate)
	}
	id, err := sys.Semget(int32(key), 0, 0)
	if err != nil {
		return nil, failure("open", key, err)
	}
	return &SemaphoreSet{object: named(key, id)}, nil
}

// SemaphoreSetByID opens a set by its number.
func SemaphoreSetByID(id int) (*SemaphoreSet, error) {
	o := named(Private, id)
	ds, err := sys.SemStat(id)
	if err == syscall.EACCES {
		return &SemaphoreSet{object: o}, nil
	}
	if err != nil {
		return nil, o.wrap("open", absent(err))
	}
	o.key = Key(ds.Perm.Key)
	return &SemaphoreSet{object: o}, nil
}

// Key is the key that the set has, or Private.
func (s *SemaphoreSet) Key() Key { return s.key }

// ID is the set's number (semid), by which ipcrm(1) and others know it.
func (s *SemaphoreSet) ID() int { return s.id }

// Close gives the handle up, and wakes who waits on it with ErrClosed. The set
// stays until it is removed. Undos of this process stay as well.
func (s *SemaphoreSet) Close() error { return s.wrap("close", s.close()) }

// Remove removes the set, for everybody: who waits on it is told at once, by
// ErrRemoved. That is for its owner, its creator, and root.
func (s *SemaphoreSet) Remove() error {
	return s.control("remove", func() error { return sys.SemRemove(s.id) })
}

// Operation is what to do with one semaphore of a set.
type Operation struct {
	// Index is which, counted from 0.
	Index int
	// Delta is added to its value. If that would be negative, the call waits. A
	// Delta of 0 waits until the value is 0.
	Delta int
	// Undo has the kernel take Delta back when this process ends (SEM_UNDO), all
	// of it, not this goroutine or thread. See the package's documentation.
	Undo bool
	// NoWait makes the whole call ErrWouldWait if this operation would have to
	// wait, and lets the others wait (IPC_NOWAIT).
	NoWait bool
}

// Operate does all operations at once, in their order, or none of them
// (semop(2)). It waits until it can.
func (s *SemaphoreSet) Operate(ctx context.Context, ops ...Operation) error {
	return s.operate(ctx, ops, true)
}

// TryOperate does all operations at once, or none of them, and is ErrWouldWait
// if it would have to wait.
func (s *SemaphoreSet) TryOperate(ops ...Operation) error {
	return s.operate(context.Background(), ops, false)
}

// fewOperations need no memory but the stack's.
const fewOperations = 8

func (s *SemaphoreSet) operate(ctx context.Context, ops []Operation, wait bool) error {
	if err := ctx.Err(); err != nil {
		return s.fail("operate", err)
	}
	if s.isClosed() {
		return s.fail("operate", isthmus.ErrClosed)
	}
	var few [2 * fewOperations]sys.Sembuf
	bufs := few[:0]
	if len(ops) > fewOperations {
		bufs = make([]sys.Sembuf, 0, 2*len(ops))
	}
	for _, o := range ops {
		b, err := o.sembuf()
		if err != nil {
			return s.fail("operate", err)
		}
		bufs = append(bufs, b)
	}
	for _, b := range bufs {
		b.Flags |= sys.IPCNoWait
		bufs = append(bufs, b)
	}
	must, now := bufs[:len(ops):len(ops)], bufs[len(ops):]
	var err error = syscall.EAGAIN
	expected := wait && s.expects()
	if !expected {
		err = sys.Semop(s.id, now, len(ops) <= fewOperations)
	}
	if err == syscall.EAGAIN {
		if !wait {
			return s.fail("operate", ErrWouldWait)
		}
		err = s.await(ctx, must, expected)
	}
	if err != nil {
		return s.fail("operate", s.operateError(err, ops))
	}
	return nil
}

func (s *SemaphoreSet) await(ctx context.Context, ops []sys.Sembuf, expected bool) error {
	_, err := s.wait(ctx, &request{op: opSemaphores, id: s.id, ops: ops}, expected)
	return err
}

func (o Operation) sembuf() (sys.Sembuf, error) {
	if o.Index < 0 || o.Index > 1<<16-1 {
		return sys.Sembuf{}, fmt.Errorf("%w: no semaphore has number %d", syscall.EFBIG, o.Index)
	}
	if o.Delta < -1<<15 || o.Delta > 1<<15-1 {
		return sys.Sembuf{}, fmt.Errorf("%w: %d is more than a semaphore's value can change by, 32,767", syscall.ERANGE, o.Delta)
	}
	b := sys.Sembuf{Index: uint16(o.Index), Delta: int16(o.Delta)}
	if o.Undo {
		b.Flags |= sys.SemUndo
	}
	if o.NoWait {
		b.Flags |= sys.IPCNoWait
	}
	return b, nil
}

func (s *SemaphoreSet) operateError(err error, ops []Operation) error {
	switch err {
	case syscall.EAGAIN: // of an operation with NoWait
		return ErrWouldWait
	case syscall.E2BIG:
		if l, e := sys.SemInfo(); e == nil {
			return exceeded(fmt.Errorf("%w: %d operations", err, len(ops)), "kernel.sem (the third number, semopm)", l.PerCall)
		}
	case syscall.EFBIG:
		return fmt.Errorf("%w: the set has fewer semaphores", err)
	case syscall.ERANGE:
		return fmt.Errorf("%w: a value, or what is to be undone of it, would be over 32,767 (SEMVMX)", err)
	case syscall.ENOMEM, syscall.ENOSPC:
		return fmt.Errorf("%w: the kernel has no memory for what is to be undone", err)
	case syscall.EINVAL:
		if len(ops) == 0 {
			return fmt.Errorf("%w: no operations", err)
		}
		return removed(err)
	}
	return common(err)
}

// SemaphoreSetStat is what a set looks like at one moment.
type SemaphoreSetStat struct {
	Perm
	// Count is how many semaphores the set has.
	Count int `json:"count"`
	// Operated is when Operate last did something, zero if it never did: then
	// the set may not be initialised. Changed is when the set was created, or
	// values or attributes set. Both are whole seconds.
	Operated time.Time `json:"operated,omitzero"`
	Changed  time.Time `json:"changed"`
}

// Stat describes the set (semctl IPC_STAT). It needs the permission to read.
func (s *SemaphoreSet) Stat() (st SemaphoreSetStat, err error) {
	err = s.control("stat", func() error {
		ds, err := sys.SemStat(s.id)
		st = semaphoreSetStat(s.id, &ds)
		return err
	})
	return st, err
}

func semaphoreSetStat(id int, ds *sys.SemDS) SemaphoreSetStat {
	return SemaphoreSetStat{
		Perm: perm(id, &ds.Perm), Count: int(ds.Count), Operated: seconds(ds.Operated), Changed: seconds(ds.Changed),
	}
}

// Chmod sets the permission bits.
func (s *SemaphoreSet) Chmod(mode fs.FileMode) error {
	if mode&^fs.ModePerm != 0 {
		return s.fail("set", syscall.EINVAL)
	}
	return s.set(func(p *sys.IPCPerm) { p.Mode = uint32(mode) })
}

// Chown sets the owner and the group; -1 leaves one as it is.
func (s *SemaphoreSet) Chown(uid, gid int) error {
	return s.set(func(p *sys.IPCPerm) { owner(p, uid, gid) })
}

func (s *SemaphoreSet) set(change func(*sys.IPCPerm)) error {
	return s.control("set", func() error {
		ds, err := sys.SemStat(s.id)
		if err != nil {
			return err
		}
		change(&ds.Perm)
		return sys.SemSet(s.id, ds.Perm)
	})
}

func (s *SemaphoreSet) control(op string, call func() error) error {
	if s.isClosed() {
		return s.fail(op, isthmus.ErrClosed)
	}
	return s.wrap(op, control(call()))
}
