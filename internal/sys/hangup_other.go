//go:build !linux

package sys

import (
	"errors"
	"os"
)

// Hangup is unsupported.
func Hangup(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }

// WaitHangup is unsupported.
func WaitHangup(*os.File) error { return errors.ErrUnsupported }
