//go:build !race

// Package race tells the race detector about synchronization that it cannot
// see. The detector ignores atomics in mapped memory, so two goroutines of one
// process that hand data over through a shared region look unsynchronized to
// it. Publishing calls Release and taking calls Acquire, on one shadow word in
// the heap; in a build without -race both are empty. One shadow for all regions
// orders more than the protocol does, so the detector can miss a race in the
// user's own data, but it raises no false alarm.
package race

// Acquire is called after shared state was taken.
func Acquire() {}

// Release is called before shared state is published.
func Release() {}
