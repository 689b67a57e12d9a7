//go:build linux

package sysv_test

import (
	"testing"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/sysv"
)

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{
		peerRole: conformancePeer,
	})
}

func privateQueue(t testing.TB, bytes int) *sysv.Queue {
	t.Helper()
	q, err := sysv.CreateQueue(sysv.Private, &sysv.QueueConfig{MaxBytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		other, err := sysv.QueueByID(q.ID())
		if err != nil {
			return // removed by the test
		}
		if err := other.Remove(); err != nil {
			t.Error(err)
		}
	})
	return q
}
