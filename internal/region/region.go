// Package region is the shared memory under every object: a file that several
// processes map, created so that nobody ever sees it half-built, checked when
// it is opened, removed without touching a successor of the same name.
//
// With internal/sys and internal/wait it is the only place that uses unsafe.
package region

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/crash"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Region is a mapped file. Its bytes belong to all processes that map it.
type Region struct {
	f    *os.File
	mem  []byte
	id   sys.FileID
	geo  Geometry
	kind Kind
	dir  string // "" for an anonymous region
	name string

	removing sync.Mutex // a token tells descriptions apart, not goroutines
}

// Spec describes a region to create.
type Spec struct {
	Kind     Kind
	Size     int64 // of the file and the mapping, in bytes
	Reserve  int64 // the first Reserve bytes get memory now
	Geometry [14]uint64
	Mode     fs.FileMode // 0: 0600
	Group    int         // a group's number; 0: leave it
}

// tokens of the region's file; participants' are from participantToken on.
const (
	removeToken      = 0
	buildToken       = 1
	participantToken = 16
)

// Create makes a region under a name. It is an fs.ErrExist if there is one.
// Until it returns nobody sees the region; init runs before that.
func Create(dir, name string, spec Spec, init func(*Region) error) (*Region, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	d, err := openDir(dir, true)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	file := entry(spec.Kind, name)
	crash.Point("create.begin")
	n, err := newborn(d)
	if err != nil {
		return nil, explainDir(d.Path(), err)
	}
	crash.Point("create.file")
	r, err := build(n.f, spec, func() error { return explainSpace(d, spec) }, init)
	if err != nil {
		n.drop(d)
		_ = n.f.Close()
		return nil, err
	}
	r.dir, r.name = d.Path(), name
	crash.Point("create.built")
	err = publish(d, r, n, file, spec)
	n.drop(d)
	if err != nil {
		r.Close()
		return nil, err
	}
	crash.Point("create.linked")
	return r, nil
}

// publish gives r its name. One that a removed region still has is taken away
// first, or its remover is waited for: for who creates, it is not there.
func publish(d *directory, r *Region, n infant, file string, spec Spec) error {
	mode, gid := spec.Mode.Perm(), spec.Group
	if mode == 0 {
		mode = 0o600
	}
	if gid == 0 {
		gid = -1
	}
	if err := sys.SetMode(r.f, mode, gid); err != nil {
		if gid >= 0 {
			return fmt.Errorf("mode %04o, group %d: %w: you can give a file to a group that you are a member of", mode, gid, err)
		}
		return fmt.Errorf("mode %04o: %w", mode, err)
	}
	for until := time.Now().Add(Patience); ; { // once round for each removed region that had the name
		err := n.link(d, file)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		if cleared, e := clearRemoved(d, file, until); e != nil {
			return e
		} else if !cleared || time.Now().After(until) {
			return err
		}
	}
}

// build gives f its size, memory and header.
func build(f *os.File, spec Spec, noSpace func() error, init func(*Region) error) (*Region, error) {
	if err := sys.Truncate(f, spec.Size); err != nil {
		return nil, err
	}
	if err := affordable(f, spec.Reserve); err != nil {
		return nil, err
	}
	if err := sys.Reserve(f, 0, spec.Reserve); err != nil {
		if sys.IsNoSpace(err) {
			return nil, fmt.Errorf("%w: %w", noSpace(), err)
		}
		return nil, err
	}
	crash.Point("create.reserved")
	r, err := mapped(f, spec.Kind, spec.Size)
	if err != nil {
		return nil, err
	}
	if err := r.fill(spec, init); err != nil {
		_ = sys.Unmap(r.mem)
		return nil, err
	}
	return r, nil
}

// fill writes a new region. Where it has a temporary name there may be somebody
// who truncates it.
func (r *Region) fill(spec Spec, init func(*Region) error) (err error) {
	defer r.Guard(Faults(), &err)
	h := head(r.mem)
	copy(h.magic[:], magic)
	h.order, h.major, h.minor = byteOrder, Major, Minor
	h.kind, h.size = uint32(spec.Kind), uint64(spec.Size)
	h.created, h.creator = time.Now().UnixNano(), uint32(os.Getpid())
	h.geometry = spec.Geometry
	h.sum = sum(r.mem)
	r.geo = Geometry{spec.Size, h.created, int(h.creator), spec.Geometry}
	if init != nil {
		return init(r)
	}
	return nil
}

func mapped(f *os.File, kind Kind, size int64) (*Region, error) {
	if size < HeaderSize || size != int64(int(size)) {
		return nil, fmt.Errorf("%w: a region of %d bytes cannot be mapped on this machine", fs.ErrInvalid, size)
	}
	st, err := sys.Fstat(f)
	if err != nil {
		return nil, err
	}
	mem, err := newMapping(f, int(size))
	if err != nil {
		return nil, err
	}
	return &Region{f: f, mem: mem, id: st.ID, kind: kind}, nil
}

// ErrNoSpace is returned when the file system cannot hold what was asked for.
var ErrNoSpace = errors.New("no space")

func explainSpace(d *directory, spec Spec) error {
	free, _ := d.Free()
	return fmt.Errorf("%w: %s do not fit in %s (%s free): set %s to a larger file system, or ask for less (Capacity, MaxMessage, Memory)",
		ErrNoSpace, Bytes(spec.Reserve), d.Path(), Bytes(free), EnvDir)
}

// affordable is an error if f would take more memory than there is. The kernel
// would hand out what it has, and then kill processes, not necessarily this one.
func affordable(f *os.File, n int64) error {
	if n < largeReserve || !sys.InMemory(f) {
		return nil
	}
	there, whose := sys.Available()
	if there < 0 || n <= there-there/16 { // an estimate, and others need some, too
		return nil
	}
	return fmt.Errorf("%w: %s do not fit in memory (%s available, by the limit of %s): ask for less (Capacity, MaxMessage, Memory)",
		ErrNoSpace, Bytes(n), Bytes(there), whose)
}

// largeReserve is so much that to look costs little in comparison.
const largeReserve = 16 << 20

// Bytes writes a number of bytes for people.
func Bytes(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// Open opens the region of a kind and name. It is an fs.ErrNotExist if there
// is none.
func Open(dir, name string, kind Kind) (*Region, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	d, err := openDir(dir, false)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	file := entry(kind, name)
	f, err := d.Open(file)
	if err != nil {
		return nil, explainOpen(d, file, err)
	}
	r, err := open(d, f, file, kind)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	r.dir, r.name = d.Path(), name
	removed, err := r.gone()
	if err == nil && removed { // or somebody is half-way through removing it, or died there
		if err = settle(d, f, r.id, file, time.Now().Add(Patience)); err == nil {
			err = &fs.PathError{Op: "open", Path: d.Path() + "/" + file, Err: fs.ErrNotExist}
		}
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// gone is Removed where nobody guards against a fault.
func (r *Region) gone() (yes bool, err error) {
	defer r.Guard(Faults(), &err)
	return r.Removed(), nil
}

func open(d *directory, f *os.File, file string, kind Kind) (*Region, error) {
	st, err := sys.Fstat(f)
	if err != nil {
		return nil, err
	}
	if err := d.checkFile(file, st); err != nil {
		return nil, err
	}
	return attach(f, st, kind)
}

// attach maps f and checks its header.
func attach(f *os.File, st sys.Stat, kind Kind) (r *Region, err error) {
	if st.Size < HeaderSize {
		return nil, fmt.Errorf("%w: the file has %d bytes: it is no region of Isthmus, or was truncated: remove it", isthmus.ErrCorrupt, st.Size)
	}
	if st.Size > maxSize {
		return nil, fmt.Errorf("%w: the file has %d bytes", isthmus.ErrCorrupt, st.Size)
	}
	r, err = mapped(f, kind, st.Size)
	if err != nil {
		return nil, err
	}
	if err := r.readHeader(st.Size); err != nil {
		_ = sys.Unmap(r.mem)
		return nil, err
	}
	return r, nil
}

// maxSize is the largest region that Isthmus maps.
const maxSize = 1 << 45

func (r *Region) readHeader(size int64) (err error) {
	defer r.Guard(Faults(), &err)
	r.geo, err = check(r.mem, size, r.kind)
	return err
}

func explainOpen(d *directory, file string, err error) error {
	path := d.Path() + "/" + file
	switch {
	case errors.Is(err, syscall.ELOOP):
		return fmt.Errorf("%s is %w: it is a symbolic link: remove it", path, ErrUntrusted)
	case errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("%s is %w: it is not a regular file: remove it", path, ErrUntrusted)
	case sys.IsNoFiles(err):
		return explainFiles(err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: to use it takes the right to read and write it: ask its owner for a mode or a group that gives you that", err)
	}
	return err
}

// Anonymous makes a region without a name: a memfd that cannot be resized,
// gone with its last user.
func Anonymous(label string, spec Spec, init func(*Region) error) (*Region, error) {
	f, err := sys.Memfd(label)
	if err != nil {
		if sys.IsNoFiles(err) {
			err = explainFiles(err)
		}
		return nil, err
	}
	r, err := build(f, spec, func() error {
		return fmt.Errorf("%w: %s do not fit in memory: ask for less (Capacity, MaxMessage, Memory)", ErrNoSpace, Bytes(spec.Reserve))
	}, init)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	if err := sys.Seal(f); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// FromFile opens the region behind f, which Anonymous made, perhaps in another
// process. The caller keeps f.
func FromFile(f *os.File, kind Kind) (*Region, error) {
	if _, err := sys.Fstat(f); err != nil {
		return nil, err
	}
	if !sys.Sealed(f) { // asked first: to open what is no memory may have effects
		return nil, fmt.Errorf("%w: its size is not sealed, so it is not an anonymous region of Isthmus", ErrUntrusted)
	}
	g, err := sys.Reopen(f)
	if sys.IsNoFiles(err) {
		err = explainFiles(err)
	}
	if err != nil {
		return nil, err
	}
	st, err := sys.Fstat(g)
	var r *Region
	if err == nil {
		r, err = attach(g, st, kind)
	}
	if err != nil {
		_ = g.Close()
		return nil, err
	}
	return r, nil
}

// Close unmaps the region and closes its file, which gives up every token.
func (r *Region) Close() {
	_ = sys.UnlockAll(r.f) // a child that is being started may have the description, too
	mem := r.mem
	r.mem = nil
	_ = sys.Unmap(mem)
	_ = r.f.Close()
}

// Geometry is the private copy of the header, taken when r was opened.
func (r *Region) Geometry() Geometry { return r.geo }

// ID tells this region from all others, those of the same name included.
func (r *Region) ID() sys.FileID { return r.id }

// Name is the region's name, "" if it is anonymous.
func (r *Region) Name() string { return r.name }

// Kind is what the region holds.
func (r *Region) Kind() Kind { return r.kind }

// Dir is the directory of a named region.
func (r *Region) Dir() string { return r.dir }

// File is the region's file. The region keeps it.
func (r *Region) File() *os.File { return r.f }

// Blocks is how many bytes of the region have memory behind them.
func (r *Region) Blocks() int64 {
	st, _ := sys.Fstat(r.f)
	return st.Blocks
}

// Removed tells whether the region was marked as removed.
func (r *Region) Removed() bool { return head(r.mem).removed.Load() != 0 }

// RemovedWord is where Removed looks: not 0 if the region was removed.
func (r *Region) RemovedWord() *atomic.Uint32 { return &head(r.mem).removed }

// Intact asks the kernel whether a named region still has its name, and all its
// bytes: whoever uses rm instead of Remove does not mark it.
func (r *Region) Intact() error {
	st, err := sys.Fstat(r.f)
	switch {
	case err != nil:
		return nil // closed: that is told elsewhere
	case r.dir != "" && st.Links == 0:
		return isthmus.ErrRemoved
	case st.Size < r.geo.Size:
		return fmt.Errorf("%w: the file was truncated under its users", isthmus.ErrCorrupt)
	}
	return nil
}
