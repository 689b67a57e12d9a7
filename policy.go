package isthmus

// Policy is how a handle on shared memory waits. All three lose no wake-up and
// make no system call when nobody is parked; they differ in how long a waiter
// looks at the shared word before it sleeps in the kernel.
type Policy int

const (
	// Balanced spins no longer than a wake-up costs, and learns: where
	// spinning keeps failing it parks at once and only tries again now and then.
	Balanced Policy = iota
	// LowLatency spins for up to a millisecond before it parks. It suits a
	// process that has a CPU to itself.
	LowLatency
	// LowPower parks at once.
	LowPower
)

func (p Policy) String() string {
	switch p {
	case Balanced:
		return "balanced"
	case LowLatency:
		return "low latency"
	case LowPower:
		return "low power"
	}
	return "unknown policy"
}
