package address_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/address"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]address.Address{
		"orders":         {Scheme: address.Mailbox, Name: "orders"},
		"mailbox:orders": {Scheme: address.Mailbox, Name: "orders"},
		"mailbox:a:b":    {Scheme: address.Mailbox, Name: "a:b"},
		"process:clerk":  {Scheme: address.Process, Name: "clerk"},
		"fifo":           {Scheme: address.Mailbox, Name: "fifo"},
	} {
		got, err := address.Parse(in)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v; want %v", in, got, err, want)
		}
		if again, err := address.Parse(got.String()); err != nil || again != got {
			t.Errorf("Parse(%q) = %v, %v; want %v", got.String(), again, err, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{"", ":", "mailbox:", "x:y", "a b", "a/b", ".a", "-a", "mailbox:a b", "Mailbox:a", strings.Repeat("a", 101)} {
		if got, err := address.Parse(in); !errors.Is(err, address.ErrSyntax) || !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Parse(%q) = %v, %v; want ErrSyntax", in, got, err)
		}
	}
	for _, in := range []string{"fifo:/x", "mq:/orders", "sysv:0x10", "unix:/x", "unixgram:/x", "unixpacket:/x", "tcp:h:1", "signal:1", "nats://h"} {
		scheme, _, _ := strings.Cut(in, ":")
		got, err := address.Parse(in)
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(fmt.Sprint(err), scheme) {
			t.Errorf("Parse(%q) = %v, %v; want errors.ErrUnsupported that names %s", in, got, err, scheme)
		}
	}
}

func parse(t *testing.T, s string) address.Address {
	t.Helper()
	a, err := address.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestMailbox(t *testing.T) {
	o := address.Options{Dir: t.TempDir(), Capacity: isthmus.Bounded(2), MaxMessage: 100}
	if err := os.Chmod(o.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	a := parse(t, "orders")
	s, err := address.Sender(a, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := address.Receiver(a, address.Options{Dir: o.Dir})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := s.Send(context.Background(), isthmus.Message{Data: []byte("hello")}); err != nil {
		t.Fatal(err)
	}
	if st, err := address.Stat(a, o); err != nil || st.Depth != 1 || st.Bytes != 5 || st.Capacity != o.Capacity.String() || st.Senders != 1 || st.Mailbox == nil {
		t.Fatalf("Stat = %+v, %v", st, err)
	}
	if m, err := r.Receive(context.Background()); err != nil || string(m.Data) != "hello" {
		t.Fatalf("Receive = %q, %v", m.Data, err)
	}
	if all, err := address.List(address.Mailbox, o); err != nil || !slices.Equal(all, []address.Address{a}) {
		t.Fatalf("List = %v, %v", all, err)
	}
	if err := address.Remove(a, o); err != nil {
		t.Fatal(err)
	}
	if _, err := address.Stat(a, o); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Stat of a removed one: %v", err)
	}
	if err := s.TrySend(isthmus.Message{}); !errors.Is(err, isthmus.ErrRemoved) {
		t.Fatalf("TrySend to a removed one: %v", err)
	}
}

func TestExisting(t *testing.T) {
	o := address.Options{Dir: t.TempDir(), Existing: true}
	if err := os.Chmod(o.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	a := parse(t, "orders")
	if s, err := address.Sender(a, o); !errors.Is(err, fs.ErrNotExist) || s != nil {
		t.Fatalf("Sender to none = %v, %v", s, err)
	}
	if r, err := address.Receiver(a, o); !errors.Is(err, fs.ErrNotExist) || r != nil {
		t.Fatalf("Receiver of none = %v, %v", r, err)
	}
	s, err := address.Sender(a, address.Options{Dir: o.Dir, Capacity: isthmus.Bounded(2)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := address.Receiver(a, o)
	if err != nil {
		t.Fatalf("Receiver of one that exists: %v", err)
	}
	defer r.Close()
	o.Capacity = isthmus.Bounded(3)
	if r, err := address.Receiver(a, o); !errors.Is(err, fs.ErrExist) || r != nil {
		t.Fatalf("Receiver of one with another capacity = %v, %v", r, err)
	}
}

func TestExistingOneMustFit(t *testing.T) {
	dir := t.TempDir()
	a := parse(t, "orders")
	s, err := address.Sender(a, address.Options{Dir: dir, Capacity: isthmus.Bounded(2), MaxMessage: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, o := range []address.Options{{Capacity: isthmus.Bounded(3)}, {Capacity: isthmus.Zero}, {MaxMessage: 101}} {
		o.Dir = dir
		if r, err := address.Receiver(a, o); !errors.Is(err, fs.ErrExist) || r != nil {
			t.Errorf("Receiver with %+v = %v, %v; want fs.ErrExist", o, r, err)
		}
	}
	r, err := address.Receiver(a, address.Options{Dir: dir, Capacity: isthmus.Bounded(2), MaxMessage: 50})
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
}

func TestProcess(t *testing.T) {
	o := address.Options{Dir: t.TempDir()}
	a := parse(t, "process:clerk")
	if s, err := address.Sender(a, o); !errors.Is(err, fs.ErrNotExist) || s != nil {
		t.Fatalf("Sender to nobody = %v, %v", s, err)
	}
	r, err := address.Receiver(a, address.Options{Dir: o.Dir, Capacity: isthmus.Bounded(2)})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := address.Receiver(a, o); !errors.Is(err, fs.ErrExist) || again != nil {
		t.Fatalf("Receiver under a name that is taken = %v, %v", again, err)
	}
	s, err := address.Sender(a, address.Options{Dir: o.Dir, Capacity: isthmus.Bounded(2)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, ok := s.(isthmus.Deliverer); !ok {
		t.Error("a process is no Deliverer")
	}
	if err := s.Send(context.Background(), isthmus.Message{Data: []byte("hello")}); err != nil {
		t.Fatal(err)
	}
	st, err := address.Stat(a, o)
	if err != nil || st.Depth != 1 || st.Bytes != 5 || st.Capacity != "2" || st.Senders != 1 || st.Receivers != 1 ||
		st.UID != os.Getuid() || st.Process == nil || st.Process.Owner.PID != os.Getpid() {
		t.Fatalf("Stat = %+v, %v", st, err)
	}
	if m, err := r.Receive(context.Background()); err != nil || string(m.Data) != "hello" {
		t.Fatalf("Receive = %q, %v", m.Data, err)
	}
	if all, err := address.List(address.Process, o); err != nil || !slices.Equal(all, []address.Address{a}) {
		t.Fatalf("List = %v, %v", all, err)
	}
	if err := address.Remove(a, o); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("Remove of a living one: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := address.Stat(a, o); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Stat of one that left: %v", err)
	}
}

func TestInboxMustFit(t *testing.T) {
	dir := t.TempDir()
	a := parse(t, "process:clerk")
	r, err := address.Receiver(a, address.Options{Dir: dir, Capacity: isthmus.Bounded(2)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if s, err := address.Sender(a, address.Options{Dir: dir, Capacity: isthmus.Zero}); !errors.Is(err, fs.ErrExist) || s != nil {
		t.Errorf("Sender that asks for another capacity = %v, %v; want fs.ErrExist", s, err)
	}
	for _, o := range []address.Options{{Dir: dir, MaxMessage: 10}, {Dir: dir, Memory: 1 << 20}} {
		if s, err := address.Sender(a, o); !errors.Is(err, errors.ErrUnsupported) || s != nil {
			t.Errorf("Sender with %+v = %v, %v; want errors.ErrUnsupported", o, s, err)
		}
	}
}

func TestProcessByNumber(t *testing.T) {
	o := address.Options{Dir: t.TempDir()}
	number := parse(t, fmt.Sprintf("process:%d", os.Getpid()))
	_, err := address.Sender(number, o)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "none of this number") {
		t.Fatalf("Sender to a number that has not joined: %v", err)
	}
	r, err := address.Receiver(parse(t, "process:clerk"), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := address.Sender(number, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.TrySend(isthmus.Message{Data: []byte("hello")}); err != nil {
		t.Fatal(err)
	}
	if m, err := r.TryReceive(); err != nil || string(m.Data) != "hello" {
		t.Fatalf("TryReceive = %q, %v", m.Data, err)
	}

	// A name that is a number comes first.
	named, err := address.Receiver(number, o)
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	s2, err := address.Sender(number, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s2.Close()
	if err := s2.TrySend(isthmus.Message{}); err != nil {
		t.Fatal(err)
	}
	if _, err := named.TryReceive(); err != nil {
		t.Fatalf("what was sent to a number that is a name came elsewhere: %v", err)
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "isthmus-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	a, _ := address.Parse("mailbox:orders")
	s, err := address.Sender(a, address.Options{Dir: dir})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	r, err := address.Receiver(a, address.Options{Dir: dir})
	if err != nil {
		panic(err)
	}
	defer r.Close()
	_ = s.Send(context.Background(), isthmus.Message{Data: []byte("one tea")})
	m, _ := r.Receive(context.Background())
	fmt.Printf("%v: %s\n", a, m.Data)
	// Output: mailbox:orders: one tea
}
