package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/process"
)

// join makes this process one of the demo's.
func (t *tour) join(name string) (*process.Process, error) {
	return process.Join(name, &process.Config{Dir: t.dir})
}

// demoDirect asks another process by its name, and checks each reply.
func demoDirect(ctx context.Context, t *tour) (string, error) {
	const count = 2000
	p1, err := t.join("P1")
	if err != nil {
		return "", err
	}
	defer p1.Close()
	p2, err := t.start(ctx, "clerk", "P2")
	if err != nil {
		return "", err
	}
	defer p2.kill()
	took := make([]time.Duration, count)
	for i := range took {
		began := time.Now()
		if err := ask(ctx, p1, p2, "P2", i); err != nil {
			return "", err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return fmt.Sprintf("%d requests, each answered by P2 (process %d): half of them within %s", count, p2.cmd.Process.Pid, round(took[count/2])), nil
}

// ask sends a question to a clerk, and checks that the answer is to this
// question and from that process.
func ask(ctx context.Context, me *process.Process, c *child, clerk string, number int) error {
	question := "question " + strconv.Itoa(number)
	if err := me.Send(ctx, clerk, isthmus.Message{Data: []byte(question)}); err != nil {
		return err
	}
	m, err := me.ReceiveFrom(ctx, clerk)
	if err != nil {
		return err
	}
	if want := "answer to " + question; string(m.Data) != want || m.From.Name != clerk || m.From.PID != c.cmd.Process.Pid {
		return fmt.Errorf("received %q from %s (process %d), not %q from %s (%d)", m.Data, m.From.Name, m.From.PID, want, clerk, c.cmd.Process.Pid)
	}
	return nil
}

// demoSource takes the answers of one process, before which messages of two
// others lie, or come in meanwhile. These must all be there after it, in order.
func demoSource(ctx context.Context, t *tour) (string, error) {
	const (
		answers = 200
		many    = 300 // so that there is room for those of both others
	)
	p1, err := t.join("P1")
	if err != nil {
		return "", err
	}
	defer p1.Close()
	p2, err := t.start(ctx, "clerk", "P2")
	if err != nil {
		return "", err
	}
	defer p2.kill()
	var crowd []*child
	for _, name := range []string{"P3", "P4"} {
		c, err := t.start(ctx, "crowd", name, "P1", strconv.Itoa(many))
		if err != nil {
			return "", err
		}
		defer c.kill()
		crowd = append(crowd, c)
	}
	for i := range answers {
		if err := ask(ctx, p1, p2, "P2", i); err != nil {
			return "", err
		}
	}
	for _, c := range crowd {
		if err := c.wait(); err != nil {
			return "", err
		}
	}
	next := map[string]int64{}
	for range len(crowd) * many {
		m, err := p1.TryReceive()
		if err != nil {
			return "", err
		}
		if m.Type != next[m.From.Name] {
			return "", fmt.Errorf("message %d of %s came in the place of %d", m.Type, m.From.Name, next[m.From.Name])
		}
		next[m.From.Name]++
	}
	if next["P3"] != many || next["P4"] != many {
		return "", fmt.Errorf("messages came from %v, not %d of P3 and %[2]d of P4", next, many)
	}
	return fmt.Sprintf("%d answers of P2 first, then all %d messages of P3 and P4, in order", answers, len(crowd)*many), nil
}

// demoDeath kills a process that another one waits for, and checks who is told
// what.
func demoDeath(ctx context.Context, t *tour) (string, error) {
	p1, err := t.join("P1")
	if err != nil {
		return "", err
	}
	defer p1.Close()
	p2, err := t.start(ctx, "deaf", "P2")
	if err != nil {
		return "", err
	}
	defer p2.kill()
	told := make(chan error, 1)
	go func() { told <- p1.Deliver(ctx, "P2", isthmus.Message{Data: []byte("read this")}) }()
	if err := until(ctx, func() (bool, error) { return waitsFor("P2", t) }); err != nil {
		return "", err
	}
	began := time.Now()
	if err := p2.cmd.Process.Kill(); err != nil {
		return "", err
	}
	err = <-told
	took := time.Since(began)
	if !errors.Is(err, isthmus.ErrPeerDied) {
		return "", fmt.Errorf("who waited for a process that was killed was told %v, not ErrPeerDied", err)
	}
	if err := p1.TrySend("P2", isthmus.Message{}); !errors.Is(err, isthmus.ErrPeerDied) {
		return "", fmt.Errorf("a send to a dead process was %v, not ErrPeerDied", err)
	}
	again, err := t.start(ctx, "clerk", "P2")
	if err != nil {
		return "", err
	}
	defer again.kill()
	if err := ask(ctx, p1, again, "P2", 1); err != nil {
		return "", err
	}
	return fmt.Sprintf("P1 was told ErrPeerDied %s after the kill; a new P2 took the name, and answered", round(took)), nil
}

// waitsFor tells whether somebody waits for a process.
func waitsFor(name string, t *tour) (bool, error) {
	st, err := process.Inspect(name, &process.Config{Dir: t.dir})
	return slices.ContainsFunc(st.Senders, func(s process.Sender) bool { return s.Waiting }), err
}
