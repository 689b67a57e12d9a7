package wait

import (
	"context"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// On sleeps until somebody wakes the shared futex word, it is found to be
// another than val, or ctx ends. A nil error says only that it is time to look
// again. It is an ErrCorrupt if the word's memory is gone. Like a Gate it costs
// a thread only while few wait.
func On(ctx context.Context, word *uint32, val uint32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n := nodes.Get().(*node)
	n.seq = val
	var stop func() bool
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, n.poke)
	}
	err := n.sleep(word)
	if stop == nil || stop() { // else the context's goroutine may still hold n
		n.reset()
		nodes.Put(n)
	}
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// sleep sleeps while word is n.seq: in the kernel by itself if few do, else
// through a poller.
func (n *node) sleep(word *uint32) (err error) {
	if threads.enter() {
		parked()
		err = sys.Wait2(word, n.seq, addr(&n.cancel), 0)
		threads.leave()
	} else {
		e := pollers.add(word, n)
		<-n.ch
		err = e.remove()
	}
	if err == sys.ErrFault {
		err = isthmus.ErrCorrupt
	}
	return err
}

// reset takes back what poke, or a token that came too late, left behind.
func (n *node) reset() {
	select {
	case <-n.ch:
	default:
	}
	n.cancel.Store(0)
}
