//go:build !amd64

package sys

// semidDS is struct semid64_ds of asm-generic/sembuf.h, on 64-bit machines.
type semidDS struct {
	perm         IPCPerm
	otime, ctime int64
	nsems        uint64
	_, _         uint64
}
