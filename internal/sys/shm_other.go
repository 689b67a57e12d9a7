//go:build !linux

package sys

import (
	"errors"
	"os"
)

// OpenShm is unsupported.
func OpenShm(string, ShmOpening) (*os.File, error) { return nil, errors.ErrUnsupported }

// MapShm is unsupported.
func MapShm(*os.File, int64, int, bool) ([]byte, error) { return nil, errors.ErrUnsupported }

// Duplicate is unsupported.
func Duplicate(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }
