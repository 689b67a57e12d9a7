// Package history checks what real processes did to one queue against a queue
// in a book (it holds tests only).
//
// Several processes, the test binary again, make calls on one mailbox, or on
// one process's inbox, as they like. Each notes in a journal that it shares with
// the test what it is about to do, when (CLOCK_MONOTONIC, which is the same for
// all), how it ended, and when. They are left alone, or stopped for moments at
// random, or killed. Then porcupine looks for an order of all that happened
// that a queue could have had: a first-in-first-out queue that nothing happens
// to at the same time, in which each call takes effect at one moment between
// its beginning and its end. If there is none the test fails, prints a shorter
// history that is still impossible, and says where porcupine's picture of it is.
//
//	go test -v ./internal/history         about a thousand histories, in a quarter of a minute
//	go test -v ./internal/history -long   thirty times as many
//
// # Exactly
//
// What is checked without any allowance: what was sent is received once, whole,
// and only if it was sent. Without returns and deaths the order is that of a
// first-in-first-out queue (linearizability), at every capacity, although
// receivers look past slots that are still being written: a message that was
// looked past was still being sent, so its send had not taken effect. ErrEmpty
// means that at some moment of the call there was no message (from the source
// that was asked for). There are never more messages than places. Deliver, and
// Send at capacity zero, return nil after the receipt; if the context has ended
// meanwhile, perhaps while it is claimed. What is taken back is not received.
// Redelivered is the number of those who had it before (but see uncounted); one
// who was killed may count twice.
//
// After a death: a call that was under way took effect or did not, then or
// later. What the dead one had claimed is received again. A message may be gone
// for each receiver without a claim that was killed, and no more.
//
// # Left open
//
// Where the queue is less than that one, the rules (rules, in model_test.go)
// leave open just this:
//
//	circle    A bounded queue has n places that are used in a circle. ErrFull
//	          means that each was taken at some moment of the call: by a
//	          message, a claim, or a send or a receipt under way (a TrySend of
//	          more than 72 bytes that will fail is one, too); or that a message
//	          is in the way, which those behind it in the circle overtook, since
//	          it came late or came back, or which they left by being withdrawn.
//	          Until it is received, the places behind it are not used again.
//	behind    A message that comes back (Return, or the death of its receiver)
//	          is received before all that are sent after that. Before those that
//	          were sent earlier, too, unless the queue is bounded and the circle
//	          came round while it was claimed: n-1 others had places after it.
//	oldPlace  It comes back to its place, and places are taken when a send
//	          begins: what was being sent at the same time as it was may come
//	          first, even if that took effect only after the return.
//	missed    A receive that was under way when it came back may miss it, and
//	          take one that was sent later. So may each such receive.
//
// And these, which are faults, and not promises:
//
//	stranded  At capacity zero a TrySend may succeed with a receiver that is just
//	          being served by another sender. The message then goes to whoever
//	          else waits, or waits for the next receive: it is stored, and while
//	          that receiver's handle waits, and has not looked, a later message of
//	          its sender may be received first.
//	uncounted A receipt without a claim, under way when another receiver claimed the
//	          message and gave it back, or died, may be told that nobody had it
//	          before: Redelivered is as it was when the copy was made.
//	forgotten At capacity zero a Send that is out of time is nil if somebody has
//	          claimed the message. If that claim is given back, and the sender
//	          dies or closes before another one receives it, the message is gone.
//	aside     A Deliver to a process that is out of time may be nil although its
//	          message was only put aside, while the process looked for messages
//	          of another sender.
//
// With -history.strictly circle,behind,… the rules leave what is named not open.
// Then the corners (corner_test.go) show, step by step, what it is about.
//
// # Whether the check can fail
//
// judge_test.go has histories that must be rejected, and their neighbours that
// must not; mutate_test.go spoils recorded ones.
package history
