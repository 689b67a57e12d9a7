// Package hostile holds tests only: peers that scribble over the shared
// memory, files that are truncated, replaced, punched or forged, file systems
// that are full, limits that are reached. What it proves is rule 5 of the
// threat model in SECURITY.md: whoever may write a region can spoil what is in
// it, but cannot make another process crash, hang, read outside, or leak.
//
// The short form runs with the other tests. The long forms are
//
//	go test ./internal/hostile -run Scribbler -hostile.for 10m
//	go test ./internal/hostile -fuzz FuzzRegion
//	go test ./internal/region -fuzz FuzzHeader
package hostile
