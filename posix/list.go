package posix

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// queueDir is where the file system of the queues is mounted by convention.
const queueDir = "/dev/mqueue"

// ListQueues lists the names of the queues in this process's IPC namespace,
// sorted. The kernel shows them in a file system of type mqueue. Where that is
// not mounted at /dev/mqueue a process with CAP_SYS_ADMIN is shown it all the
// same; for another one it is errors.ErrUnsupported.
func ListQueues() ([]string, error) {
	names, err := sys.ListMQ(queueDir)
	if err != nil {
		var mount *os.SyscallError // not mounted, and this process may not do so
		if errors.As(err, &mount) {
			err = fmt.Errorf("%w (%v): the queues' file system is not mounted at %s: have root do so (mount -t mqueue none %[3]s)", errors.ErrUnsupported, err, queueDir)
		}
		return nil, wrap("list", queueMechanism, "", err)
	}
	for i := range names {
		names[i] = "/" + names[i]
	}
	slices.Sort(names)
	return names, nil
}

// ListSharedMemory lists the names of the shared memory objects, sorted. Other
// files in /dev/shm, named semaphores of musl among them, are not told apart
// from them; directories and semaphores of glibc are.
func ListSharedMemory() ([]string, error) {
	names, err := listShm(func(name string) (string, bool) { return name, !strings.HasPrefix(name, semPrefix) })
	return names, wrap("list", memoryMechanism, "", err)
}

// ListSemaphores lists the names of glibc's named semaphores, sorted.
func ListSemaphores() ([]string, error) {
	names, err := listShm(func(name string) (string, bool) { return strings.CutPrefix(name, semPrefix) })
	return names, wrap("list", semaphoreMechanism, "", err)
}

func listShm(pick func(file string) (name string, ok bool)) ([]string, error) {
	entries, err := os.ReadDir(shmDir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := pick(e.Name()); ok && name != "" && e.Type().IsRegular() {
			names = append(names, "/"+name)
		}
	}
	slices.Sort(names)
	return names, nil
}
