//go:build linux

package socket_test

import (
	"testing"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{peerRole: conformancePeer})
}
