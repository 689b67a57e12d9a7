package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// demoLines passes a file through a mailbox to two consumers, and checks that
// each line came out once, and in its order at whoever got it.
func demoLines(ctx context.Context, t *tour) (string, error) {
	const count = 5000
	path := filepath.Join(t.tmp, "file")
	if err := writeLines(path, count); err != nil {
		return "", err
	}
	m, err := t.create("lines", mailbox.Config{})
	if err != nil {
		return "", err
	}
	defer m.Close()
	var got [2][]string
	var errs [2]error
	var both sync.WaitGroup
	for i := range got {
		c, err := t.start(ctx, "consumer", "lines")
		if err != nil {
			return "", err
		}
		defer c.kill()
		both.Go(func() { got[i], errs[i] = c.rest() })
	}
	p, err := t.start(ctx, "producer", "lines", path, strconv.Itoa(len(got)))
	if err != nil {
		return "", err
	}
	defer p.kill()
	if err := p.wait(); err != nil {
		return "", err
	}
	both.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return "", err
	}
	all := slices.Concat(got[0], got[1])
	slices.Sort(all)
	switch {
	case !slices.IsSorted(got[0]) || !slices.IsSorted(got[1]):
		return "", errors.New("a consumer received lines out of their order")
	case len(all) != count || len(slices.Compact(all)) != count:
		return "", fmt.Errorf("%d lines arrived, %d different ones, of %d", len(all), len(slices.Compact(all)), count)
	}
	return fmt.Sprintf("%d lines: %d to one consumer, %d to the other, each once and in order", count, len(got[0]), len(got[1])), nil
}

// writeLines writes lines whose order is their order as strings.
func writeLines(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for i := range n {
		fmt.Fprintf(w, "line %06d of a file that has %d of them\n", i, n)
	}
	return w.Flush()
}

func demoRate(ctx context.Context, t *tour) (string, error) {
	const count = 1_000_000
	m, err := t.create("speed", mailbox.Config{})
	if err != nil {
		return "", err
	}
	defer m.Close()
	sink, err := t.start(ctx, "sink", "speed", strconv.Itoa(count))
	if err != nil {
		return "", err
	}
	defer sink.kill()
	flood, err := t.start(ctx, "flood", "speed", strconv.Itoa(count))
	if err != nil {
		return "", err
	}
	defer flood.kill()
	took, err := watch(sink, newProgress(t.io, "messages", count))
	if err != nil {
		return "", err
	}
	if err := errors.Join(flood.wait(), sink.wait()); err != nil {
		return "", err
	}
	return fmt.Sprintf("%.1f million messages a second, %d ns a message, all in order", count/took.Seconds()/1e6, took.Nanoseconds()/count), nil
}

// watch shows how far a sink has come, and says how long it took.
func watch(sink *child, p *progress) (time.Duration, error) {
	defer p.done()
	for {
		line, err := sink.line()
		if err != nil {
			return 0, err
		}
		last, found := strings.CutPrefix(line, "took ")
		n, err := strconv.Atoi(last)
		if err != nil || found {
			return time.Duration(n), err
		}
		p.at(n)
	}
}

func demoBounded(ctx context.Context, t *tour) (string, error) {
	const room = 4
	m, err := t.create("bounded", mailbox.Config{Capacity: mailbox.Bounded(room)})
	if err != nil {
		return "", err
	}
	defer m.Close()
	if _, err := m.TryReceive(); !errors.Is(err, isthmus.ErrEmpty) {
		return "", fmt.Errorf("a receive from an empty mailbox, without waiting, was %v, not ErrEmpty", err)
	}
	for range room {
		if err := m.TrySend(isthmus.Message{Data: []byte("a message")}); err != nil {
			return "", err
		}
	}
	if err := m.TrySend(isthmus.Message{}); !errors.Is(err, isthmus.ErrFull) {
		return "", fmt.Errorf("send %d of %d, without waiting, was %v, not ErrFull", room+1, room, err)
	}
	c, err := t.start(ctx, "sender", "bounded", "the fifth")
	if err != nil {
		return "", err
	}
	defer c.kill()
	if err := waiting(ctx, m, 1, "room"); err != nil {
		return "", err
	}
	began := time.Now()
	if _, err := m.TryReceive(); err != nil {
		return "", err
	}
	if err := c.expect("sent"); err != nil {
		return "", err
	}
	took := time.Since(began)
	if st, err := m.Stat(); err != nil || st.Depth != room {
		return "", fmt.Errorf("%d messages are there, not %d: %w", st.Depth, room, err)
	}
	return fmt.Sprintf("ErrEmpty, %d sends, ErrFull; a process that waited for room went on %s after a receive", room, round(took)), nil
}

func demoZero(ctx context.Context, t *tour) (string, error) {
	const count = 2000
	m, err := t.create("zero", mailbox.Config{Capacity: mailbox.Zero})
	if err != nil {
		return "", err
	}
	defer m.Close()
	if err := m.TrySend(isthmus.Message{}); !errors.Is(err, isthmus.ErrFull) {
		return "", fmt.Errorf("a send that nobody waits for, without waiting, was %v, not ErrFull", err)
	}
	sink, err := t.start(ctx, "sink", "zero", strconv.Itoa(count))
	if err != nil {
		return "", err
	}
	defer sink.kill()
	data := make([]byte, 64)
	took := make([]time.Duration, count)
	for i := range took {
		binary.LittleEndian.PutUint64(data, uint64(i))
		began := time.Now()
		if err := m.Send(ctx, isthmus.Message{Data: data}); err != nil {
			return "", err
		}
		took[i] = time.Since(began)
	}
	if st, err := m.Stat(); err != nil || st.Depth != 0 || len(st.Claims) != 0 {
		return "", fmt.Errorf("every send is over, and %d messages are still on their way: %w", st.Depth+len(st.Claims), err)
	}
	if _, err := sink.rest(); err != nil {
		return "", err
	}
	slices.Sort(took)
	return fmt.Sprintf("%d sends, each over when received: half of them within %s", count, round(took[count/2])), nil
}

func demoUnbounded(ctx context.Context, t *tour) (string, error) {
	const count = 50_000
	m, err := t.create("unbounded", mailbox.Config{Capacity: mailbox.Unbounded})
	if err != nil {
		return "", err
	}
	defer m.Close()
	data := make([]byte, 64)
	for i := range count {
		binary.LittleEndian.PutUint64(data, uint64(i))
		if err := m.TrySend(isthmus.Message{Data: data}); err != nil {
			return "", fmt.Errorf("send %d: %w", i, err)
		}
	}
	st, err := m.Stat()
	if err != nil {
		return "", err
	}
	sink, err := t.start(ctx, "sink", "unbounded", strconv.Itoa(count))
	if err != nil {
		return "", err
	}
	defer sink.kill()
	if _, err := sink.rest(); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d messages in %s of memory before the first receive, then all received in order", st.Depth, bytesText(st.Reserved)), nil
}

func demoKill(ctx context.Context, t *tour) (string, error) {
	m, err := t.create("kill", mailbox.Config{})
	if err != nil {
		return "", err
	}
	defer m.Close()
	holder, err := t.start(ctx, "holder", "kill")
	if err != nil {
		return "", err
	}
	defer holder.kill()
	if err := m.Send(ctx, isthmus.Message{Data: []byte("treasure")}); err != nil {
		return "", err
	}
	if err := holder.expect("holds treasure"); err != nil {
		return "", err
	}
	rescuer, err := t.start(ctx, "rescuer", "kill")
	if err != nil {
		return "", err
	}
	defer rescuer.kill()
	if err := waiting(ctx, m, 1, "message"); err != nil {
		return "", err
	}
	began := time.Now()
	if err := holder.cmd.Process.Kill(); err != nil {
		return "", err
	}
	if err := rescuer.expect("received treasure, redelivered 1"); err != nil {
		return "", err
	}
	took := time.Since(began)
	return fmt.Sprintf("the message was another's %s after the kill", round(took)), rescuer.wait()
}

// round leaves as many digits as mean something.
func round(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(100 * time.Nanosecond)
}
