package region

import (
	"errors"
	"fmt"
	"os"

	"github.com/isthmus-ipc/isthmus/internal/crash"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Remove takes the region's name away. First it marks the region, so that all
// who have it open can be told; told does that.
//
// Whoever unlinks a name holds the remove token of the very file that has it.
// So between the check that the name still means this file and the unlink
// nobody else can unlink it, and nobody can have put another file there: a
// successor of the same name is safe. Who dies in between leaves a marked file;
// whoever meets it next finishes (clearRemoved).
func (r *Region) Remove(told func()) error {
	head(r.mem).removed.Store(1)
	crash.Point("remove.marked")
	if told != nil {
		told()
	}
	if r.dir == "" {
		return nil
	}
	d, err := openDir(r.dir, false)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unlink(d, r.f, r.id, entry(r.kind, r.name)); err != errBusy {
		return err
	}
	return nil // it is marked, and the other one ends what it began
}

// errBusy says that another process is about to unlink the same file.
var errBusy = errors.New("another process is removing it")

func unlink(d *directory, f *os.File, id sys.FileID, file string) error {
	ok, err := sys.LockToken(f, removeToken)
	if err != nil {
		return err
	}
	if !ok {
		return errBusy
	}
	defer func() { _ = sys.UnlockToken(f, removeToken) }()
	crash.Point("remove.locked")
	st, err := d.Lstat(file)
	if err != nil || st.ID != id {
		return nil // it is done already
	}
	if err := d.Unlink(file); err != nil {
		return fmt.Errorf("%w: remove it as the owner of %s", err, d.Path())
	}
	crash.Point("remove.unlinked")
	return nil
}

// clearRemoved finishes the removal of a marked file, and tells whether it did.
// Of a file that is not marked it keeps its hands off.
func clearRemoved(d *directory, file string) bool {
	f, err := d.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	st, err := sys.Fstat(f)
	if err != nil || d.checkFile(file, st) != nil || st.Size < HeaderSize {
		return false
	}
	mem, err := sys.Map(f, HeaderSize)
	if err != nil {
		return false
	}
	r := &Region{f: f, mem: mem}
	defer func() { _ = sys.Unmap(mem) }()
	if marked, err := r.marked(); err != nil || !marked {
		return false
	}
	return unlink(d, f, st.ID, file) == nil
}

func (r *Region) marked() (yes bool, err error) {
	defer r.Guard(Faults(), &err)
	return string(head(r.mem).magic[:]) == magic && r.Removed(), nil
}

// Discard removes a file that cannot be opened as a region.
func Discard(dir, name string, kind Kind) error {
	if err := CheckName(name); err != nil {
		return err
	}
	d, err := openDir(dir, false)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Unlink(entry(kind, name))
}
