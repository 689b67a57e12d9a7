// Package isthmus is what every mechanism of inter-process communication in
// this module shares: the [Message], the two verbs ([Sender], [Receiver], and
// [Deliverer] where a mechanism can tell that a message was received), the
// errors, and the words for buffering ([Capacity]) and waiting ([Policy]).
//
// The mechanisms are packages of their own:
//
//	mailbox   indirect naming: many senders, many receivers, a name between them
//	process   direct naming: send to a process, receive from a process
//
// Both pass messages through shared memory, survive a kill -9 of any
// participant at any instruction, and make no system call while both ends
// keep up. They run on Linux 5.16 and later; elsewhere everything compiles and
// answers [errors.ErrUnsupported].
package isthmus
