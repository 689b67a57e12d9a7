// Package model checks the protocols of packages ring and wait by exploring
// every interleaving of a few actors on a small queue, with the death of an
// actor as a possible step at any point and repair by a survivor as steps that
// interleave, and may die, like any others. An actor that is stopped is one
// that takes no step for as long as the others care to, so every exploration
// covers it.
//
//	go test -v ./internal/model        the short form, well under a minute
//	go test -v ./internal/model -long  more actors, deaths and messages: minutes, and 4 GiB
//
// Three files say what is modelled, with the names of the code that they follow:
//
//	queue*.go  ring's turn.go, repair.go and arena.go: slots, hints, head and tail;
//	           and the segments of grow.go
//	bell.go    wait's bell.go and gate.go, and the pass-on in ring's stop
//	break.go   the ways to break them, each of which the explorer must notice
//
// A step is one atomic load or compare-and-swap of shared memory. There is one
// exception, unless a queue is explored Fine: a loop that loads one word,
// decides by it alone, and compares-and-swaps that same word until it succeeds
// is one step. Its lost tries change nothing, and its last one is what the step
// does, so no behaviour is left out.
//
// What is not modelled: the chunks of an unbounded queue's arena, receivers that choose among messages (inbox.go), memory weaker than
// sequentially consistent (Go's atomics are not), positions that wrap, and a
// region that somebody scribbles on.
package model
