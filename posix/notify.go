package posix

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Notification is one registration to be told of a message (mq_notify(3)).
type Notification struct {
	q    *Queue
	sys  *sys.MQNotify
	done chan struct{}

	mu    sync.Mutex
	over  bool
	err   error
	ended sync.Once
}

// Notify asks to be told, once, when a message arrives at the queue while it is
// empty and nobody waits for it in the kernel: a blocked receiver takes the
// message and there is no notification. Receivers of this package are such only
// if they are Blocking.
//
// One process can be registered with a queue at a time; EBUSY if there is one,
// though it be this one. The registration ends with the notification, with the
// Notification's Close, and when this process closes any descriptor of the queue.
//
// To miss nothing, first ask again and then empty the queue: a message that
// comes to a queue that is not empty is not told.
//
// It costs a descriptor (a netlink socket, on which the kernel tells) and a
// sleeping goroutine, no thread and no signal.
func (q *Queue) Notify() (*Notification, error) {
	if q.closed.Load() {
		return nil, wrap("notify", queueMechanism, q.name, isthmus.ErrClosed)
	}
	s, err := q.mq.Notify()
	if err != nil {
		if errors.Is(err, syscall.EBUSY) {
			err = &explained{text: "a process is registered with the queue already", errno: syscall.EBUSY}
		}
		return nil, wrap("notify", queueMechanism, q.name, err)
	}
	n := &Notification{q: q, sys: s, done: make(chan struct{})}
	q.mu.Lock()
	q.notified = n
	closed := q.closed.Load()
	q.mu.Unlock()
	go n.listen()
	if closed {
		_ = n.Close()
		return nil, wrap("notify", queueMechanism, q.name, isthmus.ErrClosed)
	}
	return n, nil
}

func (n *Notification) listen() {
	arrived, err := n.sys.Wait()
	switch {
	case err != nil:
		err = isthmus.ErrClosed
	case !arrived:
		err = fmt.Errorf("%w: the registration ended: this process closed a descriptor of the queue", isthmus.ErrClosed)
	}
	n.end(err)
	_ = n.sys.Close()
}

func (n *Notification) end(err error) {
	n.ended.Do(func() {
		n.mu.Lock()
		n.over = true
		n.err = wrap("notify", queueMechanism, n.q.name, err)
		n.mu.Unlock()
		close(n.done)
	})
}

// Done is closed when the notification has come, or the registration has ended.
func (n *Notification) Done() <-chan struct{} { return n.done }

// Err is nil while the registration lasts and when the notification has come;
// else it says why it will not come: isthmus.ErrClosed.
func (n *Notification) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// Wait waits for the notification.
func (n *Notification) Wait(ctx context.Context) error {
	select {
	case <-n.done:
		return n.Err()
	case <-ctx.Done():
		return wrap("notify", queueMechanism, n.q.name, ctx.Err())
	}
}

// Close ends the registration, unless the notification has come. Waits end with
// isthmus.ErrClosed.
func (n *Notification) Close() error {
	n.mu.Lock()
	over := n.over
	n.mu.Unlock()
	n.q.mu.Lock()
	current := n.q.notified == n
	if current {
		n.q.notified = nil
		if !over {
			_ = n.q.mq.Unnotify() // the handle may be closed: then it has ended
		}
	}
	n.q.mu.Unlock()
	n.end(isthmus.ErrClosed)
	_ = n.sys.Close()
	return nil
}
