package sys

// semidDS is struct semid64_ds of arch/x86/include/uapi/asm/sembuf.h.
type semidDS struct {
	perm  IPCPerm
	otime int64
	_     uint64
	ctime int64
	_     uint64
	nsems uint64
	_, _  uint64
}
