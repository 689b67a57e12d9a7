package posix

import (
	"fmt"
	"strings"
	"syscall"
)

// nameMax is the length of the longest file name, in bytes.
const nameMax = 255

// shmDir is where Linux keeps shared memory and named semaphores (shm_overview(7),
// sem_overview(7)).
const shmDir = "/dev/shm"

// queueName checks a queue's name as mq_open(3) of glibc and the kernel do, and
// takes the slash away, which the kernel does not want.
func queueName(name string) (string, error) {
	rest, ok := strings.CutPrefix(name, "/")
	switch {
	case !ok:
		return "", &explained{text: fmt.Sprintf("%q: the name of a queue begins with a slash", name), errno: syscall.EINVAL}
	case strings.ContainsRune(rest, 0):
		return "", &explained{text: "a name has no zero byte", errno: syscall.EINVAL}
	case rest == "":
		return "", &explained{text: "there is nothing behind the slash", errno: syscall.ENOENT}
	case len(rest) > nameMax:
		return "", &explained{text: fmt.Sprintf("a name has up to %d bytes behind the slash", nameMax), errno: syscall.ENAMETOOLONG}
	case strings.Contains(rest, "/"), rest == ".", rest == "..":
		return "", &explained{text: fmt.Sprintf("%q: a name is a slash and one component, which is not a dot or two", name), errno: syscall.EACCES}
	}
	return rest, nil
}

// memoryName checks a name as shm_open(3) of glibc does: slashes in front mean
// nothing, and there is none behind them. It returns the file's name.
func memoryName(name string) (string, error) {
	rest, err := component(name)
	if err != nil {
		return "", err
	}
	if rest == "." || rest == ".." {
		return "", &explained{text: "a name is not a dot or two", errno: syscall.EINVAL}
	}
	if len(rest) > nameMax {
		return "", &explained{text: fmt.Sprintf("a name has up to %d bytes", nameMax), errno: syscall.ENAMETOOLONG}
	}
	return rest, nil
}

// semaphoreName checks a name as sem_open(3) does, and returns the file's name,
// which is not the same in both libraries.
func semaphoreName(name string, l Libc) (string, error) {
	if l != Glibc {
		return memoryName(name)
	}
	rest, err := component(name)
	if err != nil {
		return "", err
	}
	if len(rest) > nameMax {
		return "", &explained{text: fmt.Sprintf("a name has up to %d bytes", nameMax-len(semPrefix)), errno: syscall.EINVAL}
	}
	if len(rest) > nameMax-len(semPrefix) {
		return "", &explained{text: fmt.Sprintf("a name has up to %d bytes", nameMax-len(semPrefix)), errno: syscall.ENAMETOOLONG}
	}
	return semPrefix + rest, nil
}

func component(name string) (string, error) {
	rest := strings.TrimLeft(name, "/")
	if rest == "" || strings.ContainsAny(rest, "/\x00") {
		return "", &explained{text: fmt.Sprintf("%.300q: a name is one component, with a slash in front", name), errno: syscall.EINVAL}
	}
	return rest, nil
}

// unlinkName is the error of a name that no object can have, for those who
// remove it: glibc's shm_unlink and sem_unlink say ENOENT.
func unlinkName(err error) error {
	if e, ok := err.(*explained); ok && e.errno == syscall.EINVAL {
		return &explained{text: e.text, errno: syscall.ENOENT}
	}
	return err
}
