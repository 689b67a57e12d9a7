//go:build linux

package sysv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/sysv"
)

// TestNeverFits proves that a message larger than the whole queue is an error,
// where the kernel would wait for ever.
func TestNeverFits(t *testing.T) {
	q := privateQueue(t, 100)
	for _, err := range []error{q.TrySend(isthmus.Message{Data: make([]byte, 101)}), q.Send(background, isthmus.Message{Data: make([]byte, 101)})} {
		if is(t, err, isthmus.ErrTooLarge); !strings.Contains(err.Error(), "SetMaxBytes") {
			t.Fatalf("%v does not say what to do", err)
		}
	}
	must(t, q.TrySend(isthmus.Message{Data: make([]byte, 100)}))
}

// TestLargeMessages passes messages larger than any buffer that a receiver
// begins with, in a namespace that allows them.
func TestLargeMessages(t *testing.T) { act(t, island(), "large").Wait() }

func init() {
	acts["large"] = func([]string) error {
		if err := errors.Join(setKernel("msgmax", "4000000"), setKernel("msgmnb", "8000000")); err != nil {
			return err
		}
		q, err := sysv.GetQueue(1, nil)
		if err != nil {
			return err
		}
		for _, n := range []int{8192, 8193, 100_000, 600_000, 4_000_000} {
			data := bytes.Repeat([]byte("0123456789abcde"), n/15+1)[:n]
			for name, receive := range map[string]func() (isthmus.Message, error){
				"receive": q.TryReceive,
				"wait":    func() (isthmus.Message, error) { return q.Receive(background) },
				"into":    func() (isthmus.Message, error) { return q.TryReceiveInto(make([]byte, 4_000_000)) },
				"exactly": func() (isthmus.Message, error) { return q.TryReceiveInto(make([]byte, n)) },
				"peek":    func() (isthmus.Message, error) { defer q.TryReceive(); return q.Peek(1) },
				"truncate": func() (isthmus.Message, error) {
					return q.TryReceiveSelected(sysv.Selection{Truncate: true}, make([]byte, n))
				},
				"truncate nothing": func() (isthmus.Message, error) { return q.TryReceiveSelected(sysv.Selection{Truncate: true}, nil) },
			} {
				// What else lies there is not its size.
				if name == "peek" {
					if err := q.TrySend(isthmus.Message{}); err != nil {
						return err
					}
				}
				if err := q.TrySend(isthmus.Message{Data: data}); err != nil {
					return err
				}
				m, err := receive()
				if err != nil || !bytes.Equal(m.Data, data) {
					return fmt.Errorf("%s: sent %d bytes, received %d other ones, %w", name, n, len(m.Data), err)
				}
				if name == "peek" {
					if _, err := q.TryReceive(); err != nil {
						return err
					}
				}
			}
			if st, err := q.Stat(); err != nil || st.Messages != 0 {
				return fmt.Errorf("%d messages are left, %w", st.Messages, err)
			}
			errs := call(func() error { m, err := q.Receive(background); return join(err, len(m.Data) == n) })
			if err := errors.Join(q.Send(background, isthmus.Message{Data: data}), <-errs); err != nil {
				return err
			}
		}
		_, err = q.TryReceiveInto(make([]byte, 0))
		return errors.Join(demand("empty", err, isthmus.ErrEmpty),
			demand("too large", q.TrySend(isthmus.Message{Data: make([]byte, 4_000_001)}), isthmus.ErrTooLarge))
	}
}

func join(err error, ok bool) error {
	if err == nil && !ok {
		err = errors.New("it is not what was sent")
	}
	return err
}

// TestReceiverKilled kills a process that waits for a message: the message goes
// to another.
func TestReceiverKilled(t *testing.T) {
	q := privateQueue(t, 100)
	p := act(t, proctest.Options{}, "receive", q.ID())
	inKernel(t, p.PID(), syscall.SYS_MSGRCV, 1)
	p.Kill()
	must(t, q.TrySend(text(1, "a")))
	wants(t, q, sysv.Selection{}, text(1, "a"))
	p = act(t, proctest.Options{}, "receive", q.ID())
	inKernel(t, p.PID(), syscall.SYS_MSGRCV, 1)
	must(t, q.Send(background, text(1, "b")))
	p.Expect("b")
}

func init() {
	acts["receive"] = func(args []string) error {
		q, err := queueArg(args)
		if err != nil {
			return err
		}
		m, err := q.Receive(background)
		fmt.Println(string(m.Data))
		return err
	}
}

// TestNoAllocation is for the calls that isthmustest does not count.
func TestNoAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("NOT PROVEN in this build: the race detector's own allocations would be counted; run without -race")
	}
	q, s, z := privateQueue(t, 1000), privateSet(t, 5, 0), privateSet(t, 0)
	buf := make([]byte, 100)
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	ops := make([]sysv.Operation, 3)
	for name, f := range map[string]func() error{
		"operate":      func() error { return s.Operate(ctx, op{Delta: -1}, op{Index: 1, Delta: 1}) },
		"operate back": func() error { return s.TryOperate(op{Delta: 1}, op{Index: 1, Delta: -1}) },
		"three":        func() error { return z.Operate(ctx, ops...) },
		"select": func() error {
			if err := q.Send(ctx, isthmus.Message{Type: 3, Data: buf}); err != nil {
				return err
			}
			_, err := q.ReceiveSelected(ctx, sysv.Selection{Type: -5}, buf)
			return err
		},
	} {
		if name == "operate" || name == "operate back" {
			must(t, s.SetValues(1000, 1000))
		}
		if n := testing.AllocsPerRun(200, func() { must(t, f()) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestEcho passes messages between two processes, one at a time, so that each
// receive has to wait.
func TestEcho(t *testing.T) {
	q := privateQueue(t, 1000)
	p := act(t, proctest.Options{}, "echo", q.ID())
	for i := range 2000 {
		must(t, q.Send(background, text(1, fmt.Sprint(i))))
		m, err := q.ReceiveSelected(background, sysv.Selection{Type: 2}, nil)
		if must(t, err); string(m.Data) != fmt.Sprint(i) {
			t.Fatalf("received %q, want %d", m.Data, i)
		}
	}
	must(t, q.Remove())
	p.Wait()
}

func init() {
	acts["echo"] = func(args []string) error {
		q, err := queueArg(args)
		if err != nil {
			return err
		}
		for {
			m, err := q.ReceiveSelected(background, sysv.Selection{Type: 1}, nil)
			if err == nil {
				err = q.Send(background, isthmus.Message{Type: 2, Data: m.Data})
			}
			if errors.Is(err, isthmus.ErrRemoved) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
}
