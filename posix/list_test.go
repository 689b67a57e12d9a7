//go:build linux

package posix_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/isthmus-ipc/isthmus/posix"
)

func TestLists(t *testing.T) {
	s, m := newSemaphore(t, nil), newMemory(t, nil)
	sems, err := posix.ListSemaphores()
	must(t, err)
	mems, err := posix.ListSharedMemory()
	must(t, err)
	if !slices.Contains(sems, s.Name()) || slices.Contains(sems, m.Name()) {
		t.Errorf("the semaphores are %v", sems)
	}
	if !slices.Contains(mems, m.Name()) || slices.Contains(mems, "/sem."+s.Name()[1:]) {
		t.Errorf("the memories are %v", mems)
	}
}

// TestListQueues lists, as root where nothing is mounted, too; who may not gets
// an error that says what to do.
func TestListQueues(t *testing.T) {
	q := newQueue(t, small)
	names, err := posix.ListQueues()
	if err != nil && os.Geteuid() != 0 {
		refused(t, err, errors.ErrUnsupported)
		says(t, err.Error(), "mount -t mqueue none /dev/mqueue")
		return
	}
	must(t, err)
	if !slices.Contains(names, q.Name()) || !slices.IsSorted(names) {
		t.Errorf("the queues are %v", names)
	}
	got := startStranger(t, 0).do("list")
	if _, err := os.Stat("/dev/mqueue/."); err != nil && got[:4] != "err " {
		t.Errorf("without privilege and without a mount: %q", got)
	}
}

// TestStatOfSender: who may only send is not told what a read would tell.
func TestStatOfSender(t *testing.T) {
	q := newQueue(t, small)
	must(t, q.TrySend(text("abc")))
	s, err := attachQueue(t, q.Name(), &posix.QueueConfig{Access: posix.SendOnly}).Stat()
	must(t, err)
	if s.Bytes != -1 || s.Messages != 1 {
		t.Errorf("it is %+v", s)
	}
	if s, err = q.Stat(); err != nil || s.Bytes != 3 || s.Modified.IsZero() {
		t.Errorf("it is %+v (%v)", s, err)
	}
}
