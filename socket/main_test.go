//go:build linux

package socket_test

import (
	"syscall"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{
		peerRole: conformancePeer,
		"listen": listenRole,
		"spin":   spinRole,
		"scarce": scarceRole,
		"send":   sendRole,
		"shout":  shoutRole,
		"flood":  floodRole,
		"list":   listRole,
		"spin-open-umask": func(args []string) error {
			syscall.Umask(0)
			return spinRole(args)
		},
	})
}

func text(s string) isthmus.Message { return isthmus.Message{Data: []byte(s)} }
