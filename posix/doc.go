// Package posix is the POSIX.1 forms of inter-process communication: message
// queues ([Queue]), shared memory ([SharedMemory]) and semaphores ([Semaphore]).
// Each is the same object that programs in C, Python or Perl have: names, bytes
// and rules are those of Linux and of the GNU C library.
//
//	q, err := posix.OpenQueue("/orders", nil) // mq_open
//	err = q.Send(ctx, isthmus.Message{Data: []byte("hello"), Priority: 9})
//	msg, err := q.Receive(ctx) // the oldest of the highest priority
//
//	m, err := posix.CreateSharedMemory("/frame", &posix.SharedMemoryConfig{Size: 1 << 20})
//	v, err := m.Map(0, 0)
//	_, err = v.WriteAt(pixels, 0)
//
//	s, err := posix.OpenSemaphore("/turn", &posix.SemaphoreConfig{Value: 1})
//	err = s.Wait(ctx)
//	err = s.Post()
//
// All objects last until they are removed, or the machine restarts.
//
// # How a queue waits
//
// A descriptor of a queue can be polled. So calls that wait do so in Go's
// poller, without a thread, and a message is in the queue until somebody takes
// it. Two rules of the standard then do not hold: of several receivers any gets
// the message, not the one of the highest scheduling priority that waits
// longest; and a receiver that waits does not keep Notify from being told.
//
// With QueueConfig.Blocking calls wait in the kernel, and both rules hold. It is
// faster, too. But each such call holds a thread, and the kernel hands a message
// to the receiver that waits: if that is stopped or killed just then the message
// is held up or gone, as it is in C.
//
// A Blocking call is cancelled by SIGURG, which Go itself uses. It cannot be if
// the program has had that signal ignored or blocked.
//
// # Death
//
// The kernel keeps queues: a kill leaves every message whole. A semaphore has
// no owner: what a process took is lost with it, and so is what a waiter was
// woken for. Where that matters use open-file-description locks (fcntl(2)).
//
// # Limits
//
// Queues are small unless somebody raised the limits: 10 messages of 8 KiB, and
// some 9 such queues for each user. Errors name the limit that was met, and how
// to raise it. A queue tells nobody who sent a message, and cannot tell a sender
// that it was received.
//
// Python's multiprocessing.shared_memory uses the same objects. Up to Python
// 3.12 its resource tracker removes the name of each object that a program had
// attached to when that program ends, though others use it: have Python create
// the object, or use track=False, which came with 3.13.
//
// Semaphores of glibc and of musl are not the same: see [Libc].
package posix
