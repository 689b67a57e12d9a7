// Package process passes messages directly: from one process to another, each
// known by the name under which it joined, or by its number.
//
//	p, err := process.Join("clerk", nil)                   // in one process
//	msg, err := p.ReceiveFrom(ctx, "customer")             // or Receive, from anyone
//
//	p, err := process.Join("customer", nil)                // in another
//	err = p.Send(ctx, "clerk", isthmus.Message{Data: data})
//
// A process has one inbox, in shared memory, and only it receives there. Every
// message says who sent it. Sending to a process that is dead or has not joined
// is an error that says which; Wait waits for one to join, and Peer.Gone for
// one to die or leave.
//
// # Death
//
// What a process had in its inbox dies with it: to know that a message was
// received, use Deliver. A send in the instant in which the receiver dies may
// succeed, as it would have succeeded the instant before. Otherwise everything
// that package mailbox says about order, waiting and death holds here, too.
package process
