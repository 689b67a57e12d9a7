//go:build linux

package sysv_test

import (
	"os"
	"strconv"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/isthmustest"
	"github.com/isthmus-ipc/isthmus/sysv"
)

const peerRole = "conformance"

var conformancePeer = isthmustest.Peer(func(args []string, _ []*os.File) (isthmustest.Endpoint, error) {
	id, err := strconv.Atoi(args[0])
	return endpoint(id), err
})

func endpoint(id int) isthmustest.Endpoint {
	return isthmustest.Endpoint{
		Name:     "id " + strconv.Itoa(id),
		Sender:   func() (isthmus.Sender, error) { return sysv.QueueByID(id) },
		Receiver: func() (isthmus.Receiver, error) { return sysv.QueueByID(id) },
		Args:     []string{strconv.Itoa(id)},
	}
}

// TestQueueKeepsContract proves the contract of Sender and Receiver.
func TestQueueKeepsContract(t *testing.T) {
	for name, c := range map[string]struct {
		bytes, max int
	}{
		"small":   {200, 200},
		"default": {16384, 8192},
	} {
		t.Run(name, func(t *testing.T) {
			isthmustest.Run(t, isthmustest.Mechanism{
				Name: "sysv", Role: peerRole, MaxMessage: c.max, Into: true, Types: true,
				TypeOf: func(sent int64) (int64, bool) { return max(sent, 1), sent >= 0 },
				Open: func(t testing.TB) isthmustest.Endpoint {
					return endpoint(privateQueue(t, c.bytes).ID())
				},
			})
		})
	}
}
