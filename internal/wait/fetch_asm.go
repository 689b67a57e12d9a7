//go:build amd64 || arm64

package wait

import (
	"sync/atomic"
	"unsafe"
)

//go:noescape
func fetch(p *uint64)

// Fetch asks for the two cache lines at p, to write to them.
func Fetch(p *atomic.Uint64) { fetch((*uint64)(unsafe.Pointer(p))) }
