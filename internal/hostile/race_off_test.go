//go:build linux && !race

package hostile

const raced = false
