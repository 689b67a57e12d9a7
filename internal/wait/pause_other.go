//go:build !amd64 && !arm64

package wait

import "runtime"

func pause(uint32) { runtime.Gosched() }

// Pause lets others run.
func Pause() { pause(1) }
