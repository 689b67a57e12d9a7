//go:build race

package isthmustest

const raceEnabled = true
