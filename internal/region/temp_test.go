//go:build linux

package region

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// withoutTmpfile makes all file systems lack O_TMPFILE until the test ends.
func withoutTmpfile(t *testing.T) {
	old := unnamed
	unnamed = noTmpfile
	t.Cleanup(func() { unnamed = old })
}

func noTmpfile(*sys.Dir, fs.FileMode) (*os.File, error) {
	return nil, &fs.PathError{Op: "create", Path: ".", Err: syscall.EOPNOTSUPP}
}

func opened(t *testing.T, dir string) *directory {
	t.Helper()
	d, err := openDir(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func holds(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("the directory holds %q, want %q", names, want)
	}
}

// TestSweptBetween has somebody sweep between each two steps of a creator.
func TestSweptBetween(t *testing.T) {
	dir := where(t)
	d := opened(t, dir)
	n, err := named(d)
	if err != nil {
		t.Fatal(err)
	}
	defer n.f.Close()
	sweep(d) // before it has the token: it is taken for a dead one's
	if holds(t, dir); n.claim(d) {
		t.Error("it was swept, and its creator does not notice")
	}
	n, err = named(d)
	if err != nil {
		t.Fatal(err)
	}
	defer n.f.Close()
	if !n.claim(d) {
		t.Fatal("there it is")
	}
	sweep(d)
	holds(t, dir, n.temp)
	if err := n.link(d, "mailbox.a"); err != nil {
		t.Fatal(err)
	}
	sweep(d) // it has two names
	holds(t, dir, n.temp, "mailbox.a")
	n.drop(d)
	sweep(d)
	holds(t, dir, "mailbox.a")

	// Who sweeps has the token, and not yet unlinked.
	n, err = named(d)
	if err != nil {
		t.Fatal(err)
	}
	defer n.f.Close()
	g, err := d.Open(n.temp)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if ok, err := sys.LockToken(g, buildToken); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if n.claim(d) {
		t.Error("it is about to be swept, and its creator does not notice")
	}
}

// TestCreatorsSweep has many create, and so sweep, at once.
func TestCreatorsSweep(t *testing.T) {
	withoutTmpfile(t)
	dir := where(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 100 {
				r, err := Create(dir, fmt.Sprint("r", i), small, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if err := r.Remove(nil); err != nil {
					t.Error(err)
				}
				r.Close()
			}
		})
	}
	all.Wait()
	holds(t, dir)
}

// TestRemovedWhileItsCreatorLives removes a region that had a temporary name.
func TestRemovedWhileItsCreatorLives(t *testing.T) {
	withoutTmpfile(t)
	dir := where(t)
	defer made(t, dir).Close()
	r, err := Open(dir, "a", Mailbox)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Remove(nil); err != nil {
		t.Error(err)
	}
	holds(t, dir)
}

// builder creates a region, and waits for a word in the middle of it.
func builder(args []string) error {
	unnamed = noTmpfile
	r, err := Create(args[0], args[1], small, func(*Region) error {
		fmt.Println("building")
		_, err := bufio.NewReader(os.Stdin).ReadString('\n')
		return err
	})
	if err != nil {
		return err
	}
	r.Close()
	return nil
}

// TestSweepTellsTheDead kills one creator, and stops another: only what the
// dead one left goes.
func TestSweepTellsTheDead(t *testing.T) {
	withoutTmpfile(t)
	dir := where(t)
	dead := proctest.Start(t, proctest.Options{}, "builder", dir, "dead")
	dead.Expect("building")
	alive := proctest.Start(t, proctest.Options{}, "builder", dir, "alive")
	alive.Expect("building")
	alive.Signal(syscall.SIGSTOP)
	alive.Stopped()
	dead.Kill()
	if err := made(t, dir).Remove(nil); err != nil {
		t.Fatal(err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 || !isTemp(names[0].Name()) {
		t.Errorf("there is %v (%v), want the living one's file only", names, err)
	}
	alive.Signal(syscall.SIGCONT)
	alive.Say("")
	alive.Wait()
	holds(t, dir, "mailbox.alive")
}

// TestSweepLeavesOthersAlone has files in the directory that are not ours, with
// names much like ours.
func TestSweepLeavesOthersAlone(t *testing.T) {
	withoutTmpfile(t)
	dir := where(t)
	name := func(last string) string { return dir + "/" + tempPrefix + rand.Text()[:25] + last }
	err := errors.Join(
		os.WriteFile(dir+"/.isthmus-notes", nil, 0o600),
		os.WriteFile(dir+"/.tmp-"+rand.Text(), nil, 0o600),
		os.Mkdir(name("A"), 0o700),
		syscall.Mkfifo(name("B"), 0o600),
		os.Symlink(dir+"/.isthmus-notes", name("C")),
	)
	kept := 5
	if os.Geteuid() == 0 { // another user's needs root to make
		theirs := name("E")
		err = errors.Join(err, os.WriteFile(theirs, nil, 0o666), os.Chown(theirs, 12345, -1))
		kept++
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name("F"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := made(t, dir).Remove(nil); err != nil {
		t.Fatal(err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != kept {
		t.Errorf("there are %v (%v), want %d", names, err, kept)
	}
}
