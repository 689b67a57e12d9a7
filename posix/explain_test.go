//go:build linux

package posix

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// TestExplainOpen looks at the errors that a test cannot bring about without
// harm to others.
func TestExplainOpen(t *testing.T) {
	for errno, words := range map[syscall.Errno][]string{
		syscall.ENFILE:    {"fs.file-max"},
		syscall.ENOMEM:    {"no memory", "3 messages of 5 bytes"},
		syscall.EOVERFLOW: {"more than can be counted"},
		syscall.ENOSPC:    {"fs.mqueue.queues_max"},
		syscall.ENOSYS:    {"CONFIG_POSIX_MQUEUE"},
	} {
		err := explainOpen(errno, &sys.MQAttr{MaxMessages: 3, MessageSize: 5})
		if !errors.Is(err, errno) {
			t.Errorf("%v has become %v", errno, err)
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%v: %q says nothing of %q", errno, err, w)
			}
		}
	}
	if err := explainOpen(syscall.ENOSYS, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if err := explainShm(syscall.ENFILE); !strings.Contains(err.Error(), "fs.file-max") {
		t.Error(err)
	}
}

// TestQueueBytes is the example of getrlimit(2).
func TestQueueBytes(t *testing.T) {
	if n := queueBytes(10, 8192); n != 10*(8192+48)+10*48 {
		t.Error(n)
	}
}
