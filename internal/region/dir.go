package region

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// EnvDir names the environment variable that chooses the directory.
const EnvDir = "ISTHMUS_DIR"

// Path is the directory of named objects: dir, or $ISTHMUS_DIR, or
// /dev/shm/isthmus-UID.
func Path(dir string) string {
	if dir == "" {
		dir = os.Getenv(EnvDir)
	}
	if dir == "" {
		return defaultDir()
	}
	return last(dir)
}

// last takes the ends from a path that name its last component again. With them
// the kernel follows that component, though it be a link (path_resolution(7)).
func last(path string) string {
	for len(path) > 1 {
		short, slash := strings.CutSuffix(path, "/")
		if !slash {
			short, slash = strings.CutSuffix(path, "/.")
		}
		if !slash || short == "" {
			break
		}
		path = short
	}
	return path
}

func defaultDir() string {
	uid, _ := sys.Credentials()
	return fmt.Sprintf("/dev/shm/isthmus-%d", uid)
}

// ErrUntrusted is returned for a directory or file that another user could
// have put there, or can change. It is an fs.ErrPermission.
var ErrUntrusted error = untrusted{}

type untrusted struct{}

func (untrusted) Error() string        { return "not to be trusted" }
func (untrusted) Is(target error) bool { return target == fs.ErrPermission }

// directory is an open, checked directory of objects.
type directory struct {
	*sys.Dir
	// shared: an administrator made it for several users.
	shared bool
}

func openDir(path string, create bool) (*directory, error) {
	path = Path(path)
	if create {
		if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, explainDir(path, err)
		}
	}
	d, err := sys.OpenDir(path)
	if err != nil {
		return nil, explainDir(path, err)
	}
	shared, err := trust(d, path)
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	return &directory{d, shared}, nil
}

// trust applies the rule of SECURITY.md to a directory.
func trust(d *sys.Dir, path string) (shared bool, err error) {
	st, err := d.Stat()
	if err != nil {
		return false, err
	}
	uid, _ := sys.Credentials()
	perm := st.Mode & 0o7777
	own := path == defaultDir()
	switch {
	case st.UID != uid && (own || st.UID != 0):
		return false, fmt.Errorf("directory %s is %w: it belongs to user %d, not to you (%d): remove it, or set %s to a directory of your own",
			path, ErrUntrusted, st.UID, uid, EnvDir)
	case own && perm&0o077 != 0:
		return false, fmt.Errorf("directory %s is %w: its mode is %04o, so others can reach into it: chmod 0700 %[1]s", path, ErrUntrusted, perm)
	case perm&0o002 != 0 && perm&0o1000 == 0:
		return false, fmt.Errorf("directory %s is %w: its mode is %04o, so anyone can replace what is in it: chmod o-w or +t %[1]s", path, ErrUntrusted, perm)
	case perm&0o020 != 0 && st.UID != 0 && perm&0o1000 == 0:
		return false, fmt.Errorf("directory %s is %w: its mode is %04o, so its group can replace what is in it: chmod g-w or +t %[1]s", path, ErrUntrusted, perm)
	}
	return !own && st.UID == 0 && perm&0o022 != 0, nil
}

func explainDir(path string, err error) error {
	remedy := fmt.Sprintf("set %s to a directory that you may write to", EnvDir)
	switch {
	case errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENOTDIR) && isLink(path):
		return fmt.Errorf("directory %s is %w: it is a symbolic link: remove it, or set %s to the real directory", path, ErrUntrusted, EnvDir)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no directory %s: %w", path, err)
	case sys.IsNoFiles(err):
		return explainFiles(err)
	case sys.IsNoSpace(err):
		return fmt.Errorf("%w for another file in %s: %w: remove some there, or set %s to another file system", ErrNoSpace, path, err, EnvDir)
	}
	return fmt.Errorf("%w: %s", err, remedy)
}

func isLink(path string) bool {
	fi, err := os.Lstat(path)
	return err == nil && fi.Mode()&fs.ModeSymlink != 0
}

func explainFiles(err error) error {
	return fmt.Errorf("%w: too many open files: close some, or raise the limit (ulimit -n)", err)
}

// checkFile applies the rule to a file that was opened in d.
func (d *directory) checkFile(name string, st sys.Stat) error {
	uid, _ := sys.Credentials()
	path := d.Path() + "/" + name
	switch {
	case !st.Regular:
		return fmt.Errorf("%s is %w: it is not a regular file: remove it", path, ErrUntrusted)
	case st.UID != uid && !d.shared && uid != 0:
		return fmt.Errorf("%s is %w: it belongs to user %d, not to you (%d)", path, ErrUntrusted, st.UID, uid)
	}
	return nil
}

// entry is the file's name of an object.
func entry(kind Kind, name string) string { return kind.String() + "." + name }

// List lists the names of the objects of a kind. A directory that does not
// exist holds none.
func List(dir string, kind Kind) ([]string, error) {
	d, err := openDir(dir, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	all, err := d.Names()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range all {
		if name, ok := strings.CutPrefix(n, kind.String()+"."); ok && CheckName(name) == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// Room is the size of the file system that dir is on, in bytes.
func Room(dir string) int64 {
	d, err := sys.OpenDir(Path(dir))
	if err != nil {
		if d, err = sys.OpenDir("/dev/shm"); err != nil {
			return 1 << 30
		}
	}
	defer d.Close()
	_, size := d.Free()
	return size
}
