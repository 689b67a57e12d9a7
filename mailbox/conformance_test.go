//go:build linux

package mailbox_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/isthmustest"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// unboundedReady tells whether a mailbox of capacity Unbounded can be created.
// While it cannot, TestUnboundedIsRefused proves that Create says so.
const unboundedReady = true

// peerRole is the role of the other process of the conformance suite.
const peerRole = "conformance"

// conformancePeer is what plays it.
var conformancePeer = isthmustest.Peer(func(args []string, _ []*os.File) (isthmustest.Endpoint, error) {
	return endpoint(args[0], &mailbox.Config{Dir: args[1]}), nil
})

func endpoint(name string, cfg *mailbox.Config) isthmustest.Endpoint {
	return isthmustest.Endpoint{
		Name:     name,
		Sender:   func() (isthmus.Sender, error) { return mailbox.Attach(name, cfg) },
		Receiver: func() (isthmus.Receiver, error) { return mailbox.Attach(name, cfg) },
		Args:     []string{name, cfg.Dir},
	}
}

// open makes a mailbox for one check, as cfg says.
func open(cfg mailbox.Config) func(t testing.TB) isthmustest.Endpoint {
	return func(t testing.TB) isthmustest.Endpoint {
		t.Helper()
		cfg.Dir = t.TempDir()
		m, err := mailbox.Create("conformance", &cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := errors.Join(m.Remove(), m.Close()); err != nil {
				t.Error(err)
			}
		})
		return endpoint("conformance", &cfg)
	}
}

type conformanceRow struct {
	name string
	cfg  mailbox.Config
	// fits is how many messages of any size fit; the zero value: it depends.
	fits isthmus.Capacity
	// role is "" for rows that differ from another in their sizes only: those
	// are proven in one process.
	role string
}

func conformanceRows() []conformanceRow {
	var rows []conformanceRow
	capacities := []mailbox.Capacity{mailbox.Zero, mailbox.Bounded(1), mailbox.Bounded(3), mailbox.Bounded(1024)}
	if unboundedReady {
		capacities = append(capacities, mailbox.Unbounded)
	}
	for _, c := range capacities {
		for size, role := range map[int]string{72: "", 3000: peerRole} {
			rows = append(rows, conformanceRow{fmt.Sprintf("%v/%d", c, size), mailbox.Config{Capacity: c, MaxMessage: size}, c, role})
		}
	}
	return append(rows,
		// A message of 73 bytes is the first that does not lie in its slot.
		conformanceRow{"3/73", mailbox.Config{Capacity: mailbox.Bounded(3), MaxMessage: 73}, mailbox.Bounded(3), ""},
		conformanceRow{"3/256KiB", mailbox.Config{Capacity: mailbox.Bounded(3), MaxMessage: 256 << 10}, mailbox.Bounded(3), ""},
		conformanceRow{"zero/100000", mailbox.Config{Capacity: mailbox.Zero, MaxMessage: 100_000}, mailbox.Zero, ""},
		// Less memory than the capacity would need: it is full when either is.
		conformanceRow{"1024/little-memory", mailbox.Config{Capacity: mailbox.Bounded(1024), MaxMessage: 50_000, Memory: 200_000}, isthmus.Capacity{}, peerRole},
	)
}

func TestConformance(t *testing.T) {
	for _, row := range conformanceRows() {
		if testing.Short() && row.cfg.Capacity == mailbox.Bounded(3) {
			row.role = "" // between processes its neighbours, 1 and 1,024, say enough
		}
		t.Run(row.name, func(t *testing.T) {
			isthmustest.Run(t, isthmustest.Mechanism{
				Name: "mailbox", Open: open(row.cfg), Role: row.role,
				Capacity: row.fits, MaxMessage: row.cfg.MaxMessage,
				Types: true, Identity: true, Delivers: true, Into: true,
			})
		})
	}
}

// TestConformanceOfPolicies proves the contract for the two ways of waiting
// that are not the default.
func TestConformanceOfPolicies(t *testing.T) {
	for _, p := range []isthmus.Policy{isthmus.LowLatency, isthmus.LowPower} {
		t.Run(p.String(), func(t *testing.T) {
			isthmustest.Run(t, isthmustest.Mechanism{
				Name: "mailbox", Open: open(mailbox.Config{Capacity: mailbox.Bounded(3), MaxMessage: 200, Policy: p}),
				Capacity: mailbox.Bounded(3), MaxMessage: 200,
				Types: true, Identity: true, Delivers: true, Into: true,
			})
		})
	}
}

func TestUnboundedIsRefused(t *testing.T) {
	cfg := &mailbox.Config{Capacity: mailbox.Unbounded, Dir: t.TempDir()}
	m, err := mailbox.Create("conformance", cfg)
	if unboundedReady {
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(m.Remove(), m.Close()); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("Create with capacity Unbounded: %v; if it works now set unboundedReady", err)
	}
}
