//go:build amd64 || arm64

package wait

// pause tells the CPU n times, n > 0, that this is a spin loop.
//
//go:noescape
func pause(n uint32)
