package main

import (
	"context"
	"errors"
	"os"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// What cannot be written, because the pipe has no reader any more, is not
// acknowledged: it goes back, in its order, and the user is told.
func TestBatchReturnsWhatNobodyReads(t *testing.T) {
	m, err := mailbox.Anonymous(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, s := range []string{"one", "two"} {
		if err := m.TrySend(isthmus.Message{Data: []byte(s)}); err != nil {
			t.Fatal(err)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	b := newBatch(w, format{}, m)
	for range 2 {
		if err := b.tryTake(); err != nil {
			t.Fatal(err)
		}
	}
	err = b.settle()
	if got := exitCode(err); got != 141 {
		t.Errorf("exit status %d, not 141", got)
	}
	var tell told
	if want := "standard output: broken pipe: 2 messages were returned to where they came from"; !errors.As(err, &tell) || tell.Error() != want {
		t.Errorf("%v, not %q", err, want)
	}
	for _, want := range []string{"one", "two"} {
		if msg, err := m.Receive(context.Background()); err != nil || string(msg.Data) != want {
			t.Errorf("received %q, %v; want %q", msg.Data, err, want)
		}
	}
}
