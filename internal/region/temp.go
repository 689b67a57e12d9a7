package region

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// infant is the file of a region that has no name of its own yet. Where the
// file system has no O_TMPFILE it has a temporary name, and is at the mercy of
// whoever sweeps up what dead creators left. So its creator has its build token
// as long as it has that name:
//
//   - who sweeps takes the token of the very file that it is about to unlink;
//   - who creates takes the token, and then looks whether the name is still
//     there. If not, it begins again with another name.
//
// Whoever of the two is later gets no token, or finds no name.
type infant struct {
	f    *os.File
	temp string // "" if there is none
}

// unnamed makes a file without a name. Tests put one in its place that cannot.
var unnamed = (*sys.Dir).Temp

// newborn makes the file of a new region.
func newborn(d *directory) (infant, error) {
	f, err := unnamed(d.Dir, 0o600)
	if !errors.Is(err, errors.ErrUnsupported) {
		return infant{f: f}, err
	}
	for range sweptTries {
		n, err := named(d)
		if err != nil {
			return n, err
		}
		if n.claim(d) {
			sweep(d)
			return n, nil
		}
		_ = n.f.Close()
	}
	return infant{}, fmt.Errorf("%d new files in a row vanished from %s: something removes files there", sweptTries, d.Path())
}

// Who sweeps lists the directory once, when it creates something itself. To be
// swept once is rare; every time, is no accident.
const sweptTries = 10

const tempPrefix = ".isthmus-"

func named(d *directory) (infant, error) {
	temp := tempPrefix + rand.Text()
	f, err := d.Create(temp, 0o600)
	return infant{f, temp}, err
}

func isTemp(name string) bool {
	return strings.HasPrefix(name, tempPrefix) && len(name) == len(tempPrefix)+len(rand.Text())
}

// claim takes the build token, and tells whether the file is safe now.
func (n infant) claim(d *directory) bool {
	if ok, _ := sys.LockToken(n.f, buildToken); !ok {
		return false
	}
	st, err := sys.Fstat(n.f)
	return err == nil && d.is(n.temp, st.ID)
}

// link gives the file its name.
func (n infant) link(d *directory, name string) error {
	if n.temp == "" {
		return d.Link(n.f, name)
	}
	return d.LinkEntry(n.temp, name)
}

// drop ends the time in which the file has a temporary name.
func (n infant) drop(d *directory) {
	if n.temp != "" {
		_ = d.Unlink(n.temp)
		_ = sys.UnlockToken(n.f, buildToken)
	}
}

// sweep removes what creators who died left behind: this user's files with a
// temporary name, whose build token nobody has.
func sweep(d *directory) {
	names, _ := d.Names()
	for _, name := range names {
		if !isTemp(name) {
			continue
		}
		if f, err := d.Open(name); err == nil {
			sweepFile(d, f, name)
			_ = f.Close()
		}
	}
}

func sweepFile(d *directory, f *os.File, name string) {
	st, err := sys.Fstat(f)
	if uid, _ := sys.Credentials(); err != nil || !st.Regular || st.UID != uid {
		return
	}
	if ok, _ := sys.LockToken(f, buildToken); !ok {
		return
	}
	if d.is(name, st.ID) {
		_ = d.Unlink(name)
	}
	_ = sys.UnlockToken(f, buildToken)
}

// is tells whether a name means this very file.
func (d *directory) is(name string, id sys.FileID) bool {
	st, err := d.Lstat(name)
	return err == nil && st.ID == id
}
