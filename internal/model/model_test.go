package model

import (
	"errors"
	"flag"
	"fmt"
	"testing"
)

var long = flag.Bool("long", false, "explore larger models")

// short cuts explorations off instead of failing. The explorer is one goroutine,
// in which the race detector has nothing to find but takes ten times as long.
const short = 30_000

// limit is how many states one exploration may have.
func limit() int {
	if *long {
		return 8_000_000
	}
	return 1_500_000
}

// explore checks a protocol that must hold.
func explore[S comparable](t *testing.T, name string, sys System[S]) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		most := limit()
		if raceDetector {
			most = short
		}
		r := Explore(sys, most)
		fmt.Printf("%-44s %v\n", t.Name(), r)
		if raceDetector && errors.Is(r.Broken, ErrLimit) {
			fmt.Printf("%-44s cut off: run it without the race detector for the rest\n", t.Name())
			return
		}
		if r.Broken != nil {
			t.Fatal(r.Report())
		}
	})
}

// broken checks that a broken protocol is found out.
func broken[S comparable](t *testing.T, name string, sys System[S]) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		r := Explore(sys, limit())
		fmt.Printf("%-44s %v: %v\n", t.Name(), r, r.Broken)
		if r.Broken == nil || errors.Is(r.Broken, ErrLimit) {
			t.Fatal("nobody noticed")
		}
		t.Log(r.Report())
	})
}
