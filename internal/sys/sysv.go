package sys

// What System V IPC calls have in common (sysvipc(7)). The numbers are those of
// Linux: linux/ipc.h, msg.h, sem.h, shm.h.
const (
	IPCCreate = 0o1000 // IPC_CREAT
	IPCExcl   = 0o2000 // IPC_EXCL
	IPCNoWait = 0o4000 // IPC_NOWAIT

	MsgNoError = 0o10000 // MSG_NOERROR
	MsgExcept  = 0o20000 // MSG_EXCEPT
	MsgCopy    = 0o40000 // MSG_COPY

	SemUndo = 0x1000 // SEM_UNDO

	ShmReadOnly  = 0o10000 // SHM_RDONLY
	ShmHugePages = 0o4000  // SHM_HUGETLB
	ShmHugeShift = 26      // SHM_HUGE_SHIFT

	ShmDestroyed = 0o1000 // SHM_DEST, of shm_perm.mode
	ShmLocked    = 0o2000 // SHM_LOCKED
)

// MsgHeader is how many bytes of a message buffer hold its type: struct msgbuf
// is {long mtype; char mtext[]}.
const MsgHeader = 8

// IPCPerm is struct ipc64_perm of asm-generic/ipcbuf.h, on 64-bit machines.
type IPCPerm struct {
	Key                        int32
	UID, GID, CUID, CGID, Mode uint32
	Seq                        uint16
	_                          uint16
	_                          uint32
	_, _                       uint64
}

// MsgDS is struct msqid64_ds of asm-generic/msgbuf.h, on 64-bit machines.
type MsgDS struct {
	Perm                  IPCPerm
	Sent, Received        int64 // seconds since 1970
	Changed               int64
	Bytes, Messages, Room uint64
	Sender, Receiver      int32 // process numbers
	_, _                  uint64
}

// ShmDS is struct shmid64_ds of asm-generic/shmbuf.h, on 64-bit machines.
type ShmDS struct {
	Perm                        IPCPerm
	Size                        uint64
	Attached, Detached, Changed int64 // seconds since 1970
	Creator, Last               int32 // process numbers
	Attachments                 uint64
	_, _                        uint64
}

// SemDS is what struct semid64_ds says. Its layout depends on the machine.
type SemDS struct {
	Perm              IPCPerm
	Operated, Changed int64 // seconds since 1970
	Count             uint64
}

// Sembuf is struct sembuf of linux/sem.h.
type Sembuf struct {
	Index uint16
	Delta int16
	Flags int16
}

// MsgLimits, SemLimits and ShmLimits are what IPC_INFO and MSG_INFO, SEM_INFO
// and SHM_INFO say.
type MsgLimits struct {
	MaxMessage, MaxBytes, MaxQueues int // msgmax, msgmnb, msgmni
	Queues                          int // in use
}

// SemLimits are the limits of semaphores.
type SemLimits struct {
	PerSet, Semaphores, PerCall, Sets, MaxValue int // semmsl, semmns, semopm, semmni, SEMVMX
	SetsUsed, SemaphoresUsed                    int
}

// ShmLimits are the limits of shared memory.
type ShmLimits struct {
	MaxSize, MaxPages  uint64 // shmmax in bytes, shmall in pages
	MaxSegments        int    // shmmni
	Segments           int    // in use
	Pages, SwappedPage uint64
}
