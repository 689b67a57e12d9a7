//go:build linux

package posix_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/isthmustest"
	"github.com/isthmus-ipc/isthmus/posix"
)

const peerRole = "conformance"

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{
		peerRole: isthmustest.Peer(func(args []string, _ []*os.File) (isthmustest.Endpoint, error) {
			return endpoint(args[0], args[1] == "blocking"), nil
		}),
		"actor": actorRole,
	})
}

var names atomic.Int64

// newName is one that no other test has.
func newName(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("/isthmus-test-%d-%d", os.Getpid(), names.Add(1))
}

// newQueue makes a queue that is removed when the test ends.
func newQueue(t testing.TB, c *posix.QueueConfig) *posix.Queue {
	t.Helper()
	q, err := posix.CreateQueue(newName(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = posix.RemoveQueue(q.Name()); _ = q.Close() })
	return q
}

func attachQueue(t testing.TB, name string, c *posix.QueueConfig) *posix.Queue {
	t.Helper()
	q, err := posix.AttachQueue(name, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

func newSemaphore(t testing.TB, c *posix.SemaphoreConfig) *posix.Semaphore {
	t.Helper()
	s, err := posix.CreateSemaphore(newName(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = posix.RemoveSemaphore(s.Name(), c); _ = s.Close() })
	return s
}

func newMemory(t testing.TB, c *posix.SharedMemoryConfig) *posix.SharedMemory {
	t.Helper()
	m, err := posix.CreateSharedMemory(newName(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = posix.RemoveSharedMemory(m.Name()); _ = m.Close() })
	return m
}

func endpoint(name string, blocking bool) isthmustest.Endpoint {
	how := "polling"
	if blocking {
		how = "blocking"
	}
	return isthmustest.Endpoint{
		Name: name,
		Sender: func() (isthmus.Sender, error) {
			return posix.AttachQueue(name, &posix.QueueConfig{Access: posix.SendOnly, Blocking: blocking})
		},
		Receiver: func() (isthmus.Receiver, error) {
			return posix.AttachQueue(name, &posix.QueueConfig{Access: posix.ReceiveOnly, Blocking: blocking})
		},
		Args: []string{name, how},
	}
}

// TestContract proves what isthmus.Sender and Receiver promise, in both ways of
// waiting.
func TestContract(t *testing.T) {
	for _, blocking := range []bool{false, true} {
		for _, size := range []struct{ messages, bytes int }{{10, 8192}, {1, 64}, {7, 1000}} {
			role := ""
			if size.messages == 7 {
				role = peerRole // the others differ in their sizes only
			}
			t.Run(fmt.Sprintf("blocking=%v/%dx%d", blocking, size.messages, size.bytes), func(t *testing.T) {
				isthmustest.Run(t, isthmustest.Mechanism{
					Name: "posix.Queue", Role: role,
					Open: func(t testing.TB) isthmustest.Endpoint {
						q := newQueue(t, &posix.QueueConfig{MaxMessages: size.messages, MaxMessage: size.bytes})
						return endpoint(q.Name(), blocking)
					},
					Capacity: isthmus.Bounded(size.messages), MaxMessage: size.bytes,
					Priorities: true, Into: true,
				})
			})
		}
	}
}
