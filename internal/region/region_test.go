//go:build linux

package region

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
)

var small = Spec{Kind: Mailbox, Size: 8192, Reserve: 8192}

// where is a directory for regions, on a tmpfs.
func where(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "isthmus-region-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func made(t *testing.T, dir string) *Region {
	t.Helper()
	r, err := Create(dir, "a", small, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCreateFailsWhole(t *testing.T) {
	dir, broken := where(t), errors.New("broken")
	for _, c := range []struct {
		spec Spec
		init func(*Region) error
		is   error
	}{
		{small, func(*Region) error { return broken }, broken},
		{Spec{Kind: Mailbox, Size: -1}, nil, nil},
		{Spec{Kind: Mailbox, Size: 1 << 62, Reserve: 1 << 62}, nil, nil},
	} {
		_, err := Create(dir, "a", c.spec, c.init)
		if err == nil || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%+v: %v", c.spec, err)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
			t.Errorf("left behind: %v, %v", names, err)
		}
	}
}

// TestOneCreates has many create the same name at once.
func TestOneCreates(t *testing.T) {
	dir := where(t)
	for range 50 {
		var won atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				r, err := Create(dir, "a", small, nil)
				if err == nil {
					won.Add(1)
					r.Close()
				} else if !errors.Is(err, fs.ErrExist) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d created it", won.Load())
		}
		r, err := Open(dir, "a", Mailbox)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Remove(nil); err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
}

// TestSuccessor removes an old region of a name that a new one has.
func TestSuccessor(t *testing.T) {
	dir := where(t)
	old := made(t, dir)
	defer old.Close()
	if err := os.Remove(dir + "/mailbox.a"); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(old.Intact(), isthmus.ErrRemoved) {
		t.Error("the old one seems to have its name")
	}
	next := made(t, dir)
	defer next.Close()
	if err := old.Remove(nil); err != nil {
		t.Error(err)
	}
	if next.Intact() != nil || next.Removed() || next.ID() == old.ID() {
		t.Error("the successor was touched")
	}
}

// TestFinishedByOthers leaves a marked file behind, as one does who dies while
// it removes it: for all others it is not there.
func TestFinishedByOthers(t *testing.T) {
	for name, next := range map[string]func(dir string) error{
		"open": func(dir string) error {
			if _, err := Open(dir, "a", Mailbox); !errors.Is(err, fs.ErrNotExist) {
				return errors.New("it was opened")
			}
			return nil
		},
		"create": func(dir string) error {
			r, err := Create(dir, "a", small, nil)
			if err != nil {
				return err
			}
			return r.Remove(nil)
		},
	} {
		dir := where(t)
		r := made(t, dir)
		head(r.mem).removed.Store(1)
		r.Close()
		if err := next(dir); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
			t.Errorf("%s: left behind: %v, %v", name, names, err)
		}
	}
}

// TestTokens proves that a place is given up with the handle, though its
// mapping stays until nobody can reach it.
func TestTokens(t *testing.T) {
	dir := where(t)
	a := made(t, dir)
	defer a.Close()
	for name, end := range map[string]func(*Region){"close": (*Region).Close, "leave": (*Region).Leave} {
		b, err := Open(dir, "a", Mailbox)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if ok, err := b.Take(i); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if ok, _ := a.Take(i); ok || !a.Held(i) {
				t.Errorf("token %d is free while another handle has it", i)
			}
		}
		b.Give(1)
		if a.Held(1) {
			t.Error("it was given back")
		}
		end(b)
		for i := range 3 {
			if a.Held(i) {
				t.Errorf("%s: token %d is still taken", name, i)
			}
		}
	}
}

// TestFaultsAreOurs turns faults within the mapping into errors, and no others.
func TestFaultsAreOurs(t *testing.T) {
	dir := where(t)
	r := made(t, dir)
	defer r.Close()
	if err := os.Truncate(dir+"/mailbox.a", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := r.gone(); !errors.Is(err, isthmus.ErrCorrupt) || !errors.Is(r.Intact(), isthmus.ErrCorrupt) {
		t.Errorf("a truncated region: %v", err)
	}
	guarded := func(fn func()) (err error) {
		defer r.Guard(Faults(), &err)
		fn()
		return nil
	}
	defer func() {
		if p := recover(); p == nil || !strings.Contains(p.(error).Error(), "index out of range") {
			t.Errorf("the panic was %v", p)
		}
	}()
	_ = guarded(func() { _ = small.Geometry[len(dir)] })
}

func TestAnonymousIsSealed(t *testing.T) {
	r, err := Anonymous("test", small, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, size := range []int64{0, 4096, 1 << 20} {
		if err := r.f.Truncate(size); err == nil {
			t.Errorf("it was made %d bytes long", size)
		}
	}
	s, err := FromFile(r.f, Mailbox)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.ID() != r.ID() {
		t.Error("it is another one")
	}
	f, err := os.Create(where(t) + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := FromFile(f, Mailbox); !errors.Is(err, ErrUntrusted) {
		t.Errorf("a file that can be truncated: %v", err)
	}
}

// TestMoreThanMemory asks for more memory than any machine has. The machine
// must not be asked for it.
func TestMoreThanMemory(t *testing.T) {
	before, dir := files(t), where(t)
	spec := Spec{Kind: Mailbox, Size: maxSize, Reserve: maxSize}
	for name, create := range map[string]func() (*Region, error){
		"anonymous": func() (*Region, error) { return Anonymous("large", spec, nil) },
		"named":     func() (*Region, error) { return Create(dir, "a", spec, nil) },
	} {
		_, err := create()
		if !errors.Is(err, ErrNoSpace) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, say := range []string{Bytes(maxSize), "available", "Capacity", "Memory"} {
			if !strings.Contains(err.Error(), say) {
				t.Errorf("%s: %q does not say %q", name, err, say)
			}
		}
	}
	holds(t, dir)
	if n := files(t); n > before {
		t.Errorf("%d descriptors, and %d before", n, before)
	}
}
