//go:build !linux

package sys

import "errors"

// ErrNoInterrupt says that no signal is left that could end a wait.
var ErrNoInterrupt = errors.New("no wait can be cancelled")

// Interrupt is unsupported.
func Interrupt(tid, attempt int) error { return errors.ErrUnsupported }

// ThreadID is 0.
func ThreadID() int { return 0 }

// Msgget is unsupported.
func Msgget(key int32, flags int) (int, error) { return 0, errors.ErrUnsupported }

// Semget is unsupported.
func Semget(key int32, count, flags int) (int, error) { return 0, errors.ErrUnsupported }

// Shmget is unsupported.
func Shmget(key int32, size uint64, flags int) (int, error) { return 0, errors.ErrUnsupported }

// Msgsnd is unsupported.
func Msgsnd(id int, buf []byte, flags int) error { return errors.ErrUnsupported }

// Msgrcv is unsupported.
func Msgrcv(id int, buf []byte, typ int64, flags int) (int, error) {
	return 0, errors.ErrUnsupported
}

// PutType does nothing.
func PutType(buf []byte, typ int64) {}

// Type is 0.
func Type(buf []byte) int64 { return 0 }

// Semop is unsupported.
func Semop(id int, ops []Sembuf, raw bool) error { return errors.ErrUnsupported }

// MsgStat is unsupported.
func MsgStat(int) (MsgDS, error) { return MsgDS{}, errors.ErrUnsupported }

// MsgSet is unsupported.
func MsgSet(int, MsgDS) error { return errors.ErrUnsupported }

// MsgRemove is unsupported.
func MsgRemove(int) error { return errors.ErrUnsupported }

// MsgInfo is unsupported.
func MsgInfo() (MsgLimits, error) { return MsgLimits{}, errors.ErrUnsupported }

// ShmStat is unsupported.
func ShmStat(int) (ShmDS, error) { return ShmDS{}, errors.ErrUnsupported }

// ShmSet is unsupported.
func ShmSet(int, IPCPerm) error { return errors.ErrUnsupported }

// ShmRemove is unsupported.
func ShmRemove(int) error { return errors.ErrUnsupported }

// ShmLock is unsupported.
func ShmLock(int, bool) error { return errors.ErrUnsupported }

// ShmInfo is unsupported.
func ShmInfo() (ShmLimits, error) { return ShmLimits{}, errors.ErrUnsupported }

// Shmat is unsupported.
func Shmat(id int, size uint64, flags int) ([]byte, error) { return nil, errors.ErrUnsupported }

// Shmdt is unsupported.
func Shmdt([]byte) error { return errors.ErrUnsupported }

// SemStat is unsupported.
func SemStat(int) (SemDS, error) { return SemDS{}, errors.ErrUnsupported }

// SemSet is unsupported.
func SemSet(int, IPCPerm) error { return errors.ErrUnsupported }

// SemRemove is unsupported.
func SemRemove(int) error { return errors.ErrUnsupported }

// SemGetAll is unsupported.
func SemGetAll(int, []uint16) error { return errors.ErrUnsupported }

// SemSetAll is unsupported.
func SemSetAll(int, []uint16) error { return errors.ErrUnsupported }

// SemSetVal is unsupported.
func SemSetVal(id, index, value int) error { return errors.ErrUnsupported }

// SemGetVal is unsupported.
func SemGetVal(id, index int) (int, error) { return 0, errors.ErrUnsupported }

// SemGetPID is unsupported.
func SemGetPID(id, index int) (int, error) { return 0, errors.ErrUnsupported }

// SemGetN is unsupported.
func SemGetN(id, index int) (int, error) { return 0, errors.ErrUnsupported }

// SemGetZ is unsupported.
func SemGetZ(id, index int) (int, error) { return 0, errors.ErrUnsupported }

// SemInfo is unsupported.
func SemInfo() (SemLimits, error) { return SemLimits{}, errors.ErrUnsupported }
