package wait

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// A waiter in the kernel holds an operating system's thread, and a Go process
// dies at 10,000 of those. So only maxThreads goroutines sleep there by
// themselves, which is fastest; the words of all others are watched by pollers,
// each one thread for up to 127 words, and their goroutines sleep on channels.
const maxThreads = 8

var (
	threads threadCount
	pollers pollerSet
)

type threadCount struct{ n atomic.Int32 }

func (t *threadCount) enter() bool {
	if t.n.Add(1) <= maxThreads {
		return true
	}
	t.n.Add(-1)
	return false
}

func (t *threadCount) leave() { t.n.Add(-1) }

type pollerSet struct {
	mu   sync.Mutex
	list []*poller
}

// poller watches words for goroutines that wait on channels.
type poller struct {
	ctl atomic.Uint32 // a private futex: changes when entries do

	mu      sync.Mutex
	entries []*entry
	done    bool // its goroutine has ended or is about to
}

type entry struct {
	p    *poller
	word *uint32
	n    *node
	err  error
}

// add has word watched for n: when it is no longer n.seq, n gets a token.
func (s *pollerSet) add(word *uint32, n *node) *entry {
	e := &entry{word: word, n: n}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.list[:0]
	for _, p := range s.list {
		if p.isDone() {
			continue
		}
		kept = append(kept, p)
		if e.p == nil && p.take(e) {
			e.p = p
		}
	}
	clear(s.list[len(kept):])
	s.list = kept
	if e.p == nil {
		e.p = &poller{entries: []*entry{e}}
		s.list = append(s.list, e.p)
		go e.p.run()
	}
	return e
}

func (p *poller) isDone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

func (p *poller) take(e *entry) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done || len(p.entries) >= sys.MaxWords-1 {
		return false
	}
	p.entries = append(p.entries, e)
	p.changed()
	return true
}

// changed makes run look at the entries again. The caller holds mu.
func (p *poller) changed() {
	p.ctl.Add(1)
	sys.WakePrivate(addr(&p.ctl), 1)
}

// remove ends the watch and tells what went wrong with it.
func (e *entry) remove() error {
	p := e.p
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, o := range p.entries {
		if o == e {
			p.entries = append(p.entries[:i], p.entries[i+1:]...)
			if len(p.entries) == 0 {
				p.changed()
			}
			break
		}
	}
	return e.err
}

func (p *poller) run() {
	debug.SetPanicOnFault(true)
	words := make([]sys.Word, 0, sys.MaxWords)
	for {
		p.mu.Lock()
		words = append(words[:0], sys.Word{Addr: addr(&p.ctl), Val: p.ctl.Load(), Private: true})
		kept := p.entries[:0]
		for _, e := range p.entries {
			v, err := load(e.word)
			if err != nil || v != e.n.seq {
				e.err = err
				e.n.signal()
				continue
			}
			kept = append(kept, e)
			words = append(words, sys.Word{Addr: e.word, Val: v})
		}
		clear(p.entries[len(kept):])
		p.entries = kept
		if len(kept) == 0 {
			p.done = true
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		if err := sys.Waitv(words, time.Time{}); err != nil && err != sys.ErrFault {
			p.fail(err)
			return
		}
	}
}

// fail gives up: every waiter gets err.
func (p *poller) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	for _, e := range p.entries {
		e.err = err
		e.n.signal()
	}
	p.entries = nil
}

// load reads a word of shared memory, whose file may have been truncated.
func load(word *uint32) (v uint32, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = sys.ErrFault
		}
	}()
	return atomic.LoadUint32(word), nil
}

// addr is where the kernel finds w.
func addr(w *atomic.Uint32) *uint32 { return (*uint32)(unsafe.Pointer(w)) }
