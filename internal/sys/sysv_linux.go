package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below answer with a bare syscall.Errno, EINTR included: who makes
// them knows whether that means a cancel. unix.Syscall tells the scheduler that
// the thread may be gone for long; those that cannot wait, and copy little, are
// made without.

const (
	ipcRemove = 0
	ipcSet    = 1
	ipcStat   = 2
	ipcInfo   = 3

	msgInfo = 12
	shmInfo = 14
	semInfo = 19

	semGetPID = 11
	semGetVal = 12
	semGetAll = 13
	semGetN   = 14
	semGetZ   = 15
	semSetVal = 16
	semSetAll = 17

	shmLock   = 11
	shmUnlock = 12
)

// rawLimit is up to how many bytes a call that cannot wait is made without
// telling the scheduler: copying them takes about as long as telling it.
const rawLimit = 4096

func result(e syscall.Errno) error {
	if e != 0 {
		return e
	}
	return nil
}

func get(trap, a, b, c uintptr) (int, error) {
	r, _, e := unix.Syscall(trap, a, b, c)
	return int(r), result(e)
}

// Msgget is msgget(2).
func Msgget(key int32, flags int) (int, error) {
	return get(unix.SYS_MSGGET, uintptr(key), uintptr(flags), 0)
}

// Semget is semget(2).
func Semget(key int32, count, flags int) (int, error) {
	return get(unix.SYS_SEMGET, uintptr(key), uintptr(count), uintptr(flags))
}

// Shmget is shmget(2).
func Shmget(key int32, size uint64, flags int) (int, error) {
	return get(unix.SYS_SHMGET, uintptr(key), uintptr(size), uintptr(flags))
}

// Msgsnd is msgsnd(2). The first MsgHeader bytes of buf are the type, see PutType.
func Msgsnd(id int, buf []byte, flags int) error {
	n := uintptr(len(buf) - MsgHeader)
	var e syscall.Errno
	if flags&IPCNoWait != 0 && n <= rawLimit {
		_, _, e = unix.RawSyscall6(unix.SYS_MSGSND, uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), n, uintptr(flags), 0, 0)
	} else {
		_, _, e = unix.Syscall6(unix.SYS_MSGSND, uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), n, uintptr(flags), 0, 0)
	}
	return result(e)
}

// Msgrcv is msgrcv(2). The type comes into the first MsgHeader bytes of buf, see
// Type, and n bytes of text after them.
func Msgrcv(id int, buf []byte, typ int64, flags int) (n int, err error) {
	size := uintptr(len(buf) - MsgHeader)
	var r uintptr
	var e syscall.Errno
	if flags&IPCNoWait != 0 && size <= rawLimit {
		r, _, e = unix.RawSyscall6(unix.SYS_MSGRCV, uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), size, uintptr(typ), uintptr(flags), 0)
	} else {
		r, _, e = unix.Syscall6(unix.SYS_MSGRCV, uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), size, uintptr(typ), uintptr(flags), 0)
	}
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}

// PutType writes a message's type where msgsnd looks for it, in the machine's
// byte order.
func PutType(buf []byte, typ int64) { *(*int64)(unsafe.Pointer(&buf[:MsgHeader][0])) = typ }

// Type is the type of a message that Msgrcv has put into buf.
func Type(buf []byte) int64 { return *(*int64)(unsafe.Pointer(&buf[:MsgHeader][0])) }

// Semop is semop(2). It waits, unless each of ops that would have to says
// IPCNoWait; raw says that none can wait.
func Semop(id int, ops []Sembuf, raw bool) error {
	var e syscall.Errno
	if raw {
		_, _, e = unix.RawSyscall(unix.SYS_SEMOP, uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(ops))), uintptr(len(ops)))
	} else {
		_, _, e = unix.Syscall(unix.SYS_SEMOP, uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(ops))), uintptr(len(ops)))
	}
	return result(e)
}

func msgctl(id, cmd int, p unsafe.Pointer) (int, error) {
	r, _, e := unix.Syscall(unix.SYS_MSGCTL, uintptr(id), uintptr(cmd), uintptr(p))
	return int(r), result(e)
}

func shmctl(id, cmd int, p unsafe.Pointer) (int, error) {
	r, _, e := unix.Syscall(unix.SYS_SHMCTL, uintptr(id), uintptr(cmd), uintptr(p))
	return int(r), result(e)
}

// semctl passes union semun as a pointer.
func semctl(id, index, cmd int, p unsafe.Pointer) (int, error) {
	r, _, e := unix.Syscall6(unix.SYS_SEMCTL, uintptr(id), uintptr(index), uintptr(cmd), uintptr(p), 0, 0)
	return int(r), result(e)
}

// MsgStat is msgctl IPC_STAT, MsgSet IPC_SET (of which it takes UID, GID, Mode
// and Room), MsgRemove IPC_RMID.
func MsgStat(id int) (ds MsgDS, err error) {
	_, err = msgctl(id, ipcStat, unsafe.Pointer(&ds))
	return ds, err
}

// MsgSet is msgctl IPC_SET.
func MsgSet(id int, ds MsgDS) error {
	_, err := msgctl(id, ipcSet, unsafe.Pointer(&ds))
	return err
}

// MsgRemove is msgctl IPC_RMID.
func MsgRemove(id int) error {
	_, err := msgctl(id, ipcRemove, nil)
	return err
}

// MsgInfo is msgctl IPC_INFO and MSG_INFO.
func MsgInfo() (MsgLimits, error) {
	var l, u struct {
		pool, amap, max, mnb, mni, ssz, tql int32
		seg                                 uint16
		_                                   [64]byte
	}
	if _, err := msgctl(0, ipcInfo, unsafe.Pointer(&l)); err != nil {
		return MsgLimits{}, err
	}
	_, err := msgctl(0, msgInfo, unsafe.Pointer(&u))
	return MsgLimits{MaxMessage: int(l.max), MaxBytes: int(l.mnb), MaxQueues: int(l.mni), Queues: int(u.pool)}, err
}

// ShmStat is shmctl IPC_STAT.
func ShmStat(id int) (ds ShmDS, err error) {
	_, err = shmctl(id, ipcStat, unsafe.Pointer(&ds))
	return ds, err
}

// ShmSet is shmctl IPC_SET, of UID, GID and Mode.
func ShmSet(id int, perm IPCPerm) error {
	ds := ShmDS{Perm: perm}
	_, err := shmctl(id, ipcSet, unsafe.Pointer(&ds))
	return err
}

// ShmRemove is shmctl IPC_RMID.
func ShmRemove(id int) error {
	_, err := shmctl(id, ipcRemove, nil)
	return err
}

// ShmLock is shmctl SHM_LOCK, or SHM_UNLOCK.
func ShmLock(id int, lock bool) error {
	cmd := shmUnlock
	if lock {
		cmd = shmLock
	}
	_, err := shmctl(id, cmd, nil)
	return err
}

// ShmInfo is shmctl IPC_INFO and SHM_INFO.
func ShmInfo() (ShmLimits, error) {
	var l struct {
		max, min, mni, seg, all uint64
		_                       [8]uint64
	}
	if _, err := shmctl(0, ipcInfo, unsafe.Pointer(&l)); err != nil {
		return ShmLimits{}, err
	}
	var u struct {
		used               int32
		total, rss, swp    uint64
		attempts, succeeds uint64
		_                  [8]uint64
	}
	_, err := shmctl(0, shmInfo, unsafe.Pointer(&u))
	return ShmLimits{
		MaxSize: l.max, MaxPages: l.all, MaxSegments: int(l.mni),
		Segments: int(u.used), Pages: u.total, SwappedPage: u.swp,
	}, err
}

// Shmat is shmat(2): the kernel chooses where. The memory is not Go's: its end is
// Shmdt, and nothing else.
func Shmat(id int, size uint64, flags int) ([]byte, error) {
	addr, _, e := unix.Syscall(unix.SYS_SHMAT, uintptr(id), 0, uintptr(flags))
	if e != 0 {
		return nil, e
	}
	// go vet takes a conversion of a uintptr for a mistake; this one is none.
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&addr))), size), nil
}

// Shmdt is shmdt(2), for what Shmat returned.
func Shmdt(mem []byte) error {
	_, _, e := unix.Syscall(unix.SYS_SHMDT, uintptr(unsafe.Pointer(unsafe.SliceData(mem))), 0, 0)
	return result(e)
}

// SemStat is semctl IPC_STAT.
func SemStat(id int) (SemDS, error) {
	var ds semidDS
	if _, err := semctl(id, 0, ipcStat, unsafe.Pointer(&ds)); err != nil {
		return SemDS{}, err
	}
	return SemDS{Perm: ds.perm, Operated: ds.otime, Changed: ds.ctime, Count: ds.nsems}, nil
}

// SemLayout is where struct semid64_ds has sem_otime, sem_ctime and sem_nsems,
// and its size: for the test that compares it with C's.
func SemLayout() (otime, ctime, nsems, size uintptr) {
	var ds semidDS
	return unsafe.Offsetof(ds.otime), unsafe.Offsetof(ds.ctime), unsafe.Offsetof(ds.nsems), unsafe.Sizeof(ds)
}

// SemSet is semctl IPC_SET, of UID, GID and Mode.
func SemSet(id int, perm IPCPerm) error {
	ds := semidDS{perm: perm}
	_, err := semctl(id, 0, ipcSet, unsafe.Pointer(&ds))
	return err
}

// SemRemove is semctl IPC_RMID.
func SemRemove(id int) error {
	_, err := semctl(id, 0, ipcRemove, nil)
	return err
}

// SemGetAll is semctl GETALL. The set must have as many semaphores as values.
func SemGetAll(id int, values []uint16) error {
	_, err := semctl(id, 0, semGetAll, unsafe.Pointer(unsafe.SliceData(values)))
	return err
}

// SemSetAll is semctl SETALL. The set must have as many semaphores as values.
func SemSetAll(id int, values []uint16) error {
	_, err := semctl(id, 0, semSetAll, unsafe.Pointer(unsafe.SliceData(values)))
	return err
}

// SemSetVal is semctl SETVAL.
func SemSetVal(id, index, value int) error {
	_, _, e := unix.Syscall6(unix.SYS_SEMCTL, uintptr(id), uintptr(index), semSetVal, uintptr(value), 0, 0)
	return result(e)
}

// SemGetVal is semctl GETVAL.
func SemGetVal(id, index int) (int, error) { return semctl(id, index, semGetVal, nil) }

// SemGetPID is semctl GETPID.
func SemGetPID(id, index int) (int, error) { return semctl(id, index, semGetPID, nil) }

// SemGetN is semctl GETNCNT.
func SemGetN(id, index int) (int, error) { return semctl(id, index, semGetN, nil) }

// SemGetZ is semctl GETZCNT.
func SemGetZ(id, index int) (int, error) { return semctl(id, index, semGetZ, nil) }

// SemInfo is semctl IPC_INFO and SEM_INFO.
func SemInfo() (SemLimits, error) {
	var l, u struct {
		amap, mni, mns, mnu, msl, opm, ume, usz, vmx, aem int32
		_                                                 [64]byte
	}
	if _, err := semctl(0, 0, ipcInfo, unsafe.Pointer(&l)); err != nil {
		return SemLimits{}, err
	}
	_, err := semctl(0, 0, semInfo, unsafe.Pointer(&u))
	return SemLimits{
		PerSet: int(l.msl), Semaphores: int(l.mns), PerCall: int(l.opm), Sets: int(l.mni), MaxValue: int(l.vmx),
		SetsUsed: int(u.usz), SemaphoresUsed: int(u.aem),
	}, err
}
