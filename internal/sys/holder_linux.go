package sys

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Descriptor is the number of f's descriptor.
func Descriptor(f *os.File) int {
	n := -1
	_ = control(f, func(fd uintptr) error {
		n = int(fd)
		return nil
	})
	return n
}

// TokenHolder asks the kernel whether descriptor fd of process pid holds token
// at of the file id (proc(5), /proc/PID/fdinfo), and whose process that is.
func TokenHolder(pid, fd int, id FileID, at int64) (uid, gid int, ok bool) {
	if !holds(pid, fd, id, at) {
		return 0, 0, false
	}
	status, err := readProc(fmt.Sprintf("/proc/%d/status", pid))
	// Once more: the process may have ended, and its number be another's by now.
	if err != nil || !holds(pid, fd, id, at) {
		return 0, 0, false
	}
	return effective(status, "Uid:"), effective(status, "Gid:"), true
}

func holds(pid, fd int, id FileID, at int64) bool {
	info, err := readProc(fmt.Sprintf("/proc/%d/fdinfo/%d", pid, fd))
	if err != nil {
		return false
	}
	for line := range strings.Lines(info) {
		// lock:	1: OFDLCK ADVISORY  WRITE -1 00:1b:90708 FIRST LAST
		f := strings.Fields(line)
		if len(f) == 9 && f[0] == "lock:" && f[2] == "OFDLCK" && f[4] == "WRITE" && sameFile(f[6], id) && covers(f[7], f[8], lockBase+at) {
			return true
		}
	}
	return false
}

// readProc reads a file of another process. How long it is may be for that
// process to say: one line for each lock.
func readProc(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 64<<10))
	return string(b), err
}

// sameFile compares the inode of MAJOR:MINOR:INODE. The device number there is
// the file system's, which stat need not tell (btrfs), so it is left out.
func sameFile(spec string, id FileID) bool {
	ino, err := strconv.ParseUint(spec[strings.LastIndexByte(spec, ':')+1:], 10, 64)
	return err == nil && ino == id.Ino
}

func covers(first, last string, at int64) bool {
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil || from > at {
		return false
	}
	to, err := strconv.ParseInt(last, 10, 64)
	return last == "EOF" || err == nil && to >= at
}

// effective is the second number, the effective one, of a line of /proc/PID/status.
func effective(status, key string) int {
	for line := range strings.Lines(status) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == key {
			if n, err := strconv.Atoi(f[2]); err == nil {
				return n
			}
		}
	}
	return -1
}
