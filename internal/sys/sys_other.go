//go:build !linux

package sys

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"time"
)

// On other systems there is nothing to call: every function that could fail
// fails with errors.ErrUnsupported, and the others do nothing. A program that
// uses Isthmus builds, and learns at run time that it cannot.

// Waitv is unsupported.
func Waitv([]Word, time.Time) error { return errors.ErrUnsupported }

// Wait2 is unsupported.
func Wait2(shared *uint32, val uint32, private *uint32, pval uint32) error {
	return errors.ErrUnsupported
}

// Wake does nothing.
func Wake(*uint32, int) int { return 0 }

// WakePrivate does nothing.
func WakePrivate(*uint32, int) {}

// Probe is unsupported.
func Probe() error { return errors.ErrUnsupported }

// CPUs is the number of CPUs.
func CPUs() int { return runtime.NumCPU() }

// PIDNamespace is 0.
func PIDNamespace() uint64 { return 0 }

// LockToken is unsupported.
func LockToken(*os.File, int64) (bool, error) { return false, errors.ErrUnsupported }

// AwaitToken is unsupported.
func AwaitToken(*os.File, int64) error { return errors.ErrUnsupported }

// UnlockAll is unsupported.
func UnlockAll(*os.File) error { return errors.ErrUnsupported }

// UnlockToken is unsupported.
func UnlockToken(*os.File, int64) error { return errors.ErrUnsupported }

// TokenHeld is unsupported.
func TokenHeld(*os.File, int64) (bool, error) { return false, errors.ErrUnsupported }

// Map is unsupported.
func Map(*os.File, int) ([]byte, error) { return nil, errors.ErrUnsupported }

// Unmap is unsupported.
func Unmap([]byte) error { return errors.ErrUnsupported }

// Reserve is unsupported.
func Reserve(_ *os.File, off, n int64) error { return errors.ErrUnsupported }

// Punch is unsupported.
func Punch(_ *os.File, off, n int64) error { return errors.ErrUnsupported }

// Truncate is unsupported.
func Truncate(*os.File, int64) error { return errors.ErrUnsupported }

// Seal is unsupported.
func Seal(*os.File) error { return errors.ErrUnsupported }

// Sealed is false.
func Sealed(*os.File) bool { return false }

// Memfd is unsupported.
func Memfd(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// Reopen is unsupported.
func Reopen(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }

// Fstat is unsupported.
func Fstat(*os.File) (Stat, error) { return Stat{}, errors.ErrUnsupported }

// Free is 0, twice.
func Free(*os.File) (free, size int64) { return 0, 0 }

// PidFD is unsupported.
func PidFD(int) (*os.File, error) { return nil, errors.ErrUnsupported }

// WaitPidFD is unsupported.
func WaitPidFD(*os.File) error { return errors.ErrUnsupported }

// IsNoSpace tells whether err is the kernel's word for a full file system.
func IsNoSpace(err error) bool { return errors.Is(err, syscall.ENOSPC) }

// IsNoFiles tells whether err says that there are too many descriptors.
func IsNoFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// Credentials are the effective user and group of this process, -1 where
// there are no such numbers.
func Credentials() (uid, gid int) { return os.Geteuid(), os.Getegid() }

// Descriptor is unsupported.
func Descriptor(*os.File) int { return -1 }

// TokenHolder is unsupported.
func TokenHolder(int, int, FileID, int64) (uid, gid int, ok bool) { return 0, 0, false }

// Available is not known.
func Available() (n int64, whose string) { return -1, "" }

// InMemory is false.
func InMemory(*os.File) bool { return false }
