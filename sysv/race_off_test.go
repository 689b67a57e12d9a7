//go:build !race

package sysv_test

const raceEnabled = false
