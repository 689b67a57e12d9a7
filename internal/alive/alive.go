// Package alive tells when a process has ended, without a thread and without
// polling: one pidfd a process that is watched, shared by all who watch it,
// in Go's network poller.
//
// The kernel makes a pidfd readable after it has closed the process's files
// (do_exit in kernel/exit.c: exit_files and exit_task_work come before
// exit_notify), so whoever is told finds the tokens of the dead given up.
package alive

import (
	"os"
	"sync"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Watch is a wish to be told of one process's end.
type Watch struct {
	p    *process
	died func()
}

type process struct {
	pid     int
	f       *os.File
	watches map[*Watch]struct{}
}

var watched = struct {
	sync.Mutex
	m map[int]*process
}{m: map[int]*process{}}

// On calls died once, in a goroutine of its own, when process pid has ended.
// It is an error if there is no such process, or none that can be seen.
func On(pid int, died func()) (*Watch, error) {
	watched.Lock()
	defer watched.Unlock()
	p := watched.m[pid]
	if p == nil {
		f, err := sys.PidFD(pid)
		if err != nil {
			return nil, err
		}
		p = &process{pid: pid, f: f, watches: map[*Watch]struct{}{}}
		watched.m[pid] = p
		go p.run()
	}
	w := &Watch{p, died}
	p.watches[w] = struct{}{}
	return w, nil
}

// Stop takes the wish back.
func (w *Watch) Stop() {
	watched.Lock()
	defer watched.Unlock()
	delete(w.p.watches, w)
	if len(w.p.watches) == 0 && watched.m[w.p.pid] == w.p {
		delete(watched.m, w.p.pid)
		_ = w.p.f.Close() // ends run
	}
}

func (p *process) run() {
	if sys.WaitPidFD(p.f) != nil {
		return
	}
	watched.Lock()
	if watched.m[p.pid] == p {
		delete(watched.m, p.pid)
	}
	told := p.watches
	p.watches = nil
	watched.Unlock()
	_ = p.f.Close()
	for w := range told {
		go w.died()
	}
}
