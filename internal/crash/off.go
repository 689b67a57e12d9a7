//go:build !isthmus_crash || !linux

// Package crash marks the points at which a process may be killed by a test.
//
// A point stands at every step that changes shared state. In the normal build
// Point is empty and costs nothing. Built with -tags isthmus_crash, a process
// whose environment names a point kills itself there, with a real SIGKILL (or
// stops itself with SIGSTOP):
//
//	ISTHMUS_CRASH=send.claimed     at the first passing
//	ISTHMUS_CRASH=send.claimed:7   at the seventh
//	ISTHMUS_CRASH_SIGNAL=STOP      stop instead of kill
package crash

// Enabled tells whether the crash points are compiled in.
const Enabled = false

// Point is a named step of a protocol.
func Point(string) {}
