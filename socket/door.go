package socket

import (
	"context"
	"errors"
	"os"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// openDoor accepts connections over TLS, beside the receiver.
func (c *crowd) openDoor(b *bound) error {
	c.shaking, c.shaken = map[*os.File]struct{}{}, map[int32]*member{}
	l := &Listener{bound: b}
	if err := l.door.init(b.f, false, b.gone, l.accept); err != nil {
		return err
	}
	go func() {
		for {
			fd, err := l.acceptFD(context.Background())
			switch {
			case err == nil:
				c.welcome(fd)
			case errors.Is(err, isthmus.ErrClosed):
				return
			default:
				// No descriptor is left, most likely, and nothing tells when
				// there is one again.
				wait(b.gone, 100*time.Millisecond)
			}
		}
	}()
	return nil
}

func wait(gone chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-gone:
	}
}

// welcome begins the handshake of a new connection.
func (c *crowd) welcome(fd int) {
	_ = sys.NoDelay(fd)
	f, err := sys.SocketFile(fd, c.b.name)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		_ = f.Close()
		return
	}
	c.shaking[f] = struct{}{}
	go func() {
		t, err := shakeHands(context.Background(), f, c.b.set, "", true)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.shaking, f)
		if err == nil {
			err = c.hand(fd, f, t)
		}
		if err != nil {
			c.b.count.refused.Add(1)
			_ = f.Close()
		}
	}()
}

// hand hands a connection to the receiver. Since it is writable the epoll
// instance tells of it at once, and so wakes whoever waits.
func (c *crowd) hand(fd int, f *os.File, t *tlsSide) error {
	if c.over {
		return isthmus.ErrClosed
	}
	c.next++ // over TLS it is under mu
	m := &member{id: c.next, fd: fd, file: f, tls: t, src: bareSource(c.b.set, c.b.count, &c.spill, t)}
	c.shaken[m.id] = m
	err := controlFD(c.poll, func(ep int) error { return sys.EpollAdd(ep, fd, m.id, true) })
	if err != nil {
		delete(c.shaken, m.id)
	}
	return err
}

// member finds a connection, one that has just made its handshake included.
func (c *crowd) member(id int32) *member {
	m := c.members[id]
	if m != nil || c.b.set.TLS == nil {
		return m
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m = c.shaken[id]; m != nil {
		delete(c.shaken, id)
		c.add(m)
	}
	return m
}

// closeDoor ends all handshakes.
func (c *crowd) closeDoor() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for f := range c.shaking {
		_ = f.Close()
	}
	for _, m := range c.shaken {
		_ = m.file.Close()
	}
}
