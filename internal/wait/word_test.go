//go:build linux

package wait

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// TestOn has many more goroutines wait for one word each than may sleep in the
// kernel by themselves: each is woken by its own word only, or by its context.
func TestOn(t *testing.T) {
	const n = 4 * maxThreads
	var words [n]atomic.Uint32
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var group sync.WaitGroup
	var woken atomic.Int32
	for i := range words {
		group.Go(func() {
			for words[i].Load() == 0 {
				if err := On(ctx, addr(&words[i]), 0); err != nil {
					t.Errorf("word %d: %v", i, err)
					return
				}
			}
			woken.Add(1)
		})
	}
	for i := range words {
		words[i].Store(1)
		sys.Wake(addr(&words[i]), math.MaxInt32)
	}
	group.Wait()
	if woken.Load() != n {
		t.Errorf("%d of %d were woken", woken.Load(), n)
	}
}

func TestOnEnds(t *testing.T) {
	var word atomic.Uint32
	if err := On(context.Background(), addr(&word), 1); err != nil {
		t.Errorf("a word that is another already: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		for {
			if err := On(ctx, addr(&word), 0); err != nil {
				ended <- err
				return
			}
		}
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled wait: %v", err)
	}
	if err := On(ctx, addr(&word), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that was cancelled before: %v", err)
	}
}
