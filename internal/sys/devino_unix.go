//go:build unix

package sys

import (
	"errors"
	"io/fs"
	"syscall"
)

// DeviceInode are the numbers of the file that info, from os.Stat, is about.
func DeviceInode(info fs.FileInfo) (dev, ino uint64, err error) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev), uint64(st.Ino), nil
	}
	return 0, 0, errors.ErrUnsupported
}
