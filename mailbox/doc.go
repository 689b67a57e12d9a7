// Package mailbox passes messages indirectly: through a named mailbox that any
// number of processes send to and any number receive from, none knowing the
// others. Each message is received once.
//
//	m, err := mailbox.Open("orders", nil) // in one process
//	err = m.Send(ctx, isthmus.Message{Data: []byte("hello")})
//
//	m, err := mailbox.Open("orders", nil) // in another
//	msg, err := m.Receive(ctx)
//
// A mailbox lies in shared memory. While both ends keep up, no call enters the
// kernel; who has to wait sleeps there, and is woken. A mailbox outlives the
// processes that use it, until it is removed or the machine restarts.
//
// # Order
//
// Messages of one sender are received in the order in which they were sent.
// Over all senders, the order is that in which the sends took effect.
//
// A message that comes back, because its claim was returned or its receiver
// died, is received before all that are sent after that, by every receive that
// begins after that. It keeps its place before those that were sent earlier,
// too, unless a bounded mailbox went full circle while it was claimed: every
// other place has been used after its own, or was claimed as well. Then it may
// be received after those.
//
// # Room
//
// A mailbox of n messages has n places, used in a circle. A message has one
// from the moment at which its send begins to write it until it is received or
// acknowledged; those of a dead process are free when its death is noticed. A
// send finds no room if all places are taken. It may find none earlier, if the
// oldest message was overtaken: because its send took long, or it came back, or
// others behind it were withdrawn. The places behind it are used again when it
// has been received.
//
// # Death
//
// Any process may be killed at any instruction. Nobody hangs, a message whose
// Send returned is received exactly once, and one that was being sent is
// received whole or not at all. A message that a process had claimed, or was
// receiving, when it died is given to another receiver: at once if one waits.
// Message.Redelivered tells how often that happened.
//
// # Limits
//
// All participants must trust each other with the mailbox's contents: whoever
// may open it may read and scribble. What a scribbler cannot do is make a
// call crash, outlast its context, or read outside the mailbox. The bytes of
// claims and loans are another matter: see SECURITY.md.
package mailbox
