package sysv

import (
	"fmt"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Limits are the kernel's limits for System V objects, and how much of them is
// in use, in this IPC namespace. They are set in /proc/sys/kernel.
type Limits struct {
	// MaxMessage (msgmax) is the size of the largest message, MaxQueueBytes
	// (msgmnb) how many bytes a new queue holds, MaxQueues (msgmni) how many
	// queues there can be.
	MaxMessage    int `json:"msgmax"`
	MaxQueueBytes int `json:"msgmnb"`
	MaxQueues     int `json:"msgmni"`
	Queues        int `json:"queues"`

	// The four numbers of kernel.sem: how many semaphores a set can have, how
	// many all sets together, how many operations a call, and how many sets
	// there can be. MaxValue is the largest value.
	MaxPerSet     int `json:"semmsl"`
	MaxSemaphores int `json:"semmns"`
	MaxOperations int `json:"semopm"`
	MaxSets       int `json:"semmni"`
	MaxValue      int `json:"semvmx"`
	Sets          int `json:"sets"`
	Semaphores    int `json:"semaphores"`

	// MaxSegmentSize (shmmax) is in bytes, MaxPages (shmall) in pages, for all
	// segments together; MaxSegments (shmmni) is how many there can be.
	MaxSegmentSize uint64 `json:"shmmax"`
	MaxPages       uint64 `json:"shmall"`
	MaxSegments    int    `json:"shmmni"`
	Segments       int    `json:"segments"`
	Pages          uint64 `json:"pages"`
}

// ReadLimits asks the kernel for its limits (msgctl, semctl and shmctl with IPC_INFO).
func ReadLimits() (Limits, error) {
	m, err := sys.MsgInfo()
	if err == nil {
		var s sys.SemLimits
		var h sys.ShmLimits
		if s, err = sys.SemInfo(); err == nil {
			if h, err = sys.ShmInfo(); err == nil {
				return limits(m, s, h), nil
			}
		}
	}
	return Limits{}, &isthmus.Error{Op: "read limits", Mechanism: mechanism, Err: common(err)}
}

func limits(m sys.MsgLimits, s sys.SemLimits, h sys.ShmLimits) Limits {
	return Limits{
		MaxMessage: m.MaxMessage, MaxQueueBytes: m.MaxBytes, MaxQueues: m.MaxQueues, Queues: m.Queues,
		MaxPerSet: s.PerSet, MaxSemaphores: s.Semaphores, MaxOperations: s.PerCall, MaxSets: s.Sets,
		MaxValue: s.MaxValue, Sets: s.SetsUsed, Semaphores: s.SemaphoresUsed,
		MaxSegmentSize: h.MaxSize, MaxPages: h.MaxPages, MaxSegments: h.MaxSegments, Segments: h.Segments, Pages: h.Pages,
	}
}

// exceeded is an error that names a limit, and how to raise it.
func exceeded(err error, limit string, is any) error {
	return fmt.Errorf("%w: %s is %v: raise it with sysctl -w %s=…, or remove objects that nobody uses (ipcs, ipcrm)", err, limit, is, limit)
}
