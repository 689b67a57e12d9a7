package model

import (
	"errors"
	"fmt"
	"strings"
)

// Label names a step in a trace.
type Label struct {
	Who  string
	What string
	// Chance marks what need never happen: a death, a cancel. A state in which
	// only such steps are left is final.
	Chance bool
}

func (l Label) String() string { return l.Who + ": " + l.What }

// System is what can be explored. Its states are compared with ==.
type System[S comparable] interface {
	Start() S
	// Steps yields each step that is possible in s, the state that it leads
	// to, and the promise that it breaks, if it breaks one. It yields the same
	// steps in the same order each time.
	Steps(s S, yield func(l Label, to S, broken error))
	// Final checks a state in which nobody has anything left to do.
	Final(s S) error
}

// Result is what an exploration found.
type Result struct {
	States, Transitions, Finals, Depth int
	Broken                             error
	Trace                              []Label // the shortest way to Broken
}

func (r Result) String() string {
	return fmt.Sprintf("%8d states %9d transitions %7d final, depth %3d", r.States, r.Transitions, r.Finals, r.Depth)
}

// Report is the broken promise with the way that leads to it.
func (r Result) Report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v\n", r.Broken)
	for i, l := range r.Trace {
		fmt.Fprintf(&b, "%4d  %v\n", i+1, l)
	}
	return b.String()
}

// ErrLimit is the Broken of an exploration that found more states than it may.
var ErrLimit = errors.New("more states than the limit")

// origin says how a state was reached first: by the nth step from another.
type origin struct {
	parent int32
	nth    int32
}

// Explore visits all states that can be reached, breadth first, so that the
// trace of a broken promise is a shortest one. It stops at the first.
func Explore[S comparable](sys System[S], limit int) (r Result) {
	start := sys.Start()
	seen := map[S]struct{}{start: {}}
	origins := []origin{{-1, 0}}
	level, first := []S{start}, 0 // level[i] is state number first+i
	for len(level) > 0 {
		var next []S
		for i, s := range level {
			at, nth, busy := int32(first+i), int32(0), false
			sys.Steps(s, func(l Label, to S, broken error) {
				nth++
				busy = busy || !l.Chance
				if r.Broken != nil {
					return
				}
				r.Transitions++
				if broken != nil {
					r.Broken, r.Trace = broken, trace(sys, append(origins, origin{at, nth}))
					return
				}
				if _, ok := seen[to]; !ok {
					seen[to] = struct{}{}
					origins = append(origins, origin{at, nth})
					next = append(next, to)
				}
			})
			if r.Broken == nil && !busy {
				r.Finals++
				if r.Broken = sys.Final(s); r.Broken != nil {
					r.Trace = trace(sys, origins[:at+1])
				}
			}
			if r.Broken == nil && len(seen) > limit {
				r.Broken = fmt.Errorf("%w: %d", ErrLimit, limit)
			}
			if r.Broken != nil {
				r.States = len(seen)
				return r
			}
		}
		first += len(level)
		level = next
		r.Depth++
	}
	r.States = len(seen)
	return r
}

// trace is the way to the last of origins, found by taking it again.
func trace[S comparable](sys System[S], origins []origin) []Label {
	var way []int32
	for o := origins[len(origins)-1]; o.parent >= 0; o = origins[o.parent] {
		way = append(way, o.nth)
	}
	s := sys.Start()
	var labels []Label
	for i := len(way) - 1; i >= 0; i-- {
		nth, from := int32(0), s
		sys.Steps(from, func(l Label, to S, _ error) {
			if nth++; nth == way[i] {
				labels, s = append(labels, l), to
			}
		})
	}
	return labels
}
