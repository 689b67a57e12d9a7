//go:build !unix

package sys

import (
	"errors"
	"io/fs"
)

// DeviceInode is unsupported.
func DeviceInode(fs.FileInfo) (dev, ino uint64, err error) { return 0, 0, errors.ErrUnsupported }
