package isthmus

import "strconv"

// Capacity is how many messages an endpoint holds between sender and receiver.
// The zero value means the mechanism's default.
type Capacity struct{ n int }

const unbounded = -2

var (
	// Zero is a rendezvous: a send returns when a receiver has the message.
	Zero = Capacity{-1}
	// Unbounded grows as far as the memory, or the byte limit, goes.
	Unbounded = Capacity{unbounded}
)

// Bounded is room for n messages. Without room, for n ≤ 0, it is [Zero].
func Bounded(n int) Capacity {
	if n <= 0 {
		return Zero
	}
	return Capacity{n}
}

// Messages is the number of messages of a bounded capacity, 0 for Zero and
// for the zero value, and -1 for Unbounded.
func (c Capacity) Messages() int {
	switch {
	case c == Unbounded:
		return -1
	case c.n > 0:
		return c.n
	}
	return 0
}

// IsDefault reports whether c is the zero value.
func (c Capacity) IsDefault() bool { return c.n == 0 }

// MarshalText writes c as String does.
func (c Capacity) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func (c Capacity) String() string {
	switch {
	case c == Zero:
		return "zero"
	case c == Unbounded:
		return "unbounded"
	case c.IsDefault():
		return "default"
	}
	return strconv.Itoa(c.n)
}
