// Package sysv speaks System V IPC (sysvipc(7)): message queues, shared memory
// segments and semaphore sets, byte for byte as C programs, Perl's IPC::SysV and
// ipcs(1) know them. It is for talking to such programs. Between Go programs the
// packages mailbox, shm and lock are faster, and know when a process has died.
//
//	key, err := sysv.Ftok("/run/orders", 'q')
//	q, err := sysv.GetQueue(key, nil)
//	err = q.Send(ctx, isthmus.Message{Type: 7, Data: []byte("two coffees")})
//
//	m, err := q.ReceiveSelected(ctx, sysv.Selection{Type: 7}, nil) // in another process
//
// Objects belong to the kernel. They outlive all processes, until they are
// removed or the machine restarts. For each kind there are Get, which creates
// what is not there, Create, which refuses what is, Open, which refuses what is
// not, and ByID.
//
// # Waiting
//
// The kernel has no descriptor for these objects, so a call that waits holds an
// operating system's thread. A context, or Close, ends it at once by a signal to
// that thread, which a program does not see: the Go runtime's own signal 33, or
// SIGURG in programs with cgo, or SIGPROF where that is ignored or blocked. No
// message is lost by that: a call whose context ends has done all or nothing, and
// says which.
//
// Any number of goroutines may wait for the same thing: one queue's room, one
// selection of one queue, the same operations on one set. They share up to 8
// threads, and take turns. A process can wait for 1,000 different things; one
// more is [ErrTooManyWaiters], at once. So the process never comes near the
// 10,000 threads at which Go ends it.
//
// # Undo
//
// An [Operation] with Undo is taken back when the process ends, however it ends.
// It is the process that counts: all threads of a Go process share one list of
// undos (CLONE_SYSVSEM), so the end of a goroutine, or of a thread, takes back
// nothing. Neither does Close. A child does not inherit the list; a program
// started by syscall.Exec in place of this one keeps it. What would take a value below 0
// takes it to 0, and SetValue and SetValues forget the undos of all processes.
// Undo suits a lock. It does not suit counting what was produced: the death of a
// producer would un-produce it.
//
// # Limits
//
// Errors name the kernel's limits, and [ReadLimits] reads them. Whoever may
// write to an object may do anything with it: a queue can be emptied, a
// semaphore set to any value, a segment scribbled over. A segment's memory
// cannot be truncated under its users, as a file's can; it can be removed, and
// stays with those who have it attached. The kernel tells nobody when a process
// dies: a message that it had received is gone.
//
// The kernel's calls have no order among those that wait: semop lets pass who
// can, and a large message that waits for room may be overtaken by other
// processes' small ones.
package sysv
