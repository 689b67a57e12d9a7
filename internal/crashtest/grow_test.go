//go:build linux

package crashtest

import (
	"context"
	"syscall"
	"testing"
)

// growing are the points that only the trials here pass.
var growing = []string{"grow.skipped"}

const segmentBytes = segmentSlots * 128

// pass sends k messages and receives each before the next.
func (w *world) pass(k int) {
	w.t.Helper()
	for range k {
		w.sendAsync()
		ctx, cancel := context.WithTimeout(w.ctx, bound)
		m, err := w.rx.Receive(ctx)
		cancel()
		if err != nil {
			w.t.Fatalf("%v\n%s", err, w.describe())
		}
		w.note(&m)
		w.eventually("the send returns", func() bool { return w.pending() == 0 })
	}
}

// TestInstallerOvertaken stops a sender in the middle of installing a segment
// until others have installed, filled and drained it.
func TestInstallerOvertaken(t *testing.T) {
	for _, point := range []string{"grow.announced", "grow.reserved", "grow.filled"} {
		t.Run(point, func(t *testing.T) {
			w := newWorld(t, shapeNamed("unbounded"), small)
			w.open()
			before := w.look().Reserved
			p := w.victim("send", point, "STOP")
			p.Expect("ready")
			p.Say("")
			p.Stopped()
			w.pass(segmentSlots + 10)
			p.Signal(syscall.SIGCONT)
			lastWords(t, p)
			p.Wait()
			w.receiveOne()
			if !w.has(victimID) {
				t.Fatal("another message than the victim's")
			}
			if n := w.look().Reserved - before; n > segmentBytes+8<<10 {
				t.Errorf("%d bytes lie behind one segment of %d", n, segmentBytes)
			}
			w.check()
		})
	}
}

// TestInstallerIsNotPunched stops a sender when it has filled a segment, whose
// place in the file others then give back again: it was some memory's that had
// come back, since it was drained a lap ago.
func TestInstallerIsNotPunched(t *testing.T) {
	w := newWorld(t, shapeNamed("unbounded"), small)
	w.open()
	w.pass(segmentSlots + 10)
	w.sendAsync()
	c, err := w.rx.Claim(w.ctx) // as long as it is held, the second segment is there
	if err != nil {
		t.Fatal(err)
	}
	w.held = &c
	w.pass(w.lap() - segmentSlots - 11)
	p := w.victim("send", "grow.filled", "STOP")
	p.Expect("ready")
	p.Say("")
	p.Stopped()
	w.letGo() // which drains the second segment, and gives the first one's memory back again
	p.Signal(syscall.SIGCONT)
	lastWords(t, p)
	p.Wait()
	w.receiveOne()
	if !w.has(victimID) {
		t.Fatal("another message than the victim's")
	}
	w.pass(2 * segmentSlots)
	w.check()
}

// TestStoppedShrinkerIsSkipped stops a receiver while it gives a segment's memory
// back, until the tail has come round to the place.
func TestStoppedShrinkerIsSkipped(t *testing.T) {
	for _, point := range []string{"shrink.leaving", "shrink.punched"} {
		t.Run(point, func(t *testing.T) {
			w := newWorld(t, shapeNamed("unbounded"), small)
			w.last(segmentSlots)
			p := w.victim("receive", point, "STOP")
			p.Expect("ready")
			p.Say("")
			p.Stopped()
			w.pass(w.lap() + segmentSlots)
			p.Signal(syscall.SIGCONT)
			if _, got := reported(lastWords(t, p)); !got[segmentSlots] {
				t.Error("the victim has lost its message")
			}
			p.Wait()
			w.check()
		})
	}
}

// TestSkipperDies kills a sender when it has skipped such a place.
func TestSkipperDies(t *testing.T) {
	w := newWorld(t, shapeNamed("unbounded"), small)
	w.last(segmentSlots)
	p := w.victim("receive", "shrink.leaving", "STOP")
	p.Expect("ready")
	p.Say("")
	p.Stopped()
	w.pass(w.lap() - segmentSlots)
	s := w.victim("send", "grow.skipped", "KILL")
	s.Expect("ready")
	s.Say("")
	s.WaitKilled()
	w.pass(segmentSlots)
	p.Kill()
	w.check()
}

// TestNewcomerDiesRetiring: a newcomer who repairs a dead one, whose place it
// takes, may retire a segment that the death has emptied. When it dies there,
// too, the segment must be known to be that place's.
func TestNewcomerDiesRetiring(t *testing.T) {
	for _, point := range []string{"shrink.leaving", "shrink.punched"} {
		t.Run(point, func(t *testing.T) {
			w := newWorld(t, shapeNamed("unbounded"), small)
			w.open()
			w.pass(segmentSlots - 1)
			w.gather()
			w.bury() // it was writing to the last slot of the segment
			before := w.look().Reserved
			p := w.victim("attach", point, "KILL")
			p.WaitKilled()
			w.disperse()
			w.listen()
			w.exchange(3)
			w.eventually("the dead are repaired", func() bool { return len(w.look().Participants) == 3 })
			if n := w.look().Reserved - before; n > 8<<10 {
				t.Errorf("one segment was emptied and one is new, but there are %d bytes more than before", n)
			}
			w.check()
		})
	}
}
