//go:build !linux

package sys

import (
	"errors"
	"io/fs"
	"os"
)

// Dir is an open directory. There are none here.
type Dir struct{ path string }

// OpenDir is unsupported.
func OpenDir(path string) (*Dir, error) {
	return nil, &fs.PathError{Op: "open", Path: path, Err: errors.ErrUnsupported}
}

// Close is unsupported.
func (d *Dir) Close() error { return errors.ErrUnsupported }

// Path is the path that d was opened by.
func (d *Dir) Path() string { return d.path }

// Stat is unsupported.
func (d *Dir) Stat() (Stat, error) { return Stat{}, errors.ErrUnsupported }

// Lstat is unsupported.
func (d *Dir) Lstat(string) (Stat, error) { return Stat{}, errors.ErrUnsupported }

// Open is unsupported.
func (d *Dir) Open(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// Temp is unsupported.
func (d *Dir) Temp(fs.FileMode) (*os.File, error) { return nil, errors.ErrUnsupported }

// Create is unsupported.
func (d *Dir) Create(string, fs.FileMode) (*os.File, error) { return nil, errors.ErrUnsupported }

// Link is unsupported.
func (d *Dir) Link(*os.File, string) error { return errors.ErrUnsupported }

// LinkEntry is unsupported.
func (d *Dir) LinkEntry(_, _ string) error { return errors.ErrUnsupported }

// Unlink is unsupported.
func (d *Dir) Unlink(string) error { return errors.ErrUnsupported }

// Names is unsupported.
func (d *Dir) Names() ([]string, error) { return nil, errors.ErrUnsupported }

// Free is 0, twice.
func (d *Dir) Free() (free, size int64) { return 0, 0 }

// SetMode is unsupported.
func SetMode(*os.File, fs.FileMode, int) error { return errors.ErrUnsupported }
