//go:build linux

package process_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/process"
)

var ctx = context.Background()

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{"join": joinRole, "send": sendRole})
}

func text(s string) isthmus.Message { return isthmus.Message{Data: []byte(s)} }

// joinRole joins under a name, and does what it is told, a line at a time.
func joinRole(args []string) error {
	cfg := &process.Config{}
	if len(args) > 1 && args[1] == "zero" {
		cfg.Capacity = isthmus.Zero
	}
	p, err := process.Join(args[0], cfg)
	if err != nil {
		return err
	}
	fmt.Println("joined")
	for {
		var cmd string
		if _, err := fmt.Scanln(&cmd); err != nil {
			return nil
		}
		switch cmd {
		case "receive":
			m, err := p.Receive(ctx)
			if err != nil {
				return err
			}
			fmt.Printf("%s from %s\n", m.Data, m.From.Name)
		case "leave":
			return p.Close()
		case "reply":
			m, err := p.Receive(ctx)
			if err != nil {
				return err
			}
			if err := p.Send(ctx, m.From.Name, text("re: "+string(m.Data))); err != nil {
				return err
			}
		}
	}
}

// sendRole joins under a name and sends numbered messages to another process.
func sendRole(args []string) error {
	p, err := process.Join(args[0], nil)
	if err != nil {
		return err
	}
	defer p.Close()
	n, _ := strconv.Atoi(args[2])
	for i := range n {
		if err := p.Send(ctx, args[1], isthmus.Message{Data: []byte(args[0]), Type: int64(i)}); err != nil {
			return err
		}
	}
	fmt.Println("sent")
	return nil
}

func own(t *testing.T) {
	t.Helper()
	t.Setenv("ISTHMUS_DIR", t.TempDir())
}

func join(t *testing.T, name string, c *process.Config) *process.Process {
	t.Helper()
	p, err := process.Join(name, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func within(t *testing.T, d time.Duration) context.Context {
	c, cancel := context.WithTimeout(ctx, d)
	t.Cleanup(cancel)
	return c
}

func TestRequestAndReplyBetweenProcesses(t *testing.T) {
	own(t)
	me := join(t, "customer", nil)
	clerk := proctest.Start(t, proctest.Options{}, "join", "clerk")
	clerk.Expect("joined")
	clerk.Say("reply")
	if err := me.Send(ctx, "clerk", text("one coffee")); err != nil {
		t.Fatal(err)
	}
	m, err := me.ReceiveFrom(within(t, 10*time.Second), "clerk")
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Data) != "re: one coffee" || m.From.Name != "clerk" || m.From.PID != clerk.PID() {
		t.Fatalf("got %q from %+v", m.Data, m.From)
	}
}

func TestNameOfALivingProcessIsTaken(t *testing.T) {
	own(t)
	p := proctest.Start(t, proctest.Options{}, "join", "clerk")
	p.Expect("joined")
	_, err := process.Join("clerk", nil)
	if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), strconv.Itoa(p.PID())) {
		t.Fatalf("joining under a taken name: %v", err)
	}
	p.Kill()
	join(t, "clerk", nil)
}

func TestSendingToDeadOrAbsentSaysWhich(t *testing.T) {
	own(t)
	me := join(t, "me", nil)
	err := me.Send(ctx, "nobody", text("x"))
	if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, isthmus.ErrPeerDied) {
		t.Fatalf("to one who never joined: %v", err)
	}
	p := proctest.Start(t, proctest.Options{}, "join", "mortal")
	p.Expect("joined")
	p.Kill()
	if err = me.Send(ctx, "mortal", text("x")); !errors.Is(err, isthmus.ErrPeerDied) {
		t.Fatalf("to a dead one: %v", err)
	}
	p = proctest.Start(t, proctest.Options{}, "join", "guest")
	p.Expect("joined")
	if err := me.Send(ctx, "guest", text("x")); err != nil {
		t.Fatal(err)
	}
	p.Say("leave")
	p.Wait()
	if err = me.Send(ctx, "guest", text("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("to one who left: %v", err)
	}
}

func TestReceiveFromOneSourceKeepsTheOthers(t *testing.T) {
	own(t)
	me := join(t, "me", nil)
	const n = 200
	for _, name := range []string{"a", "b", "c"} {
		p := proctest.Start(t, proctest.Options{}, "send", name, "me", strconv.Itoa(n))
		p.Expect("sent")
		p.Wait()
	}
	for i := range n { // the last ones first
		m, err := me.ReceiveFrom(within(t, 10*time.Second), "c")
		if err != nil || string(m.Data) != "c" || m.Type != int64(i) || m.From.Name != "c" {
			t.Fatalf("message %d from c: %v %q %d", i, err, m.Data, m.Type)
		}
	}
	if _, err := me.TryReceiveFrom("c"); !errors.Is(err, isthmus.ErrEmpty) {
		t.Fatalf("after the last from c: %v", err)
	}
	for i := range 2 * n {
		m, err := me.TryReceive()
		want := "a"
		if i >= n {
			want = "b"
		}
		if err != nil || m.From.Name != want || m.Type != int64(i%n) {
			t.Fatalf("message %d of the rest: %v from %q, %d", i, err, m.From.Name, m.Type)
		}
	}
}

func TestWaitersForDifferentSources(t *testing.T) {
	own(t)
	me := join(t, "me", nil)
	type got struct {
		want string
		m    isthmus.Message
		err  error
	}
	out := make(chan got)
	names := []string{"a", "b", "c", "d"}
	for _, name := range names {
		go func() {
			m, err := me.ReceiveFrom(within(t, 20*time.Second), name)
			out <- got{name, m, err}
		}()
	}
	for i := range names {
		p := proctest.Start(t, proctest.Options{}, "send", names[len(names)-1-i], "me", "1")
		p.Wait()
	}
	for range names {
		if g := <-out; g.err != nil || g.m.From.Name != g.want {
			t.Fatalf("waiter for %s: %v, from %q", g.want, g.err, g.m.From.Name)
		}
	}
}

func TestWaitForAProcessToAppear(t *testing.T) {
	own(t)
	found := make(chan error)
	go func() {
		peer, err := process.Wait(within(t, 20*time.Second), "late", nil)
		if err == nil {
			err = peer.Send(ctx, text("welcome"))
		}
		found <- err
	}()
	p := proctest.Start(t, proctest.Options{}, "join", "late")
	p.Expect("joined")
	p.Say("receive")
	if err := <-found; err != nil {
		t.Fatal(err)
	}
	p.Expect("welcome from ")
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := process.Wait(short, "never", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("waiting for one who never comes: %v", err)
	}
}

func TestToldOfDeath(t *testing.T) {
	own(t)
	p := proctest.Start(t, proctest.Options{}, "join", "mortal")
	p.Expect("joined")
	peer, err := process.Dial("mortal", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	told := make(chan error)
	go func() { told <- peer.Gone(within(t, 20*time.Second)) }()
	p.Kill()
	if err := <-told; !errors.Is(err, isthmus.ErrPeerDied) {
		t.Fatalf("told: %v", err)
	}
}

// A sender that waits for room, or for a receipt, learns of the death.
func TestDeathEndsTheWaitsOfSenders(t *testing.T) {
	own(t)
	p := proctest.Start(t, proctest.Options{}, "join", "mortal", "zero")
	p.Expect("joined")
	me := join(t, "me", nil)
	sent := make(chan error)
	go func() { sent <- me.Send(within(t, 20*time.Second), "mortal", text("x")) }()
	proctest.Eventually(t, 10*time.Second, "a sender waits", func() bool {
		st, err := process.Inspect("mortal", nil)
		return err == nil && slices.ContainsFunc(st.Senders, func(s process.Sender) bool { return s.Waiting })
	})
	p.Kill()
	if err := <-sent; !errors.Is(err, isthmus.ErrPeerDied) {
		t.Fatalf("send to one who died: %v", err)
	}
}

func TestByNumber(t *testing.T) {
	own(t)
	p := proctest.Start(t, proctest.Options{}, "join", "clerk")
	p.Expect("joined")
	me := join(t, "me", nil)
	peer, err := me.ToPID(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	p.Say("receive")
	if err := peer.Deliver(within(t, 10*time.Second), text("hello")); err != nil {
		t.Fatal(err)
	}
	p.Expect("hello from me")
	if _, err := me.ToPID(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("number of nobody: %v", err)
	}
}

// The three ways to look at an inbox show what it was made with.
func TestStatShowsModeAndLargestMessage(t *testing.T) {
	own(t)
	me := join(t, "me", &process.Config{Mode: 0o640, MaxMessage: 12345})
	peer, err := process.Dial("me", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	for who, stat := range map[string]func() (process.Stat, error){
		"Process.Stat": me.Stat, "Peer.Stat": peer.Stat,
		"Inspect": func() (process.Stat, error) { return process.Inspect("me", nil) },
	} {
		if st, err := stat(); err != nil || st.Mode != 0o640 || st.MaxMessage != 12345 {
			t.Errorf("%s = mode %v, messages of up to %d bytes, %v", who, st.Mode, st.MaxMessage, err)
		}
	}
}

func TestLeavingLeavesNothingBehind(t *testing.T) {
	own(t)
	p := join(t, "me", nil)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if names, err := process.List(nil); err != nil || len(names) != 0 {
		t.Fatalf("left behind: %v %v", names, err)
	}
	if err := p.Close(); !errors.Is(err, isthmus.ErrClosed) {
		t.Fatalf("closing twice: %v", err)
	}
	if _, err := p.Receive(ctx); !errors.Is(err, isthmus.ErrClosed) {
		t.Fatalf("receiving after: %v", err)
	}
}

// The kernel confirms who a sender is, and does not confirm a lie.
func TestIdentityIsVerified(t *testing.T) {
	own(t)
	me := join(t, "me", nil)
	p := proctest.Start(t, proctest.Options{}, "join", "clerk")
	p.Expect("joined")
	p.Say("reply")
	if err := me.Send(ctx, "clerk", text("who are you")); err != nil {
		t.Fatal(err)
	}
	m, err := me.Receive(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if !m.From.Verified || m.From.PID != p.PID() || m.From.UID != os.Geteuid() || m.From.Name != "clerk" {
		t.Fatalf("from %+v", m.From)
	}
}
