package sysv

// MaxThreads and PerLane are the limits of waiting, for tests.
const (
	MaxThreads = maxThreads
	PerLane    = perLane
)

// Waiting is how many threads wait now, and in how many lanes.
func Waiting() (threads, inLanes int) {
	lanes.Lock()
	defer lanes.Unlock()
	return lanes.threads, len(lanes.of) - lanes.idle
}

// QueuedInLanes is how many waiters wait for their turn.
func QueuedInLanes() (n int) {
	lanes.Lock()
	defer lanes.Unlock()
	for _, l := range lanes.of {
		for w := l.first; w != nil; w = w.after {
			n++
		}
	}
	return n
}
