package isthmustest

import (
	"context"
	"errors"
	"io/fs"
	"os"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// conditions are the errors that a check may ask for, by name.
var conditions = map[string]error{
	"ErrFull":                isthmus.ErrFull,
	"ErrEmpty":               isthmus.ErrEmpty,
	"ErrClosed":              isthmus.ErrClosed,
	"ErrTooLarge":            isthmus.ErrTooLarge,
	"ErrPeerDied":            isthmus.ErrPeerDied,
	"ErrCorrupt":             isthmus.ErrCorrupt,
	"fs.ErrNotExist":         fs.ErrNotExist,
	"ErrUnsupported":         errors.ErrUnsupported,
	"Canceled":               context.Canceled,
	"DeadlineExceeded":       context.DeadlineExceeded,
	"os.ErrDeadlineExceeded": os.ErrDeadlineExceeded,
}

// failure is an error on its way between processes: what errors.Is and
// errors.As would have said about it over there.
type failure struct {
	Text string
	Is   []string
	// the *isthmus.Error in it, if there is one
	Own                 bool
	Op, Mechanism, Name string
	Cause               string
}

func describe(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Text: err.Error()}
	for name, target := range conditions {
		if errors.Is(err, target) {
			f.Is = append(f.Is, name)
		}
	}
	var e *isthmus.Error
	if errors.As(err, &e) {
		f.Own, f.Op, f.Mechanism, f.Name, f.Cause = true, e.Op, e.Mechanism, e.Name, e.Err.Error()
	}
	return f
}

// foreign is the error of a call in another process.
type foreign struct{ f *failure }

func (e foreign) Error() string {
	if e.f.Own {
		return e.f.Cause
	}
	return e.f.Text
}

func (e foreign) Is(target error) bool {
	for _, name := range e.f.Is {
		if conditions[name] == target {
			return true
		}
	}
	return false
}

func (f *failure) error() error {
	switch {
	case f == nil:
		return nil
	case f.Own:
		return &isthmus.Error{Op: f.Op, Mechanism: f.Mechanism, Name: f.Name, Err: foreign{f}}
	}
	return foreign{f}
}
