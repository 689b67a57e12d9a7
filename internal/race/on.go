//go:build race

package race

import (
	"runtime"
	"unsafe"
)

var shadow = new(uint64)

// Acquire is called after shared state was taken.
func Acquire() { runtime.RaceAcquire(unsafe.Pointer(shadow)) }

// Release is called before shared state is published.
func Release() { runtime.RaceReleaseMerge(unsafe.Pointer(shadow)) }
