//go:build linux

package posix_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/posix"
)

// TestSemaphoreBytes is what glibc 2.36 wrote for a new semaphore of value 3,
// and what musl would.
func TestSemaphoreBytes(t *testing.T) {
	for libc, want := range map[posix.Libc][]byte{
		posix.Glibc:   {0: 3, 8: 128, 31: 0},
		posix.Musl:    {0: 3, 31: 0},
		posix.OldMusl: {0: 3, 31: 0},
	} {
		mem := make([]byte, 40)
		s, err := posix.NewSemaphore(mem, &posix.SemaphoreConfig{Value: 3, Libc: libc})
		must(t, err)
		if !slices.Equal(mem[:32], want) {
			t.Errorf("%v: the bytes are %v", libc, mem[:32])
		}
		value(t, s, 3)
	}
}

// TestSemaphoreRefused opens files that would crash a C program, or mean
// something else to it.
func TestSemaphoreRefused(t *testing.T) {
	name := newName(t)
	path := "/dev/shm/sem." + name[1:]
	defer os.RemoveAll(path)
	put := func(b []byte) { must(t, os.WriteFile(path, b, 0o600)) }
	word := func(i int, v uint32) []byte {
		b := make([]byte, 32)
		binary.NativeEndian.PutUint32(b[4*i:], v)
		return b
	}
	for what, c := range map[string]struct {
		make func()
		want error
	}{
		"empty":           {func() { put(nil) }, isthmus.ErrCorrupt},
		"31 bytes":        {func() { put(word(2, 128)[:31]) }, isthmus.ErrCorrupt},
		"of musl":         {func() { put(word(0, 1)) }, isthmus.ErrCorrupt},
		"of 32 bits":      {func() { put(word(1, 128)) }, isthmus.ErrCorrupt},
		"noise":           {func() { put(word(2, 77)) }, isthmus.ErrCorrupt},
		"value too high":  {func() { b := word(2, 128); b[3] = 0xff; put(b) }, isthmus.ErrCorrupt},
		"a directory":     {func() { must(t, os.Mkdir(path, 0o700)) }, syscall.EISDIR},
		"a link":          {func() { must(t, os.Symlink("/etc/passwd", path)) }, syscall.ELOOP},
		"a FIFO":          {func() { must(t, syscall.Mkfifo(path, 0o600)) }, isthmus.ErrCorrupt},
		"a dangling link": {func() { must(t, os.Symlink("/nowhere", path)) }, syscall.ELOOP},
	} {
		c.make()
		_, err := posix.AttachSemaphore(name, nil)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
		must(t, os.RemoveAll(path))
	}
}

// TestSemaphoreTruncated cuts the file short under a handle, and under one that
// waits.
func TestSemaphoreTruncated(t *testing.T) {
	s := newSemaphore(t, nil)
	waited := make(chan error)
	go func() { waited <- s.Wait(background) }()
	waiters(t, s, 1)
	must(t, os.Truncate("/dev/shm/sem."+s.Name()[1:], 0))
	refused(t, s.Post(), isthmus.ErrCorrupt)
	refused(t, s.TryWait(), isthmus.ErrCorrupt)
	_, err := s.Value()
	refused(t, err, isthmus.ErrCorrupt)
	// Nobody can wake one who sleeps on memory that is gone: Close does.
	must(t, s.Close())
	refused(t, <-waited)
}

// TestSemaphoreStorm has many wait, and give up at all moments: every permit
// that was posted is taken once, and none is left with somebody asleep.
func TestSemaphoreStorm(t *testing.T) {
	for _, libc := range []posix.Libc{posix.Glibc, posix.Musl, posix.OldMusl} {
		s := newSemaphore(t, &posix.SemaphoreConfig{Libc: libc})
		const permits, takers = 4000, 20
		var taken atomic.Int64
		var group sync.WaitGroup
		ctx, cancel := context.WithCancel(background)
		defer cancel()
		for i := range takers {
			group.Go(func() {
				for ctx.Err() == nil {
					short, stop := context.WithCancel(ctx)
					if i%2 == 0 { // the others wait until they have one
						short, stop = context.WithTimeout(ctx, rand.N(100*time.Microsecond))
					}
					err := s.Wait(short)
					stop()
					if err == nil {
						if taken.Add(1) == permits {
							cancel()
						}
					} else if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
						return
					}
				}
			})
		}
		for range permits {
			must(t, s.Post())
		}
		group.Wait()
		if taken.Load() != permits {
			t.Errorf("%v: %d permits were taken of %d", libc, taken.Load(), permits)
		}
		st, err := s.Stat()
		must(t, err)
		if st.Value != 0 || st.Waiters != 0 {
			t.Errorf("%v: at the end it is %+v", libc, st)
		}
	}
}

// TestSemaphoreHolderDies: the permit goes with its holder.
func TestSemaphoreHolderDies(t *testing.T) {
	s := newSemaphore(t, worth(1))
	a := startActor(t)
	a.must("", "sattach %s", s.Name())
	a.must("", "swait %s", s.Name())
	a.Kill()
	refused(t, s.TryWait(), isthmus.ErrEmpty)
	must(t, s.Post()) // whoever knows of the death may give it back
	must(t, s.TryWait())
}

// TestMusl passes a permit between two processes by musl's rules.
func TestMusl(t *testing.T) {
	s := newSemaphore(t, &posix.SemaphoreConfig{Libc: posix.Musl})
	if _, err := os.Stat("/dev/shm" + s.Name()); err != nil {
		t.Error(err)
	}
	a := startActor(t)
	a.must("", "musl")
	a.must("", "sattach %s", s.Name())
	for range 10 {
		a.begin("swait %s", s.Name())
		waiters(t, s, 1)
		must(t, s.Post())
		a.ends("")
		a.must("", "spost %s", s.Name())
		must(t, s.Wait(background))
	}
	mem := make([]byte, 32)
	_, err := posix.NewSemaphore(mem, nil)
	must(t, err)
	_, err = posix.SemaphoreAt(mem, &posix.SemaphoreConfig{Libc: posix.Musl})
	refused(t, err, isthmus.ErrCorrupt)
	_, err = posix.NewSemaphore(mem, &posix.SemaphoreConfig{Libc: 9})
	refused(t, err, errors.ErrUnsupported)
}

// TestSemaphoreAllocations: a permit that is there costs no memory.
func TestSemaphoreAllocations(t *testing.T) {
	s := newSemaphore(t, nil)
	if n := testing.AllocsPerRun(1000, func() {
		_ = s.Post()
		_ = s.Wait(background)
		_ = s.TryWait() // which finds none
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestRaceDetectorSees hands data from one goroutine to another by a semaphore;
// the race detector must not cry.
func TestRaceDetectorSees(t *testing.T) {
	full, free := newSemaphore(t, nil), newSemaphore(t, worth(1))
	data, sum := 0, 0
	go func() {
		for i := range 1000 {
			_ = free.Wait(background)
			data = i
			_ = full.Post()
		}
	}()
	for range 1000 {
		must(t, full.Wait(background))
		sum += data
		must(t, free.Post())
	}
	if sum != 999*1000/2 {
		t.Error(sum)
	}
}
