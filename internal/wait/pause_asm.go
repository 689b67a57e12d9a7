//go:build amd64 || arm64

package wait

// pause tells the CPU n times, n > 0, that this is a spin loop.
//
//go:noescape
func pause(n uint32)

// Pause tells the CPU that this is a spin loop.
func Pause() { pause(1) }
