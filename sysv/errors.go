package sysv

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// ErrWouldWait is returned by TryOperate when the operations would have to wait.
var ErrWouldWait = errors.New("would have to wait")

var (
	errNoObject = fmt.Errorf("no such object: %w", fs.ErrNotExist)
	errPrivate  = fmt.Errorf("%w: a private object has no key: open it by its ID", syscall.EINVAL)
)
