//go:build !linux

package sys

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// UnixSocket is unsupported.
func UnixSocket(SocketKind) (int, error) { return -1, errors.ErrUnsupported }

// UnixSocketPair is unsupported.
func UnixSocketPair(SocketKind) (a, b *os.File, err error) { return nil, nil, errors.ErrUnsupported }

// SocketFile is unsupported.
func SocketFile(int, string) (*os.File, error) { return nil, errors.ErrUnsupported }

// CloseSocket does nothing.
func CloseSocket(int) {}

// DupSocket is unsupported.
func DupSocket(*os.File) (*os.File, SocketInfo, error) {
	return nil, SocketInfo{}, errors.ErrUnsupported
}

// BindUnix is unsupported.
func BindUnix(int, string, fs.FileMode) error { return errors.ErrUnsupported }

// ListenSocket is unsupported.
func ListenSocket(int, int) error { return errors.ErrUnsupported }

// AcceptSocket is unsupported.
func AcceptSocket(int) (int, error) { return -1, errors.ErrUnsupported }

// ConnectUnix is unsupported.
func ConnectUnix(context.Context, int, string) error { return errors.ErrUnsupported }

// PeerCred is unsupported.
func PeerCred(int) (Cred, error) { return Cred{}, errors.ErrUnsupported }

// PeerPidFD is unsupported.
func PeerPidFD(int) (*os.File, error) { return nil, errors.ErrUnsupported }

// PassCred is unsupported.
func PassCred(int) error { return errors.ErrUnsupported }

// SetBuffers is unsupported.
func SetBuffers(_, _, _ int) error { return errors.ErrUnsupported }

// SendBuffer is 0.
func SendBuffer(int) int { return 0 }

// NoDelay is unsupported.
func NoDelay(int) error { return errors.ErrUnsupported }

// CloseWrite is unsupported.
func CloseWrite(int) error { return errors.ErrUnsupported }

// Writable is false.
func Writable(int) bool { return false }

// Readable is false.
func Readable(int) bool { return false }

// LockFile is unsupported.
func LockFile(*os.File) (bool, error) { return false, errors.ErrUnsupported }

// MoveEntry is unsupported.
func (d *Dir) MoveEntry(_, _ string) error { return errors.ErrUnsupported }

// SetEntryMode is unsupported.
func (d *Dir) SetEntryMode(string, fs.FileMode, int) error { return errors.ErrUnsupported }

// EntryPath is the path to the entry name.
func (d *Dir) EntryPath(name string) string { return d.path + "/" + name }

// OpenDirAt is unsupported.
func OpenDirAt(path string) (*Dir, error) { return OpenDir(path) }

// IsSocket is false.
func IsSocket(Stat) bool { return false }

// Sticky is false.
func Sticky(Stat) bool { return false }

// Epoll is unsupported.
func Epoll() (*os.File, error) { return nil, errors.ErrUnsupported }

// EpollAdd is unsupported.
func EpollAdd(_, _ int, _ int32, _ bool) error { return errors.ErrUnsupported }

// EpollRead is unsupported.
func EpollRead(int, []Event) (int, error) { return 0, errors.ErrUnsupported }

// DupFile is unsupported.
func DupFile(*os.File) (int, error) { return -1, errors.ErrUnsupported }

// DupFD is unsupported.
func DupFD(int) (int, error) { return -1, errors.ErrUnsupported }

// ReceivedFile is nil: nothing is received here.
func ReceivedFile(int) *os.File { return nil }

// NameOf is "".
func NameOf(*os.File) string { return "" }

// KernelDevice is 0.
func KernelDevice(uint64) uint32 { return 0 }

// UnixDiag is unsupported.
func UnixDiag(func([]byte) (bool, error)) error { return errors.ErrUnsupported }

// SocketMessage is what one sendmsg or recvmsg takes and gives.
type SocketMessage struct {
	Data          [2][]byte
	Control, Name []byte
}

// NameSize is 0.
const NameSize = 0

// Send is unsupported.
func (m *SocketMessage) Send(int) (int, error) { return 0, errors.ErrUnsupported }

// Receive is unsupported.
func (m *SocketMessage) Receive(int) (int, error) { return 0, errors.ErrUnsupported }

// ReceiveStream is unsupported.
func (m *SocketMessage) ReceiveStream(int) (int, error) { return 0, errors.ErrUnsupported }

// Forget does nothing.
func (m *SocketMessage) Forget() {}

// ControlTruncated is false.
func (m *SocketMessage) ControlTruncated() bool { return false }

// From is nil.
func (m *SocketMessage) From() []byte { return nil }

// UnixName is "".
func UnixName([]byte) string { return "" }

// ControlSize is 0.
func ControlSize(int) int { return 0 }

// Rights is nil.
func Rights([]int) []byte { return nil }

// Credentials are unknown.
func (m *SocketMessage) Credentials() (Cred, bool) { return Cred{}, false }

// Descriptors are none.
func (m *SocketMessage) Descriptors() []int { return nil }
