package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// A socket's file outlives a process that was killed, and bind refuses a name
// that is taken. So who wants to listen at PATH takes a stale file over, and
// never a live one. Who does so holds the lock on PATH.lock (flock(2), which
// the kernel drops when its process ends); that file is never removed, so all
// who come lock the same one. With the lock held:
//
//	state                  means                        what is done
//	no PATH                nobody listens               bind
//	PATH, connect works    another program listens      EADDRINUSE
//	PATH, a socket has it  bound, not listening yet     EADDRINUSE
//	PATH, refused          stale                        move it to .PATH.stale, look whether
//	                                                    it is the one that was tried, unlink
//	no socket, or another  not ours to remove           fs.ErrExist, fs.ErrPermission
//	user's
//
// A kill -9 leaves: the lock free, always; and before the move, the stale file
// as it was; after it, .PATH.stale, which who locks next removes, or moves back
// if it turns out to be alive; after bind, a PATH that refuses, which is stale.
// Two who start at once: one has the lock, the other gets EADDRINUSE.
//
// Programs that know nothing of the lock can be met, since a file is moved with
// RENAME_NOREPLACE and bind never replaces one: what they put there meanwhile
// stays.
type claim struct {
	dir  *sys.Dir
	base string
	lock *os.File
	kind sys.SocketKind
	id   sys.FileID // of the file that was bound
}

// errInUse is the error where somebody listens.
func errInUse(why string) error { return fmt.Errorf("%w: %s", syscall.EADDRINUSE, why) }

// pathLimit is the length of a path that a socket's address takes (sun_path,
// unix(7)), with its final zero.
const pathLimit = 108

func abstract(address string) bool { return strings.HasPrefix(address, "@") }

// checkAddress refuses what is no Unix address.
func checkAddress(address string) error {
	switch {
	case address == "":
		return errors.New("no address: give a path, or @ and an abstract name")
	case strings.IndexByte(address, 0) >= 0:
		return fmt.Errorf("the address has a zero byte: %w", syscall.EINVAL)
	case abstract(address) && len(address) > pathLimit:
		return fmt.Errorf("an abstract name has %d bytes at most: %w", pathLimit-1, syscall.ENAMETOOLONG)
	}
	return nil
}

// through calls use with a name that the kernel takes for address. For a path
// that is too long for it that leads through an open directory.
func through(address string, use func(name string) error) error {
	if err := checkAddress(address); err != nil {
		return err
	}
	if abstract(address) || len(address) < pathLimit {
		return use(address)
	}
	dir, err := sys.OpenDirAt(filepath.Dir(address))
	if err != nil {
		return err
	}
	defer dir.Close()
	name, err := entry(dir, filepath.Base(address))
	if err != nil {
		return err
	}
	return use(name)
}

func entry(dir *sys.Dir, base string) (string, error) {
	name := dir.EntryPath(base)
	if len(name) >= pathLimit {
		return "", fmt.Errorf("%s: a socket's file name can have about 80 bytes (sun_path, unix(7)): %w", base, syscall.ENAMETOOLONG)
	}
	return name, nil
}

// bindPath gives fd the path, which may be taken by a stale file.
func bindPath(ctx context.Context, fd int, path string, set *settings) (*claim, error) {
	c, err := lockPath(path, set.kind)
	if err != nil {
		return nil, err
	}
	if err = c.clear(ctx); err == nil {
		err = c.bind(fd, path, set)
	}
	if err != nil {
		c.unlock()
		return nil, err
	}
	return c, nil
}

// lockPath takes the lock on PATH.lock.
func lockPath(path string, kind sys.SocketKind) (*claim, error) {
	if base := filepath.Base(path); base == "." || base == ".." || strings.HasSuffix(path, "/") {
		return nil, fmt.Errorf("%s names no file: %w", path, syscall.EINVAL)
	}
	dir, err := sys.OpenDirAt(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	c := &claim{dir: dir, base: filepath.Base(path), kind: kind}
	if err := c.takeLock(); err != nil {
		c.unlock()
		return nil, err
	}
	return c, nil
}

func (c *claim) takeLock() error {
	st, err := c.dir.Stat()
	if err != nil {
		return err
	}
	if st.Mode&0o002 != 0 && !sys.Sticky(st) {
		return fmt.Errorf("everybody can replace files in %s: %w; chmod o-w or +t", c.dir.Path(), fs.ErrPermission)
	}
	name := c.base + ".lock"
	c.lock, err = c.dir.Create(name, 0o600)
	if errors.Is(err, fs.ErrExist) {
		c.lock, err = c.dir.Open(name)
	}
	if err != nil {
		return err
	}
	if st, err = sys.Fstat(c.lock); err != nil {
		return err
	}
	if uid, _ := sys.Credentials(); !st.Regular || st.UID != uid || st.Links != 1 {
		return fmt.Errorf("%s/%s is not a plain file of this user (%d): %w; somebody put it there", c.dir.Path(), name, uid, fs.ErrPermission)
	}
	ok, err := sys.LockFile(c.lock)
	if err != nil {
		return err
	}
	if !ok {
		return errInUse("another process holds " + name + ", so it listens, or is about to")
	}
	return nil
}

func (c *claim) unlock() {
	if c.lock != nil {
		_ = c.lock.Close()
	}
	_ = c.dir.Close()
}

// clear removes a stale file from the name.
func (c *claim) clear(ctx context.Context) error {
	if err := c.recover(ctx); err != nil {
		return err
	}
	st, err := c.dir.Lstat(c.base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !sys.IsSocket(st) {
		return fmt.Errorf("%s/%s is there and is no socket: %w", c.dir.Path(), c.base, fs.ErrExist)
	}
	if uid, _ := sys.Credentials(); st.UID != uid {
		return fmt.Errorf("%s/%s is a socket of user %d: %w", c.dir.Path(), c.base, st.UID, fs.ErrPermission)
	}
	live, err := c.live(ctx, c.base, st.ID)
	if err != nil {
		return err
	}
	if live {
		return errInUse("a process listens there")
	}
	return c.evict(st.ID)
}

// aside is where a stale file is moved before it is unlinked.
func (c *claim) aside() string { return "." + c.base + ".stale" }

// recover finishes what somebody who was killed had begun.
func (c *claim) recover(ctx context.Context) error {
	st, err := c.dir.Lstat(c.aside())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	live, err := c.live(ctx, c.aside(), st.ID)
	if err != nil {
		return err
	}
	if live {
		return c.dir.MoveEntry(c.aside(), c.base)
	}
	return c.dir.Unlink(c.aside())
}

// live tells whether a socket has the file: whether it can be connected to, or,
// where it does not listen yet, whether the kernel lists it.
func (c *claim) live(ctx context.Context, name string, id sys.FileID) (bool, error) {
	path, err := entry(c.dir, name)
	if err != nil {
		return false, err
	}
	fd, err := sys.UnixSocket(c.kind)
	if err != nil {
		return false, err
	}
	defer sys.CloseSocket(fd)
	// The context has ended, so that a full backlog is not waited for.
	over, cancel := context.WithCancel(ctx)
	cancel()
	err = sys.ConnectUnix(over, fd, path)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return inUse(id), nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, syscall.EPROTOTYPE):
		return true, nil
	}
	return false, err
}

// evict removes the file from the name if it is that one.
func (c *claim) evict(id sys.FileID) error {
	if err := c.dir.MoveEntry(c.base, c.aside()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if st, err := c.dir.Lstat(c.aside()); err != nil || st.ID != id {
		return errors.Join(c.dir.MoveEntry(c.aside(), c.base), errInUse("another program has just put a socket there"))
	}
	return c.dir.Unlink(c.aside())
}

// bind binds, with no more permissions than asked for at any moment.
func (c *claim) bind(fd int, path string, set *settings) error {
	if len(path) >= pathLimit {
		var err error
		if path, err = entry(c.dir, c.base); err != nil {
			return err
		}
	}
	first, gid := set.Mode, -1
	if set.Group != nil {
		first, gid = set.Mode&0o700, *set.Group // until the file has its group
	}
	if err := sys.BindUnix(fd, path, first); err != nil {
		return err
	}
	st, err := c.dir.Lstat(c.base)
	if err != nil {
		return err
	}
	c.id = st.ID
	if fs.FileMode(st.Mode).Perm() == set.Mode.Perm() && gid < 0 {
		return nil
	}
	if err := c.dir.SetEntryMode(c.base, set.Mode, gid); err != nil {
		return errors.Join(err, c.evict(c.id))
	}
	return nil
}

// release gives the name up: the file is removed, if it is still this one.
func (c *claim) release() error {
	defer c.unlock()
	st, err := c.dir.Lstat(c.base)
	if err != nil || st.ID != c.id {
		return nil // somebody else removed it
	}
	return c.evict(c.id)
}
