//go:build linux

package crashtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

const (
	delayDeaths = 24
	delayAim    = 50 * time.Millisecond  // what is promised
	delayBound  = 500 * time.Millisecond // of the median: these machines are shared

	farDeaths = 4
	farBound  = time.Second
)

// playHolder is the holder's role: directory, capacity. It claims a message and
// keeps it until it dies.
func playHolder(args []string) error {
	m, err := mailbox.Attach(boxName, shapeNamed(args[1]).config(args[0]))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	c, err := m.Claim(context.Background())
	if err != nil {
		return err
	}
	id, err := identify(new(c.Message()))
	if err != nil {
		return err
	}
	fmt.Println("claimed", id)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// deaths measures how long a parked survivor waits for a message that a holder
// had claimed, from the kill on.
func (w *world) deaths(n int, attr *syscall.SysProcAttr) (delays []time.Duration) {
	w.t.Helper()
	for range n {
		p := proctest.Start(w.t, proctest.Options{Attr: attr}, "holder", w.dir, w.shape.name)
		p.Expect("ready")
		id := w.sendAsync()
		p.Expect(fmt.Sprint("claimed ", id))
		received := make(chan isthmus.Message, 1)
		w.tasks.Go(func() {
			m, err := w.rx.Receive(w.ctx)
			if err != nil {
				w.t.Error(err)
			}
			received <- m
		})
		w.parked()
		start := time.Now()
		p.Signal(syscall.SIGKILL)
		select {
		case m := <-received:
			delays = append(delays, time.Since(start))
			w.note(&m)
			if got, err := identify(&m); err != nil || got != id || m.Redelivered != 1 {
				w.t.Fatalf("got message %d, redelivered %d (%v), want %d, 1", got, m.Redelivered, err, id)
			}
		case <-time.After(5 * bound):
			w.t.Fatalf("a parked receiver does not get a dead one's message\n%s", w.describe())
		}
		p.WaitKilled()
		w.eventually("the send returns", func() bool { return w.isAcked(id) })
	}
	slices.Sort(delays)
	return delays
}

func TestParkedReceiverIsToldOfADeath(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, s, small)
			w.open()
			d := w.deaths(delayDeaths, nil)
			median := d[len(d)/2]
			t.Logf("%d deaths: median %v, longest %v (promised: %v)", len(d), median, d[len(d)-1], delayAim)
			if median > delayBound {
				t.Errorf("median delay %v, want at most %v", median, delayBound)
			}
			w.check()
		})
	}
}

// apart makes a process start in a PID namespace of its own, in which it is
// process 1; where that needs a user namespace, in one of those as well.
func apart() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if uid := os.Geteuid(); uid != 0 {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
	}
	return a
}

func TestDeathInAnotherPIDNamespace(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, s, small)
			w.open()
			d := w.deaths(farDeaths, apart())
			t.Logf("%d deaths: median %v, longest %v", len(d), d[len(d)/2], d[len(d)-1])
			if longest := d[len(d)-1]; longest > farBound {
				t.Errorf("delay %v, want at most %v", longest, farBound)
			}
			w.check()
		})
	}
}

const (
	thereName = boxName
	backName  = "back"
)

// playEcho is the echo's role: directory, capacity, number of messages. It sends
// each message back, and acknowledges it then.
func playEcho(args []string) error {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	if os.Getpid() != 1 {
		return errors.New("this process is in no PID namespace of its own")
	}
	cfg := shapeNamed(args[1]).config(args[0])
	there, err := mailbox.Attach(thereName, cfg)
	if err != nil {
		return err
	}
	back, err := mailbox.Attach(backName, cfg)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	ctx := context.Background()
	for range n {
		c, err := there.Claim(ctx)
		if err != nil {
			return err
		}
		if err := back.Send(ctx, isthmus.Message{Data: c.Bytes(), Type: c.Message().Type}); err != nil {
			return err
		}
		if err := c.Ack(); err != nil {
			return err
		}
	}
	fmt.Println("done")
	return errors.Join(there.Close(), back.Close())
}

// TestAcrossPIDNamespaces passes messages there and back between this process
// and echoes in PID namespaces of their own, which are all process 1 there and
// get killed one after the other. The last one lives.
func TestAcrossPIDNamespaces(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) { acrossNamespaces(t, s) })
	}
}

func acrossNamespaces(t *testing.T, s shape) {
	w := newWorld(t, s, small)
	w.open()
	back, err := mailbox.Open(backName, s.config(w.dir))
	if err != nil {
		t.Fatal(err)
	}
	const each, echoes, killed = 100, 3, 2
	var procs []*proctest.Proc
	for i := range echoes {
		n := each * echoes
		if i >= killed {
			n = each * (echoes + 1) // it never gets so many, and waits until it is killed at the end
		}
		p := proctest.Start(t, proctest.Options{Attr: apart()}, "echo", w.dir, s.name, strconv.Itoa(n))
		p.Expect("ready")
		procs = append(procs, p)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*bound)
	defer cancel()
	came := map[uint64]int{}
	for i := range each * echoes {
		w.sendAsync()
		m, err := back.Receive(ctx)
		if err != nil {
			t.Fatalf("%v\n%s", err, w.describe())
		}
		id, err := identify(&m)
		if err != nil {
			t.Fatal(err)
		}
		came[id]++
		if k := i / each; i%each == each/2 && k < killed {
			procs[k].Kill()
		}
	}
	w.eventually("every message comes back, and the living have acknowledged all", func() bool {
		got := drainEchoes(t, back, came)
		st := w.look()
		return got == int(w.next) && st.Depth == 0 && len(st.Claims) == 0
	})
	for id, n := range came {
		if n > 2 { // an echo was killed between Send and Ack: its message came back once more
			t.Errorf("message %d came back %d times", id, n)
		}
	}
	for _, p := range procs {
		p.Kill()
	}
	if err := back.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := back.Close(); err != nil {
		t.Fatal(err)
	}
	w.check()
}

// drainEchoes takes what came back, and tells how many messages did.
func drainEchoes(t *testing.T, back *mailbox.Mailbox, came map[uint64]int) int {
	t.Helper()
	for {
		m, err := back.TryReceive()
		if errors.Is(err, isthmus.ErrEmpty) {
			return len(came)
		}
		if err != nil {
			t.Fatal(err)
		}
		id, err := identify(&m)
		if err != nil {
			t.Fatal(err)
		}
		came[id]++
	}
}
