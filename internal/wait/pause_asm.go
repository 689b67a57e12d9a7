//go:build amd64 || arm64

package wait

import (
	"sync"
	"time"
)

// pause tells the CPU n times, n > 0, that this is a spin loop.
//
//go:noescape
func pause(n uint32)

// Pause passes a tenth of a microsecond or so, between two looks at a word that
// another CPU writes: if they follow closer on each other they take the line
// away from that CPU while it writes.
func Pause() { pause(pauses()) }

// pauses is how often the CPU must pause for that; a pause takes from 10 to 150
// cycles.
var pauses = sync.OnceValue(func() uint32 {
	const n = 256
	least := time.Hour
	for range 5 {
		began := time.Now()
		pause(n)
		least = min(least, time.Since(began))
	}
	return uint32(min(max(1, n*100*time.Nanosecond/max(least, 1)), 64))
})
