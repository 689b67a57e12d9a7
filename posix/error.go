package posix

import (
	"errors"
	"io/fs"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// What errors call the mechanisms.
const (
	queueMechanism     = "posix.Queue"
	memoryMechanism    = "posix.SharedMemory"
	semaphoreMechanism = "posix.Semaphore"
)

func wrap(op, mechanism, name string, err error) error {
	if err == nil {
		return nil
	}
	return &isthmus.Error{Op: op, Mechanism: mechanism, Name: name, Err: err}
}

// explained is an errno with what it means here and what to do about it, and
// with the sentinel of this module that it amounts to, if there is one.
type explained struct {
	text  string
	errno error
	is    error
}

func (e *explained) Error() string {
	if e.is != nil {
		return e.is.Error() + ": " + e.text
	}
	return e.errno.Error() + ": " + e.text
}

func (e *explained) Unwrap() []error {
	if e.is == nil {
		return []error{e.errno}
	}
	return []error{e.is, e.errno}
}

// also is an error that is both the sentinel, as which it reads, and the errno.
type also struct{ is, errno error }

func (e *also) Error() string   { return e.is.Error() }
func (e *also) Unwrap() []error { return []error{e.is, e.errno} }

// bare is the errno in a path's error: our own errors name the object.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
