//go:build linux

package sys

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestAvailable reads what several kernels say.
func TestAvailable(t *testing.T) {
	const mib = 1 << 20
	meminfo := map[string]string{"proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\nSwapFree: 0 kB\n"}
	with := func(more map[string]string) map[string]string {
		all := maps.Clone(meminfo)
		maps.Copy(all, more)
		return all
	}
	for name, c := range map[string]struct {
		files map[string]string
		n     int64
		whose string
	}{
		"nothing":   {nil, -1, "this machine"},
		"garbage":   {map[string]string{"proc/meminfo": "MemAvailable: many kB\n\nMemAvailable:\n", "proc/self/cgroup": "0::\n0\n\n"}, -1, "this machine"},
		"machine":   {meminfo, 4096 * mib, "this machine"},
		"with swap": {with(map[string]string{"proc/meminfo": "MemAvailable: 1024 kB\nSwapFree: 2048 kB\n"}), 3 * mib, "this machine"},
		"no limit": {with(map[string]string{
			"proc/self/cgroup": "0::/a\n", "cg/a/memory.max": "max\n", "cg/a/memory.current": "5\n",
		}), 4096 * mib, "this machine"},
		"version 1 only": {with(map[string]string{"proc/self/cgroup": "4:memory:/a\n0::/\n"}), 4096 * mib, "this machine"},
		"a group, with files in memory": {with(map[string]string{
			"proc/self/cgroup":  "1:name=systemd:/x\n0::/a/b\n",
			"cg/a/b/memory.max": "104857600\n", "cg/a/b/memory.current": "94371840\n",
			"cg/a/b/memory.stat": "anon 1\nfile 83886080\ninactive_file 31457280\nactive_file 10485760\nslab_reclaimable 1048576\n",
		}), 51 * mib, "control group /a/b"},
		"a group around it": {with(map[string]string{
			"proc/self/cgroup":  "0::/a/b\n",
			"cg/a/b/memory.max": "104857600\n", "cg/a/b/memory.current": "0\n",
			"cg/a/memory.max": "10485760\n", "cg/a/memory.current": "9437184\n",
		}), 1 * mib, "control group /a"},
		"the root of a container": {with(map[string]string{
			"proc/self/cgroup": "0::/\n", "cg/memory.max": "10485760\n", "cg/memory.current": "20971520\n",
		}), 0, "control group /"},
		"outside of the root": {with(map[string]string{"proc/self/cgroup": "0::/../../a\n"}), 4096 * mib, "this machine"},
		"a group that may swap": {with(map[string]string{
			"proc/meminfo": "MemAvailable: 4194304 kB\nSwapFree: 10240 kB\n", "proc/self/cgroup": "0::/a\n",
			"cg/a/memory.max": "1048576\n", "cg/a/memory.current": "1048576\n",
			"cg/a/memory.swap.max": "3145728\n", "cg/a/memory.swap.current": "1048576\n",
		}), 2 * mib, "control group /a"},
	} {
		root := t.TempDir()
		for file, text := range c.files {
			path := filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if n, whose := available(root+"/proc", root+"/cg"); n != c.n || whose != c.whose {
			t.Errorf("%s: %d of %s, want %d of %s", name, n, whose, c.n, c.whose)
		}
	}
	if n, whose := Available(); n <= 0 || whose == "" {
		t.Errorf("here: %d of %q", n, whose)
	}
}

// TestInPieces interrupts every call that takes longer than signals leave it.
// (The newest kernels are interrupted by deadly signals only.)
func TestInPieces(t *testing.T) {
	for _, n := range []int64{0, 1, 4095, 4096, 4097, 12345, 1 << 20, 1<<20 + 1} {
		for _, most := range []int64{4096, 5000, 1 << 16, 1 << 21} {
			calls, next := 0, int64(512)
			err := inPieces(512, n, func(off, k int64) error {
				calls++
				if k > most {
					return syscall.EINTR
				}
				if off != next {
					t.Fatalf("%d bytes: the piece at %d should be the one at %d", n, off, next)
				}
				next += k
				return nil
			})
			if err != nil || next != 512+n {
				t.Errorf("%d bytes, %d at a time: %v, done up to %d", n, most, err, next)
			}
			if calls > 600 {
				t.Errorf("%d bytes, %d at a time: %d calls", n, most, calls)
			}
		}
	}
	full := 0
	err := inPieces(0, 1<<20, func(int64, int64) error {
		if full++; full < 3 {
			return syscall.EINTR
		}
		return syscall.ENOSPC
	})
	if err != syscall.ENOSPC || full != 3 {
		t.Errorf("%v after %d calls", err, full)
	}
}

// TestNothingIsInherited looks at every descriptor that this package makes: a
// child that is started must not get one, since it would keep tokens alive.
func TestNothingIsInherited(t *testing.T) {
	path := t.TempDir()
	d, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := flags(t, d.fd); got&syscall.O_CLOEXEC == 0 {
		t.Error("a directory is inherited")
	}
	m, err := Memfd("inherited")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	made := map[string]func() (*os.File, error){
		"temp":   func() (*os.File, error) { return d.Temp(0o600) },
		"create": func() (*os.File, error) { return d.Create("a", 0o600) },
		"open":   func() (*os.File, error) { return d.Open("a") },
		"memfd":  func() (*os.File, error) { return Memfd("a") },
		"reopen": func() (*os.File, error) { return Reopen(m) },
		"pidfd":  func() (*os.File, error) { return PidFD(os.Getpid()) },
	}
	for _, name := range slices.Sorted(maps.Keys(made)) { // create is before open
		f, err := made[name]()
		if err != nil {
			t.Fatal(name, err)
		}
		if got := flags(t, Descriptor(f)); got&syscall.O_CLOEXEC == 0 {
			t.Errorf("%s: the descriptor is inherited", name)
		}
		_ = f.Close()
	}
}

// flags are those of a descriptor, as the kernel shows them.
func flags(t *testing.T, fd int) (n int) {
	t.Helper()
	info, err := os.ReadFile(filepath.Join("/proc/self/fdinfo", strconv.Itoa(fd)))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(info)) {
		if s, ok := strings.CutPrefix(l, "flags:"); ok {
			for _, c := range strings.TrimSpace(s) {
				n = n<<3 | int(c-'0')
			}
		}
	}
	return n
}
