package sys

import (
	"math"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Available is how many bytes of memory this process can still have, and whose
// limit that is: the machine's, or a control group's. What files keep in memory
// and can be dropped counts as available, and so does free swap. It is -1 if
// the kernel does not tell.
func Available() (n int64, whose string) { return available("/proc", "/sys/fs/cgroup") }

func available(proc, cgroup string) (n int64, whose string) {
	info := fields(proc + "/meminfo")
	n, whose = -1, "this machine"
	swap := info["SwapFree:"] << 10
	if kib, ok := info["MemAvailable:"]; ok {
		n = kib<<10 + swap
	}
	// The limits of all the groups that enclose this process hold (cgroups(7),
	// and Documentation/admin-guide/cgroup-v2.rst).
	groups, _ := os.ReadFile(proc + "/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		for group = path.Clean("/" + group); ok; group = path.Dir(group) {
			if left := leftOf(path.Join(cgroup, group), swap); left >= 0 && (n < 0 || left < n) {
				n, whose = left, "control group "+group
			}
			if group == "/" {
				break
			}
		}
	}
	return n, whose
}

// leftOf is what a control group can still have, -1 if it has no limit.
func leftOf(dir string, swap int64) int64 {
	limit, used := number(dir+"/memory.max"), number(dir+"/memory.current")
	if limit < 0 || limit == math.MaxInt64 || used < 0 {
		return -1
	}
	stat := fields(dir + "/memory.stat")
	used = max(0, used-stat["inactive_file"]-stat["active_file"]-stat["slab_reclaimable"])
	if most := number(dir + "/memory.swap.max"); most >= 0 {
		swap = min(swap, max(0, most-max(0, number(dir+"/memory.swap.current"))))
	}
	return max(0, limit-used) + swap
}

// number is what a file with one number says; "max" is the largest one.
func number(file string) int64 {
	b, err := os.ReadFile(file)
	s := strings.TrimSpace(string(b))
	if s == "max" {
		return math.MaxInt64
	}
	n, e := strconv.ParseInt(s, 10, 64)
	if err != nil || e != nil {
		return -1
	}
	return n
}

// fields are the numbers of a file with a name and a number in each line.
func fields(file string) map[string]int64 {
	b, _ := os.ReadFile(file)
	m := map[string]int64{}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil && n >= 0 {
				m[f[0]] = n
			}
		}
	}
	return m
}

// InMemory tells whether f has its bytes in memory: a memfd, or a file of a tmpfs.
func InMemory(f *os.File) bool {
	var yes bool
	_ = control(f, func(fd uintptr) error {
		var st unix.Statfs_t
		yes = again(func() error { return unix.Fstatfs(int(fd), &st) }) == nil && (uint32(st.Type) == unix.TMPFS_MAGIC || uint32(st.Type) == unix.RAMFS_MAGIC)
		return nil
	})
	return yes
}
