package region

import (
	"fmt"
	"runtime/debug"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// Faults makes a memory fault in this goroutine a panic rather than the end of
// the process, and returns what it was before, for Guard or Unfault.
func Faults() bool { return debug.SetPanicOnFault(true) }

// Unfault ends what Faults began.
func Unfault(old bool) { debug.SetPanicOnFault(old) }

// Guard is deferred around every use of the mapping:
//
//	defer r.Guard(region.Faults(), &err)
//
// A fault within the mapping, which happens when somebody truncates the file,
// becomes an error. Any other panic goes on.
func (r *Region) Guard(old bool, err *error) {
	Unfault(old)
	if p := recover(); p != nil {
		*err = r.Fault(p)
	}
}

// Fault makes an error of a recovered panic if it was a fault within the
// mapping, and panics again if not.
func (r *Region) Fault(p any) error {
	if f, ok := p.(interface{ Addr() uintptr }); ok && r.within(f.Addr()) {
		return fmt.Errorf("%w: the file was truncated under its users", isthmus.ErrCorrupt)
	}
	panic(p)
}
