// Package wait puts goroutines to sleep until another process does something,
// and wakes them: a [Bell] in shared memory, and a [Gate] in each handle.
//
// Nothing polls, no wake-up is lost, and a ringer makes no system call when
// nobody sleeps. A wait ends promptly with its context or when its gate closes.
package wait
