//go:build linux

package region

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// halfRemoved is a region that somebody is removing: it is marked, and its
// token is taken, until end is called.
func halfRemoved(t *testing.T, dir, name string) (r *Region, end func()) {
	t.Helper()
	r, err := Create(dir, name, small, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if ok, err := sys.LockToken(r.f, removeToken); !ok || err != nil {
		t.Fatal(ok, err)
	}
	head(r.mem).removed.Store(1)
	return r, func() {
		if err := sys.UnlockToken(r.f, removeToken); err != nil {
			t.Error(err)
		}
	}
}

func waits(t *testing.T, n int) {
	t.Helper()
	proctest.Eventually(t, 10*time.Second, fmt.Sprintf("%d wait for the token", n), func() bool {
		return inCall("region.released") == n && (n == 0) == (inCall("sys.AwaitToken") == 0)
	})
}

// TestRemovalUnderWay opens and creates a region while somebody removes it: who
// comes waits for that one, and no longer. Whether it unlinks the name itself or
// gives up, the name is free then.
func TestRemovalUnderWay(t *testing.T) {
	for name, end := range map[string]func(path string) error{
		"finished":  os.Remove,
		"abandoned": func(string) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir := where(t)
			_, release := halfRemoved(t, dir, "a")
			opened, created := make(chan error, 2), make(chan error, 2)
			for range 2 {
				go func() {
					r, err := Open(dir, "a", Mailbox)
					if err == nil { // a successor
						r.Close()
					}
					opened <- err
				}()
				go func() {
					r, err := Create(dir, "a", small, nil)
					if err == nil {
						r.Close()
					}
					created <- err
				}()
			}
			waits(t, 4)
			if err := end(dir + "/mailbox.a"); err != nil {
				t.Fatal(err)
			}
			release()
			for range 2 {
				if err := <-opened; err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Error("open:", err)
				}
			}
			if a, b := <-created, <-created; (a == nil) == (b == nil) || !errors.Is(errors.Join(a, b), fs.ErrExist) {
				t.Errorf("of two who create it, one should: %v, %v", a, b)
			}
			waits(t, 0)
		})
	}
}

// TestStuckRemovals has removers who are stopped for ever. Whoever meets one
// gets an error that says so; threads and descriptors are used up for a few of
// them only, and come back when they end.
func TestStuckRemovals(t *testing.T) {
	const stuck, each = maxReleases + 4, 5
	dir, before := where(t), files(t)
	var ends []func()
	var regions []*Region
	for i := range stuck {
		r, end := halfRemoved(t, dir, fmt.Sprint(i))
		regions, ends = append(regions, r), append(ends, end)
	}
	held := files(t)
	var all sync.WaitGroup
	for i := range stuck * each {
		all.Go(func() {
			name := fmt.Sprint(i % stuck)
			_, err := Open(dir, name, Mailbox)
			if i%2 == 0 {
				_, err = Create(dir, name, small, nil)
			}
			if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) ||
				!strings.Contains(err.Error(), "its name is still there") || !strings.Contains(err.Error(), "stopped") || !strings.Contains(err.Error(), "kill") {
				t.Errorf("%v: it should be neither there nor not there, and say why", err)
			}
		})
	}
	all.Wait()
	if n := inCall("sys.AwaitToken"); n != maxReleases {
		t.Errorf("%d threads wait, want %d", n, maxReleases)
	}
	if n := files(t) - held; n > maxReleases {
		t.Errorf("%d descriptors more than before, want %d at most", n, maxReleases)
	}
	for i, end := range ends {
		end()
		regions[i].Close()
	}
	waits(t, 0)
	if n := files(t); n > before {
		t.Errorf("%d descriptors, and %d before", n, before)
	}
	for i := range stuck {
		if _, err := Open(dir, fmt.Sprint(i), Mailbox); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after that: %v", err)
		}
	}
}

// TestRemoveTwiceAtOnce removes one region through one handle, and another, in
// many goroutines, while the name is taken anew: nobody removes a successor.
func TestRemoveTwiceAtOnce(t *testing.T) {
	dir := where(t)
	for range 200 {
		old := made(t, dir)
		other, err := Open(dir, "a", Mailbox)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				if err := []*Region{old, old, other}[i%3].Remove(nil); err != nil {
					t.Error(err)
				}
			})
		}
		next, err := Create(dir, "a", small, nil)
		for errors.Is(err, fs.ErrExist) { // nobody has marked it yet
			next, err = Create(dir, "a", small, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		all.Wait()
		if next.Intact() != nil || next.Removed() {
			t.Fatal("the successor was removed")
		}
		if err := next.Remove(nil); err != nil {
			t.Fatal(err)
		}
		for _, r := range []*Region{old, other, next} {
			r.Close()
		}
	}
}

// TestRemoveTruncated removes a region that was truncated since it was opened:
// there is nothing to mark, and nobody to tell, but the name goes.
func TestRemoveTruncated(t *testing.T) {
	for _, size := range []int64{0, 1, HeaderSize - 1} {
		dir := where(t)
		r := made(t, dir)
		defer r.Close()
		if err := os.Truncate(dir+"/mailbox.a", size); err != nil {
			t.Fatal(err)
		}
		if err := r.Remove(func() { _ = r.mem[HeaderSize] }); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
			t.Errorf("%d bytes: left behind: %v, %v", size, names, err)
		}
	}
}

// TestDiscard removes what cannot be opened, and nothing else.
func TestDiscard(t *testing.T) {
	dir := where(t)
	path := dir + "/mailbox.a"
	for size := range int64(HeaderSize) {
		if size > 8 && size < HeaderSize-8 {
			continue
		}
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, size)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, "a", Mailbox); !errors.Is(err, isthmus.ErrCorrupt) {
			t.Errorf("a file of %d bytes: %v", size, err)
		}
		if _, err := Create(dir, "a", small, nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a file of %d bytes: %v", size, err)
		}
		if err := Discard(dir, "a", Mailbox); err != nil {
			t.Errorf("a file of %d bytes: %v", size, err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file of %d bytes is still there", size)
		}
	}
	if err := Discard(dir, "a", Mailbox); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	// Somebody replaced what could not be opened by what can.
	good := made(t, dir)
	defer good.Close()
	if err := Discard(dir, "a", Mailbox); err != nil || good.Intact() != nil || good.Removed() {
		t.Errorf("a good one: %v, still there: %t", err, good.Intact() == nil)
	}
}

// TestHardLinks gives a region's file another region's name. It is what its
// header says it is, under any name; to remove one name leaves the other.
func TestHardLinks(t *testing.T) {
	dir := where(t)
	r := made(t, dir)
	defer r.Close()
	for _, name := range []string{"/mailbox.b", "/process.a"} {
		if err := os.Link(dir+"/mailbox.a", dir+name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(dir, "a", Inbox); !errors.Is(err, isthmus.ErrCorrupt) {
		t.Errorf("a mailbox as an inbox: %v", err)
	}
	b, err := Open(dir, "b", Mailbox)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Remove(nil); err != nil {
		t.Error(err)
	}
	if _, err := Open(dir, "a", Mailbox); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was marked, under both names: %v", err)
	}
}
