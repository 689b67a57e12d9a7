//go:build linux

package region

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// TestLinkWithAnEnd names a link to a directory in ways that make the kernel
// follow it.
func TestLinkWithAnEnd(t *testing.T) {
	base := where(t)
	dir, link := base+"/dir", base+"/link"
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Symlink(dir, link)); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"", "/", "//", "/.", "/./", "/././/"} {
		if _, err := Create(link+end, "a", small, nil); !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("a link and %q: %v", end, err)
		}
		r, err := Create(dir+end, "a", small, nil)
		if err != nil {
			t.Errorf("a directory and %q: %v", end, err)
			continue
		}
		if err := r.Remove(nil); err != nil || r.Dir() != dir {
			t.Errorf("a directory and %q: %v, in %s", end, err, r.Dir())
		}
		r.Close()
	}
	for path, want := range map[string]string{
		"/": "/", "//": "/", "/.": "/.", ".": ".", "./": ".", "./.": ".", "..": "..", "../": "..", "a/..": "a/..", "a/...": "a/...", "a.": "a.", "/a/": "/a",
	} {
		if got := Path(path); got != want {
			t.Errorf("%q becomes %q, want %q", path, got, want)
		}
	}
}

// TestModes creates regions under a hostile umask, and in a directory whose
// files get its group.
func TestModes(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o077, 0o777} {
		dir := where(t)
		if err := os.Chmod(dir, 0o700|os.ModeSetgid); err != nil {
			t.Fatal(err)
		}
		old := syscall.Umask(mask)
		for _, mode := range []os.FileMode{0, 0o600, 0o660, 0o666} {
			spec := small
			spec.Mode = mode
			r, err := Create(dir, "a", spec, nil)
			if err != nil {
				t.Errorf("umask %04o, mode %04o: %v", mask, mode, err)
				continue
			}
			want := mode
			if want == 0 {
				want = 0o600
			}
			if st, err := sys.Fstat(r.f); err != nil || st.Mode&0o7777 != uint32(want) {
				t.Errorf("umask %04o, mode %04o: it has %04o, %v", mask, mode, st.Mode&0o7777, err)
			}
			if err := r.Remove(nil); err != nil {
				t.Error(err)
			}
			r.Close()
		}
		syscall.Umask(old)
	}
	dir, gid := where(t), os.Getegid()
	if os.Geteuid() == 0 { // another group than one's own needs root, or a second group
		gid = 12345
	} else if groups, err := os.Getgroups(); err == nil && len(groups) > 0 {
		gid = groups[len(groups)-1]
	}
	if err := errors.Join(os.Chown(dir, -1, gid), os.Chmod(dir, 0o700|os.ModeSetgid)); err != nil {
		t.Fatal(err)
	}
	defer made(t, dir).Close()
	if st, err := os.Stat(dir + "/mailbox.a"); err != nil || st.Sys().(*syscall.Stat_t).Gid != uint32(gid) {
		t.Errorf("in a directory of group %d with its setgid bit: %+v, %v", gid, st, err)
	}
	spec := small
	spec.Group = 1 << 30 // nobody's
	if os.Geteuid() != 0 {
		if _, err := Create(dir, "b", spec, nil); !errors.Is(err, syscall.EPERM) || !strings.Contains(err.Error(), "member") {
			t.Errorf("a group of others: %v", err)
		}
		holds(t, dir, "mailbox.a")
	}
}

// TestFromNoMemory hands over descriptors of what is no anonymous region.
func TestFromNoMemory(t *testing.T) {
	dir := where(t)
	if err := syscall.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	closed, err := os.Create(dir + "/closed")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	if _, err := FromFile(closed, Mailbox); err == nil || errors.Is(err, ErrUntrusted) {
		t.Errorf("a closed file: %v", err)
	}
	if _, err := FromFile(nil, Mailbox); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("no file: %v", err)
	}
	for _, path := range []string{dir, dir + "/fifo", "/dev/null", "/dev/tty", "/proc/self/exe"} {
		f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if errors.Is(err, syscall.ENXIO) { // no terminal
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := FromFile(f, Mailbox); !errors.Is(err, ErrUntrusted) {
			t.Errorf("%s: %v", path, err)
		}
		_ = f.Close()
	}
}
