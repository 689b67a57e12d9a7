// Package crashtest proves, with real processes and real signals, that a
// participant may be killed or stopped at any step (it holds tests only).
//
// The points. Every crash.Point in the source is reached by a victim in at
// least one scenario (scenarios_test.go), at every capacity and size of message
// at which it can be, in three ways:
//
//	kill      it kills itself there; then the survivors come
//	stop      it stops itself there; the survivors go on; it is continued
//	stopkill  it stops itself there; the survivors go to sleep; it is killed
//
// The third finds wake-ups that were lost: nothing but the death wakes anyone.
// After each, the same is demanded (world_test.go): survivors make progress,
// the messages are those that they should be, whole, each once; all of the
// capacity, of the memory and of the participants' places can be used; and
// after the removal the directory is empty.
//
// The storm (storm_test.go). Senders and receivers are killed at random times,
// started again, and keep journals from which every message is accounted for.
//
// The delays (delay_test.go). How long a parked receiver waits for a message
// that a dead one had claimed, within a PID namespace and across two.
//
// Longer runs:
//
//	go test ./internal/crashtest -long -timeout 2h          stops of 10 s
//	go test ./internal/crashtest -run Storm -storm.kills 10000 -timeout 2h
package crashtest
