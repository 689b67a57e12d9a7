//go:build !race

package isthmustest

const raceEnabled = false
