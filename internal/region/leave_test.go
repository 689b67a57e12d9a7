//go:build linux

package region

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

// TestLeaveManyTimes opens and closes more regions than a process may have
// mappings (vm.max_map_count is 65530), in one that collects no garbage by
// itself, and in which the collector gets little of the CPU.
func TestLeaveManyTimes(t *testing.T) {
	p := proctest.Start(t, proctest.Options{Env: []string{"GOGC=off", "GOMEMLIMIT=off", "GOMAXPROCS=1"}}, "leaver", where(t))
	t.Log(p.Rest())
	p.Wait()
}

func leaver(args []string) error {
	r, err := Create(args[0], "a", small, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	most := 0
	for i := range 70_000 {
		r, err := Open(args[0], "a", Mailbox)
		if err != nil {
			return fmt.Errorf("the %dth time: %w", i, err)
		}
		r.Leave()
		left.Lock()
		most = max(most, left.mapped)
		left.Unlock()
	}
	if most > 30*leftRegions {
		return fmt.Errorf("%d were left to unmap", most)
	}
	fmt.Printf("at most %d were left to unmap", most)
	return nil
}

// TestNoRoomToMap maps more than there are addresses.
func TestNoRoomToMap(t *testing.T) {
	before := files(t)
	r, err := Anonymous("large", Spec{Kind: Mailbox, Size: maxSize, Reserve: HeaderSize}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := []*Region{r}
	for len(all) <= 1<<57/maxSize { // more than any machine has
		if r, err = FromFile(all[0].f, Mailbox); err != nil {
			break
		}
		all = append(all, r)
	}
	if !errors.Is(err, syscall.ENOMEM) || !strings.Contains(err.Error(), "close handles") {
		t.Errorf("with %d mappings of %s: %v", len(all), Bytes(maxSize), err)
	}
	for _, r := range all {
		r.Close()
	}
	if n := files(t); n > before {
		t.Errorf("%d descriptors, and %d before", n, before)
	}
}
