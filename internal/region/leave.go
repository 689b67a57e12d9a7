package region

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Leave closes the file, which gives up every token, and leaves the mapping to
// those who still use it. It is unmapped when the garbage collector finds that
// nobody does: a call that is under way in another goroutine needs no counting
// to be safe.
//
// So that mappings do not pile up in a process that makes little garbage, every
// so many of them call the collector; and who leaves many more while it is at
// work waits for it. To wait until the kernel refuses another mapping would be
// too late: then the collector itself, which needs some, ends the process.
func (r *Region) Leave() {
	_ = sys.UnlockAll(r.f) // the mapping keeps the open file description, and its locks, alive
	_ = r.f.Close()
	runtime.AddCleanup(r, unmapLeft, r.mem)
	left.Lock()
	defer left.Unlock()
	left.mapped++
	left.regions++
	left.bytes += int64(len(r.mem))
	for left.collecting && left.over(8) {
		left.collected.Wait()
	}
	if !left.collecting && left.over(1) {
		left.regions, left.bytes, left.collecting = 0, 0, true
		go collect()
	}
}

const (
	leftRegions = 1000
	leftBytes   = 1 << 30
)

// left is what was left to the collector.
var left = newLeavings()

type leavings struct {
	sync.Mutex
	mapped     int   // and not yet unmapped
	regions    int   // since the collector was last called
	bytes      int64 // in these
	collecting bool
	collected  sync.Cond
}

func newLeavings() *leavings {
	l := &leavings{}
	l.collected.L = l
	return l
}

func (l *leavings) over(times int) bool {
	return l.regions >= times*leftRegions || l.bytes >= int64(times)*leftBytes
}

func collect() {
	runtime.GC()
	left.Lock()
	defer left.Unlock()
	left.collecting = false
	left.collected.Broadcast()
}

func unmapLeft(mem []byte) {
	_ = sys.Unmap(mem)
	left.Lock()
	left.mapped--
	left.Unlock()
}

// newMapping maps f.
func newMapping(f *os.File, size int) ([]byte, error) {
	mem, err := sys.Map(f, size)
	if errors.Is(err, syscall.ENOMEM) {
		err = fmt.Errorf("%w for another %s: this process has mapped all that it may: close handles, and forget closed ones; or raise vm.max_map_count, or ulimit -v", err, Bytes(int64(size)))
	}
	return mem, err
}
