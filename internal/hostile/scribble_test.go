//go:build linux

package hostile

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// scribble is the role of the attacker. It reads the path of a file, says that
// it has begun, and writes into the file at full speed until it reads the next.
func scribble(args []string) error {
	how := scribblers[args[0]]
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil || how == nil {
		return fmt.Errorf("scribble %q: %w", args, err)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	paths := make(chan string)
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			paths <- in.Text()
		}
		close(paths)
	}()
	path, ok := <-paths
	for ok {
		b, err := mapFile(path)
		if err != nil {
			return err
		}
		l := layoutOf(b)
		fmt.Println("scribbling")
		for again := true; again; {
			for range 200 {
				how(b, l, rng)
			}
			select {
			case path, ok = <-paths:
				again = false
			default:
			}
		}
		_ = syscall.Munmap(b)
	}
	return nil
}

var scribblers = map[string]func([]byte, layout, *rand.Rand){
	"anything": scribbleAnything, "fields": scribbleFields, "states": scribbleStates, "heads": scribbleHeads,
	"epochs": scribbleEpochs, "runs": scribbleRuns, "people": scribblePeople, "bells": scribbleBells, "units": scribbleUnits,
}

func put(b []byte, at, v uint64) { atomic.StoreUint64(word64(b, at&^7), v) }

// scribbleAnything knows nothing of the layout.
func scribbleAnything(b []byte, _ layout, rng *rand.Rand) {
	at := rng.Uint64N(uint64(len(b))) &^ 7
	put(b, at, interesting(rng, *word64(b, at)))
}

// interesting is a value that is likely to be taken for something that it is not.
func interesting(rng *rand.Rand, was uint64) uint64 {
	switch rng.IntN(10) {
	case 0:
		return 0
	case 1:
		return ^uint64(0)
	case 2:
		return 1 << 63
	case 3:
		return was + 1
	case 4:
		return was - 1
	case 5:
		return was ^ 1<<rng.IntN(64)
	case 6:
		return uint64(1) << rng.IntN(64)
	case 7:
		return uint64(rng.IntN(8))
	case 8:
		return was<<32 | was>>32
	}
	return rng.Uint64()
}

// scribbleStates writes a state that somebody could believe: near the slot's
// own position, of any phase, of any owner.
func scribbleStates(b []byte, l layout, rng *rand.Rand) {
	i := rng.Uint64N(l.slots)
	at := l.slotsAt + i*slotSize
	was := atomic.LoadUint64(word64(b, at))
	pos := was >> 14
	switch rng.IntN(4) {
	case 0:
		pos += l.slots
	case 1:
		pos -= l.slots
	case 2:
		pos = interesting(rng, pos)
	}
	v := pos<<14 | rng.Uint64N(2*l.parts)<<3 | uint64(rng.IntN(8))
	if rng.IntN(8) == 0 {
		v = interesting(rng, was)
	}
	put(b, at, v)
	if rng.IntN(2) == 0 { // as if nothing had been
		put(b, at, was)
	}
}

// scribbleHeads moves both ends, the epoch, and every participant's notes of them.
func scribbleHeads(b []byte, l layout, rng *rand.Rand) {
	p := partsAt + rng.Uint64N(l.parts)*partSize
	for _, at := range []uint64{tailAt, headAt, p + 208, p + 216} {
		was := atomic.LoadUint64(word64(b, at))
		put(b, at, []uint64{was + 1<<50, was + 1, was - 1, was + l.slots, was - l.slots, interesting(rng, was)}[rng.IntN(6)])
	}
}

// scribbleEpochs tells every searcher that what it saw was overtaken.
func scribbleEpochs(b []byte, _ layout, _ *rand.Rand) {
	atomic.AddUint64(word64(b, headAt), 1<<50)
}

// scribbleRuns makes messages of other sizes that lie elsewhere.
func scribbleRuns(b []byte, l layout, rng *rand.Rand) {
	at := l.slotsAt + rng.Uint64N(l.slots)*slotSize
	sizes := []uint32{0, 1, 72, 73, uint32(l.maxMessage), uint32(l.maxMessage) + 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, rng.Uint32()}
	atomic.StoreUint32(word32(b, at+16), sizes[rng.IntN(len(sizes))])
	atomic.StoreUint32(word32(b, at+20), rng.Uint32N(8)|interestingHalf(rng)<<16)
	units := []uint32{0, 1, uint32(l.units), uint32(l.units) - 1, uint32(l.units) + 1, 1<<32 - 1, 1 << 31, rng.Uint32N(uint32(l.units) + 1)}
	atomic.StoreUint32(word32(b, at+56), units[rng.IntN(len(units))])
	atomic.StoreUint32(word32(b, at+60), units[rng.IntN(len(units))])
	put(b, at+8, interesting(rng, *word64(b, at+8)))   // the id
	put(b, at+48, interesting(rng, *word64(b, at+48))) // the serial
}

func interestingHalf(rng *rand.Rand) uint32 {
	return []uint32{0, 1, 1<<16 - 1, 1 << 15, rng.Uint32N(1 << 16)}[rng.IntN(5)]
}

// scribblePeople invents participants, with other processes' numbers.
func scribblePeople(b []byte, l layout, rng *rand.Rand) {
	at := partsAt + rng.Uint64N(l.parts)*partSize
	atomic.StoreUint32(word32(b, at), uint32(rng.IntN(3))) // live
	atomic.StoreUint32(word32(b, at+4), uint32(interesting(rng, 1)))
	pids := []uint32{0, 1, 2, 1<<32 - 1, 1 << 31, uint32(os.Getpid()), uint32(os.Getppid()), rng.Uint32N(1 << 16)}
	atomic.StoreUint32(word32(b, at+8), pids[rng.IntN(len(pids))])
	atomic.StoreUint32(word32(b, at+40), uint32(interesting(rng, 100))) // the name's length
	if rng.IntN(2) == 0 {
		put(b, at+24, interesting(rng, *word64(b, at+24))) // its namespace
	}
	atomic.AddUint32(word32(b, membersAt), 1)
	put(b, totalsAt+8*rng.Uint64N(3), interesting(rng, 0))
}

// scribbleBells rings, unrings, and announces sleepers who are not there.
func scribbleBells(b []byte, l layout, rng *rand.Rand) {
	bell := rng.Uint64N(3)
	put(b, bitsAt+bell*128+8*rng.Uint64N((l.parts+63)/64), interesting(rng, 0))
	atomic.AddUint32(word32(b, l.cells+64*rng.Uint64N(l.parts*3)), uint32(rng.IntN(3)))
}

// scribbleUnits gives the arena's units to others.
func scribbleUnits(b []byte, l layout, rng *rand.Rand) {
	if l.units == 0 {
		scribbleRuns(b, l, rng)
		return
	}
	v := []uint64{0, 1 << 63, 1<<63 | rng.Uint64N(l.parts), 1<<62 | rng.Uint64N(l.slots+1)<<28, 1<<62 | rng.Uint64()>>2, rng.Uint64()}
	put(b, l.unitsAt+8*rng.Uint64N(l.units), v[rng.IntN(len(v))])
}

// scribbleFields does a little of each, seldom enough that the others get
// somewhere in between.
func scribbleFields(b []byte, l layout, rng *rand.Rand) {
	each := []func([]byte, layout, *rand.Rand){scribbleStates, scribbleHeads, scribbleRuns, scribblePeople, scribbleBells, scribbleUnits}
	each[rng.IntN(len(each))](b, l, rng)
	for range rng.IntN(1000) {
		_ = rng.Uint64()
	}
}

// TestScribblers lets another process write into a mailbox at full speed while
// others do with it all that can be done. They may get errors, and odd data;
// every call ends in time, and nothing is left when they have gone.
func TestScribblers(t *testing.T) {
	names := []string{"anything", "fields", "states", "heads", "runs", "people", "bells", "units"}
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			p := proctest.Start(t, proctest.Options{}, "scribble", name, strconv.FormatUint(seed, 10))
			scribbled(t, p, uint64(i), *longForm/time.Duration(len(names)))
		})
	}
}

func scribbled(t *testing.T, p *proctest.Proc, seed uint64, during time.Duration) {
	rng := rand.New(rand.NewPCG(seed, 3))
	dir := shmDir(t)
	settings := []mailbox.Config{
		{Capacity: mailbox.Bounded(16), MaxMessage: 4096, Memory: 40 << 10, Participants: 8},
		{Capacity: mailbox.Zero, MaxMessage: 300, Participants: 5},
		{Capacity: mailbox.Bounded(1), MaxMessage: 64, Participants: 3},
		{Capacity: mailbox.Bounded(1000), MaxMessage: 200, Participants: 70},
		{Capacity: mailbox.Unbounded, MaxMessage: 2000, Memory: 1 << 20, Participants: 8},
	}
	before, rounds, done := count(), 0, int64(0)
	for end := time.Now().Add(during); rounds == 0 || time.Now().Before(end) && !t.Failed(); rounds++ {
		cfg := settings[rng.IntN(len(settings))]
		cfg.Dir, cfg.Policy = dir, isthmus.Policy(rng.IntN(3))
		done += scribbleRound(t, p, cfg, rng)
	}
	if err := before.unchanged(); err != nil {
		t.Error(err)
	}
	t.Logf("%d rounds, %d calls", rounds, done)
}

func scribbleRound(t *testing.T, p *proctest.Proc, cfg mailbox.Config, rng *rand.Rand) int64 {
	m, err := mailbox.Create("box", &cfg)
	if err != nil {
		t.Fatal(err)
	}
	n, err := mailbox.Attach("box", &cfg)
	if err != nil {
		t.Fatal(err)
	}
	var c crowd
	for i := range 6 {
		c.add(t, newUser([]*mailbox.Mailbox{m, n}[i%2], cfg, rng.Uint64()))
	}
	p.Say(boxPath(cfg.Dir))
	p.Expect("scribbling")
	<-time.After(80 * time.Millisecond)
	// One handle is closed under its users, the other one when they have gone.
	within(bound, "close", func() { _ = m.Close() })
	c.stop()
	within(bound, "close", func() { _ = n.Close() })
	_ = os.Remove(boxPath(cfg.Dir))
	return c.acts.Load()
}

// forgeStates makes every slot of a mailbox look as if a participant had it.
func forgeStates(b []byte, owner, phase uint64) {
	l := layoutOf(b)
	for i := range l.slots {
		put(b, l.slotsAt+i*slotSize, i<<14|owner<<3|phase)
	}
}

const writing = 2

// TestEndlessSearch has no message among many slots, all in use, and an attacker
// who says all the time that each search came too late.
func TestEndlessSearch(t *testing.T) {
	cfg := mailbox.Config{Dir: shmDir(t), Capacity: mailbox.Bounded(1 << 16), MaxMessage: 64, Participants: 4}
	m := create(t, cfg)
	forgeStates(mapped(t, boxPath(cfg.Dir)), 3, writing)
	p := proctest.Start(t, proctest.Options{}, "scribble", "epochs", "1")
	p.Say(boxPath(cfg.Dir))
	p.Expect("scribbling")
	u := newUser(m, cfg, 1)
	for i := range acts {
		if err := u.act(i, time.Millisecond); err != nil {
			t.Error(err)
		}
	}
}

// TestCloseAmongForgeries closes a handle in whose name every slot is being
// written, for ever.
func TestCloseAmongForgeries(t *testing.T) {
	cfg := mailbox.Config{Dir: shmDir(t), Capacity: mailbox.Bounded(1 << 16), MaxMessage: 64, Participants: 4}
	m := create(t, cfg)
	forgeStates(mapped(t, boxPath(cfg.Dir)), 0, writing)
	within(bound, "close", func() {
		if err := typed("close", m.Close()); err != nil {
			t.Error(err)
		}
	})
}
