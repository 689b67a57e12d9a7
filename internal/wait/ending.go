package wait

import (
	"context"
	"sync"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// Ending ends the waits of one handle, for good. Its zero value ends none yet.
// It is what a context would be that costs no memory for each wait.
type Ending struct {
	mu    sync.Mutex
	over  bool
	nodes map[*node]struct{}
}

// End ends all waits, now and later, with isthmus.ErrClosed.
func (e *Ending) End() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
	for n := range e.nodes {
		n.poke()
	}
}

func (e *Ending) enter(n *node) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return false
	}
	if e.nodes == nil {
		e.nodes = map[*node]struct{}{}
	}
	e.nodes[n] = struct{}{}
	return true
}

// leave tells whether the handle has ended. After it End does not touch n.
func (e *Ending) leave(n *node) (over bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.nodes, n)
	return e.over
}

// OnUntil is [On] that ends when e does, too.
func OnUntil(ctx context.Context, e *Ending, word *uint32, val uint32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n := nodes.Get().(*node)
	n.seq = val
	if !e.enter(n) {
		nodes.Put(n)
		return isthmus.ErrClosed
	}
	var stop func() bool
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, n.poke)
	}
	err := n.sleep(word)
	over := e.leave(n)
	if stop == nil || stop() { // else the context's goroutine may still hold n
		n.reset()
		nodes.Put(n)
	}
	switch {
	case over:
		return isthmus.ErrClosed
	case err != nil:
		return err
	}
	return ctx.Err()
}
