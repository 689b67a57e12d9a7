//go:build race

package sysv_test

const raceEnabled = true
