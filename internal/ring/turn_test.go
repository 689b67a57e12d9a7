package ring

import (
	"errors"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// A receiver that copies a message before it takes it must not take it for one
// that nobody had, if somebody had it in its hands between the two.
func TestReadyAgainIsAnotherState(t *testing.T) {
	qs := endless(t, 2)
	tx, rx := qs[0], qs[1]
	sendOne(t, tx, 1)
	seen := map[uint64]bool{}
	for had := range 5 {
		left := rx.patience()
		found, err := rx.search(&left)
		if err != nil || seen[found.s] {
			t.Fatalf("had by %d receivers: state %#x, which was there before: %v; %v", had, found.s, seen, err)
		}
		seen[found.s] = true
		c, err := rx.TryClaim(Anyone)
		if err != nil || c.Redelivered != had {
			t.Fatalf("had by %d receivers, it says %d: %v", had, c.Redelivered, err)
		}
		if err := c.Return(); err != nil {
			t.Fatal(err)
		}
	}
	if m := receiveThe(t, rx, 1); m.Redelivered != 5 {
		t.Errorf("redelivered %d times", m.Redelivered)
	}
	if err := rx.TryReceive(Anyone, nil, true, new(isthmus.Message)); !errors.Is(err, isthmus.ErrEmpty) {
		t.Fatal(err)
	}
}

// A receiver that does not look for as many returns as there are epochs must not
// take what it knows of the head for new.
func TestReturnedForAllEpochs(t *testing.T) {
	qs := endless(t, 3)
	tx, rx, holder := qs[0], qs[1], qs[2]
	for start := range int64(3) { // not at the same epoch each time
		sendOne(t, tx, -1)
		c, err := holder.TryClaim(Anyone)
		if err != nil {
			t.Fatal(err)
		}
		pass(t, tx, rx, 40)
		for range epochs - 1 {
			if err := c.Return(); err != nil {
				t.Fatal(err)
			}
			if c, err = holder.TryClaim(Anyone); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Return(); err != nil {
			t.Fatal(err)
		}
		receiveThe(t, rx, -1)
		for range start*epochs/3 + 1 {
			tx.goBack(tx.control.head.Load() & posMask)
		}
	}
}
