package ring

import (
	"sync/atomic"

	"github.com/isthmus-ipc/isthmus/internal/wait"
)

// Keeping a distance.
//
// Two ends that are as fast as each other meet at one slot: the receiver takes
// each message as soon as it is there, and so takes the cache lines away that
// the sender is writing to, or those that it has just fetched for the next
// messages. Each message then costs both ends a few trips to the other's cache,
// several times what it costs when they are a few slots apart. So whoever finds
// that the other end is right in front of it lets it go ahead, and looks at a
// slot further on, which the other does not need yet. No message is delayed for
// longer than a moment, and none at all that did not come in a stream.

const (
	// A receiver holds back for heldBack messages, or for holdLooks looks, when
	// streakNeeded messages in succession came right after it had looked.
	heldBack     = 24
	holdLooks    = 16
	streakNeeded = 8
	maxNeeded    = 1 << 12
	quickLooks   = 2 // it came right after: within so many looks

	glances = 8  // looks at a slot in a row
	soon    = 16 // glances before a receiver prepares to sleep
)

// pace is what a receiver knows of the stream that it receives. Several
// goroutines may change it; then it is a worse guess, and nothing else.
type pace struct {
	from   atomic.Uint64 // where the last run of messages began
	streak atomic.Int32  // how often the next message came right after
	needed atomic.Int32  // how often it must, 0: streakNeeded
	held   atomic.Bool   // it held back the last time
}

// followBehind holds the receiver back, when it found no message, if that lets
// more come together.
func (q *Queue) followBehind() {
	if len(q.slots) < 4*heldBack || q.opts.Policy != 0 {
		return
	}
	p := &q.pace
	h := q.headHint()
	run := h - p.from.Load()
	p.from.Store(h)
	needed := max(p.needed.Load(), streakNeeded)
	switch {
	case !p.held.Load() && p.streak.Load() < needed:
		return
	case p.held.Load() && run < heldBack/2: // they came one by one
		p.held.Store(false)
		p.streak.Store(0)
		p.needed.Store(min(2*needed, maxNeeded))
		return
	case p.held.Load():
		p.needed.Store(streakNeeded)
	}
	p.held.Store(true)
	far := (h + heldBack) & posMask
	if !q.there(far) {
		return
	}
	state := &q.at(far).state
	for range holdLooks {
		if s := state.Load(); ahead(posOf(s), far) >= 0 && s != word(far, 0, free) {
			return
		}
		wait.Pause()
	}
}

// cameSoon notes after how many looks a message came.
func (p *pace) cameSoon(looks int) {
	if looks <= quickLooks {
		p.streak.Add(1)
	} else if p.streak.Load() != 0 {
		p.streak.Store(0)
	}
}

func (q *Queue) headHint() uint64 {
	h := q.self.head & posMask
	if shared := q.control.head.Load() & posMask; ahead(shared, h) > 0 {
		h = shared
	}
	return h
}

// glance looks at the slot at the head, closely and for a short time, and tells
// after how many looks a message appeared there, if one did.
func (q *Queue) glance() (looks int, ok bool) {
	h := q.headHint()
	if !q.there(h) {
		wait.Pause()
		return 0, false
	}
	state := &q.at(h).state
	for looks := range glances {
		if state.Load() == word(h, 0, ready) {
			return looks, true
		}
		wait.Pause()
	}
	return glances, false
}

// glanceAhead gives the receivers a moment to make room. It looks an eighth of
// the ring ahead: where there is room for one message only, the sender would be
// back at once.
func (q *Queue) glanceAhead() {
	n := uint64(len(q.slots))
	t := q.self.tail & posMask
	if shared := q.control.tail.Load() & posMask; ahead(shared, t) > 0 {
		t = shared
	}
	far := (t + n/8) & posMask
	if !q.there(far) {
		wait.Pause()
		return
	}
	state := &q.at(far).state
	for range glances {
		if s := state.Load(); ahead(posOf(s), far) >= 0 {
			return
		}
		wait.Pause()
	}
}
