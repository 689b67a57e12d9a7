package isthmustest

import (
	"fmt"
	"slices"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

var orderChecks = []check{
	{"Storm", func(f *fixture) { f.storm(storm{senders: 4, receivers: 4, each: 400}) }, nil},
	{"StormOwnHandles", func(f *fixture) { f.storm(storm{senders: 4, receivers: 4, each: 400, own: true}) }, crowd},
	{"StormFanIn", func(f *fixture) { f.storm(storm{senders: 8, receivers: 1, each: 200}) }, nil},
	{"StormFanOut", func(f *fixture) { f.storm(storm{senders: 1, receivers: 8, each: 800}) }, nil},
	{"StormOfCancels", func(f *fixture) {
		f.storm(storm{senders: 4, receivers: 4, each: 250, hurry: 300 * time.Microsecond})
	}, nil},
	{"StormOfCancelsOwnHandles", func(f *fixture) {
		f.storm(storm{senders: 4, receivers: 4, each: 250, hurry: 300 * time.Microsecond, own: true})
	}, crowd},
}

// storm is many senders and receivers at once.
type storm struct {
	senders, receivers, each int
	own                      bool // each has a handle of its own
	hurry                    time.Duration
}

// storm proves that each message is received once, whole, and that every
// receiver sees the messages of each sender in order.
func (f *fixture) storm(st storm) {
	var senders, receivers []*end
	for i := range max(st.senders, st.receivers) {
		if st.own || i == 0 {
			senders = append(senders, f.sender())
			receivers = append(receivers, f.receiver())
		}
	}
	var in, out []*call
	for i := range st.receivers {
		in = append(in, receivers[i%len(receivers)].row(receiveMany, load{Verbs: turned(f.receiveVerbs(), i), Max: f.m.MaxMessage, Hurry: st.hurry}))
	}
	for i := range st.senders {
		out = append(out, senders[i%len(senders)].row(sendMany, load{
			Sender: uint32(i), Count: st.each, Verbs: turned(f.sendVerbs(), i), Max: min(f.m.MaxMessage, 8192), Hurry: st.hurry,
		}))
	}
	f.sent(out, in)
	for range st.receivers {
		senders[0].must(send, isthmus.Message{Data: frame(endMark, 0, frameHeader)})
	}
	had := map[uint64]bool{}
	for _, c := range in {
		a := c.wait(f)
		if a.Err != nil {
			f.Fatal(a.Err)
		}
		if err := inOrder(a.Seen, had); err != nil {
			f.Fatal(err)
		}
	}
	if len(had) != st.senders*st.each {
		f.Fatalf("received %d different messages of %d", len(had), st.senders*st.each)
	}
	receivers[0].empty()
}

// sent waits until rows of sends are done. A row of receives that ends before
// is the cause of what follows, and so is what is reported.
func (f *fixture) sent(out, in []*call) {
	f.Helper()
	proctest.Eventually(f, patience, "all messages are sent", func() bool {
		for _, c := range in {
			if c.returned() {
				f.Fatalf("%s ended after %d messages, before all were sent: %v", c.verb, len(c.Seen), c.Err)
			}
		}
		return !slices.ContainsFunc(out, func(c *call) bool { return !c.returned() })
	})
	f.all(out)
}

// turned is vs beginning at another one, so that not all do the same at once.
func turned(vs []verb, by int) []verb {
	by %= len(vs)
	return append(append([]verb(nil), vs[by:]...), vs[:by]...)
}

// inOrder checks what one receiver saw, and adds it to what all had.
func inOrder(seen []uint64, had map[uint64]bool) error {
	last := map[uint64]uint64{}
	for _, id := range seen {
		if had[id] {
			return fmt.Errorf("message %d of sender %d was received twice", uint32(id), id>>32)
		}
		had[id] = true
		if before, ok := last[id>>32]; ok && before > id {
			return fmt.Errorf("message %d of sender %d was received after %d", uint32(id), id>>32, uint32(before))
		}
		last[id>>32] = id
	}
	return nil
}
