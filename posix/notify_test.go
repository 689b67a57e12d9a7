//go:build linux

package posix_test

import (
	"context"
	"os"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// TestNotifyEnds ends registrations in every way.
func TestNotifyEnds(t *testing.T) {
	q := newQueue(t, small)
	ctx, cancel := context.WithCancel(background)
	n, err := q.Notify()
	must(t, err)
	cancel()
	refused(t, n.Wait(ctx), context.Canceled)
	must(t, n.Err()) // it lasts
	p := attachQueue(t, q.Name(), nil)
	must(t, p.Close()) // any descriptor of the queue
	<-n.Done()
	refused(t, n.Err(), isthmus.ErrClosed)
	says(t, n.Err().Error(), "closed a descriptor of the queue")
	must(t, n.Close())

	n, err = q.Notify()
	must(t, err)
	must(t, q.Close())
	refused(t, n.Wait(background), isthmus.ErrClosed)
}

// TestNotifyLateClose closes a registration after its notification, when
// another one is there: that lasts.
func TestNotifyLateClose(t *testing.T) {
	q := newQueue(t, small)
	first, err := q.Notify()
	must(t, err)
	must(t, q.TrySend(text("a")))
	must(t, first.Wait(background))
	second, err := q.Notify()
	must(t, err)
	must(t, first.Close())
	gets(t, q, "a")
	must(t, q.TrySend(text("b")))
	must(t, second.Wait(background))
}

// TestNotifyDrain is the loop of the documentation: nothing is missed, though
// messages come at all moments.
func TestNotifyDrain(t *testing.T) {
	q := newQueue(t, small)
	a := startActor(t)
	a.must("", "qattach %s", q.Name())
	const count = 2000
	a.begin("qmany %s %d", q.Name(), count)
	for seen := 0; seen < count; {
		n, err := q.Notify()
		must(t, err)
		before := seen
		for {
			if _, err := q.TryReceive(); err != nil {
				refused(t, err, isthmus.ErrEmpty)
				break
			}
			seen++
		}
		if seen == before {
			must(t, n.Wait(background))
		}
		must(t, n.Close())
	}
	a.ends("")
}

// TestNotifyLeavesNothing counts descriptors.
func TestNotifyLeavesNothing(t *testing.T) {
	q := newQueue(t, small)
	count := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(files)
	}
	before := count()
	for range 50 {
		n, err := q.Notify()
		must(t, err)
		must(t, n.Close())
		<-n.Done()
	}
	if n := count(); n > before+5 {
		t.Errorf("there were %d descriptors, and are %d", before, n)
	}
}
