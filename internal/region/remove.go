package region

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/crash"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Removal, in this order: take the remove token of the very file that has the
// name; mark the file; see that the name still means it, and unlink; give the
// token back; tell all who have the region open.
//
// Only who holds the token of the file that a name means unlinks it. So nobody
// can have put another file there in between: a successor of the same name is
// safe. And a marked file is somebody's work as long as its token is taken.
// When it is free that one is dead, or may not unlink: then whoever meets the
// file next finishes (settle).
//
// Until the name is gone or free, the object is neither there nor not there.
// Who wants to know waits until the kernel gives the token up, but not for one
// who was stopped with it.

// Patience is how long. A remover needs microseconds. (Tests that stop removers
// have more, since other processes must come meanwhile.)
var Patience = time.Second

// Remove takes the region's name away, and marks the region, so that all who
// have it open can be told; told does that.
func (r *Region) Remove(told func()) error {
	r.removing.Lock()
	defer r.removing.Unlock()
	if r.dir == "" {
		return r.mark(told)
	}
	file, until := entry(r.kind, r.name), time.Now().Add(Patience)
	d, err := openDir(r.dir, false)
	if err == nil {
		defer d.Close()
		err = unlink(d, r.f, r.id, file, r)
	}
	// Whatever became of the name: it is removed, and they must know. There is
	// nobody to tell, and nothing to mark, in a file that was truncated.
	_ = r.mark(told)
	if err == errBusy {
		err = settle(d, r.f, r.id, file, until)
	}
	return err
}

// mark marks r as removed, and tells of it.
func (r *Region) mark(told func()) (err error) {
	defer r.Guard(Faults(), &err)
	head(r.mem).removed.Store(1)
	if told != nil {
		told()
	}
	return nil
}

// errBusy says that another process is about to unlink the same file.
var errBusy = errors.New("another process is removing it")

// unlink takes the name file away if it means f. If f is not marked yet it is
// marked through r.
func unlink(d *directory, f *os.File, id sys.FileID, file string, r *Region) error {
	ok, err := sys.LockToken(f, removeToken)
	if err != nil {
		return err
	}
	if !ok {
		return errBusy
	}
	defer func() { _ = sys.UnlockToken(f, removeToken) }()
	crash.Point("remove.locked")
	if r != nil {
		_ = r.mark(nil)
		crash.Point("remove.marked")
	}
	st, err := d.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && st.ID != id {
		return nil // it is done already
	}
	if err == nil {
		err = d.Unlink(file)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // somebody used rm
		return fmt.Errorf("%s/%s was removed, but its name is still there: %w: remove it as its owner", d.Path(), file, err)
	}
	crash.Point("remove.unlinked")
	return nil
}

// settle sees to it that the name file does not mean f, a marked file, any
// more: by taking it away, or by waiting for who is about to.
func settle(d *directory, f *os.File, id sys.FileID, file string, until time.Time) error {
	for {
		err := unlink(d, f, id, file, nil)
		if err != errBusy {
			return err
		}
		if err := released(f, id, until); err != nil {
			return fmt.Errorf("%s/%s was removed, but its name is still there: %w", d.Path(), file, err)
		}
	}
}

var (
	errStopped = errors.New("a process that was stopped while it removed it holds it: continue that process, or kill it, and try again")
	errWaiters = fmt.Errorf("this process waits for %d others already that were stopped while they removed something: continue them, or kill them, and try again", maxReleases)
)

// release is the end, awaited, of another's hold on a remove token.
type release struct {
	done chan struct{}
	err  error // once done
}

// releases are those that this process waits for. A wait in the kernel cannot
// be broken off, and keeps a thread; one who is stopped for ever must not cost
// a thread for each who waited a while. So there is one for a file, and not
// many in all. One that is given up goes on until the token is free.
var releases = struct {
	sync.Mutex
	m map[sys.FileID]*release
}{m: map[sys.FileID]*release{}}

const maxReleases = 8

// released waits until whoever has f's remove token gives it up: it says so, or
// ends, however that comes.
func released(f *os.File, id sys.FileID, until time.Time) error {
	w, err := awaited(f, id)
	if err != nil {
		return err
	}
	bound := time.NewTimer(time.Until(until))
	defer bound.Stop()
	select {
	case <-w.done:
		return w.err
	case <-bound.C:
		return errStopped
	}
}

func awaited(f *os.File, id sys.FileID) (*release, error) {
	releases.Lock()
	defer releases.Unlock()
	if w := releases.m[id]; w != nil {
		return w, nil
	}
	if len(releases.m) >= maxReleases {
		return nil, errWaiters
	}
	g, err := sys.Reopen(f) // a description of its own: f is closed when its owner has waited long enough
	if err != nil {
		if sys.IsNoFiles(err) {
			err = explainFiles(err)
		}
		return nil, err
	}
	w := &release{done: make(chan struct{})}
	releases.m[id] = w
	go w.await(g, id)
	return w, nil
}

// await wakes those who wait for the token, and lets go of it: each of them
// tries anew, and the first one finishes.
func (w *release) await(g *os.File, id sys.FileID) {
	w.err = sys.AwaitToken(g, removeToken)
	_ = sys.UnlockToken(g, removeToken)
	_ = g.Close()
	releases.Lock()
	delete(releases.m, id)
	releases.Unlock()
	close(w.done)
}

// clearRemoved takes the name file from a marked file, and tells whether it was
// one. Of anything else it keeps its hands off.
func clearRemoved(d *directory, file string, until time.Time) (bool, error) {
	f, err := d.Open(file)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist), nil
	}
	defer f.Close()
	st, err := sys.Fstat(f)
	if err != nil || d.checkFile(file, st) != nil || st.Size < HeaderSize {
		return false, nil
	}
	mem, err := sys.Map(f, HeaderSize)
	if err != nil {
		return false, nil
	}
	r := &Region{f: f, mem: mem}
	marked, err := r.marked()
	_ = sys.Unmap(mem)
	if err != nil || !marked {
		return false, nil
	}
	err = settle(d, f, st.ID, file, until)
	return err == nil, err
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
	file := entry(kind, name)
	f, err := d.Open(file)
	if err != nil {
		return explainOpen(d, file, err)
	}
	defer f.Close()
	st, err := sys.Fstat(f)
	if err != nil {
		return err
	}
	if err := d.checkFile(file, st); err != nil {
		return err
	}
	// It may be another file by now, and a good one: then the bad one is gone.
	switch r, err := attach(f, st, kind); {
	case err == nil:
		return sys.Unmap(r.mem)
	case !errors.Is(err, isthmus.ErrCorrupt) && !errors.Is(err, ErrVersion):
		return err
	}
	return settle(d, f, st.ID, file, time.Now().Add(Patience))
}
