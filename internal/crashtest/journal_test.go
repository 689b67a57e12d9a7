//go:build linux

package crashtest

import (
	"encoding/binary"
	"os"
)

// A journal is a row of entries of 16 bytes: {id, times redelivered}. An entry
// is written by one write(2) to a file that is opened with O_APPEND, and does
// not cross a page: a kill leaves it out or puts it in, never in part.
const entrySize = 16

func enter(log *os.File, id uint64, redelivered int) error {
	var b [entrySize]byte
	binary.LittleEndian.PutUint64(b[0:], id)
	binary.LittleEndian.PutUint64(b[8:], uint64(redelivered))
	_, err := log.Write(b[:])
	return err
}

type entry struct {
	id          uint64
	redelivered int
}

func (s *storm) read(n int) (all []entry) {
	s.t.Helper()
	b, err := os.ReadFile(s.journal(n))
	if err != nil && !os.IsNotExist(err) { // it may have been killed before it made one
		s.t.Fatal(err)
	}
	if len(b)%entrySize != 0 {
		s.t.Fatalf("journal %d has %d bytes", n, len(b))
	}
	for ; len(b) > 0; b = b[entrySize:] {
		all = append(all, entry{binary.LittleEndian.Uint64(b), int(binary.LittleEndian.Uint64(b[8:]))})
	}
	return all
}

// receipt is where a message was received first.
type receipt struct {
	by   *stormProc
	last bool // it is that journal's last entry
	e    entry
}

// judge holds the journals of senders and receivers against each other.
func (s *storm) judge() {
	s.t.Helper()
	receipts, again := s.receipts()
	lost, unsure, messages := 0, 0, 0
	for _, p := range s.past {
		if p.killed && !p.sender && !p.claims {
			unsure++
		}
		if !p.sender {
			continue
		}
		sent := uint64(0)
		for _, e := range s.read(p.number) {
			sent++
			if e.id != stormID(p.number, sent) {
				s.t.Fatalf("sender %d's entry %d is %#x", p.number, sent, e.id)
			}
			if _, ok := receipts[e.id]; !ok {
				lost++
				s.t.Logf("message %#x was sent, and is in no receiver's journal", e.id)
			}
		}
		messages += int(sent)
		s.checkEnd(p, sent, receipts)
	}
	if lost > unsure {
		s.t.Errorf("%d messages were lost; %d receivers were killed that may have had one each", lost, unsure)
	}
	if messages == 0 {
		s.t.Error("nothing was sent")
	}
	s.t.Logf("%d messages sent; of %d receivers that were killed and do not claim %d had one; %d were received again after a death",
		messages, unsure, lost, again)
}

// checkEnd demands that of what was never acknowledged at most one message was
// received, the next one, and only if the sender was killed.
func (s *storm) checkEnd(p *stormProc, sent uint64, receipts map[uint64][]receipt) {
	s.t.Helper()
	if _, ok := receipts[stormID(p.number, sent+1)]; ok && !p.killed {
		s.t.Errorf("sender %d's message %d was received, but not sent", p.number, sent+1)
	}
	if _, ok := receipts[stormID(p.number, sent+2)]; ok {
		s.t.Errorf("sender %d's message %d was received, but it had not sent the one before", p.number, sent+2)
	}
}

// receipts collects the receivers' journals, and checks what they say of each
// other: nothing twice unless it had to be, and each sender's messages in order.
func (s *storm) receipts() (all map[uint64][]receipt, again int) {
	s.t.Helper()
	all = map[uint64][]receipt{}
	for _, p := range s.past {
		if p.sender {
			continue
		}
		entries := s.read(p.number)
		newest := map[uint64]uint64{} // by sender
		for i, e := range entries {
			all[e.id] = append(all[e.id], receipt{p, i == len(entries)-1, e})
			if e.redelivered > 0 {
				continue // it was there before others, and comes late
			}
			if from := e.id >> 32; e.id <= newest[from] {
				s.t.Errorf("receiver %d got %#x after %#x", p.number, e.id, newest[from])
			} else {
				newest[from] = e.id
			}
		}
	}
	for id, rs := range all {
		if len(rs) == 1 {
			continue
		}
		again++
		s.checkTwice(id, rs)
	}
	return all, again
}

// checkTwice demands that all receipts of a message but one are the last entries
// of claimers that were killed before they could acknowledge, and that the
// others were told so.
func (s *storm) checkTwice(id uint64, rs []receipt) {
	s.t.Helper()
	final, told := 0, 0
	for _, r := range rs {
		if !r.by.claims || !r.by.killed || !r.last {
			final++
		}
		if r.e.redelivered > 0 {
			told++
		}
	}
	if final > 1 || told < len(rs)-1 {
		s.t.Errorf("message %#x was received %d times: %d times for good, and %d times announced as redelivered", id, len(rs), final, told)
	}
}
