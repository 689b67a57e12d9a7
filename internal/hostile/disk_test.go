//go:build linux

package hostile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// TestFullDisk plays the roles below, each in a mount namespace with a small
// file system of its own.
func TestFullDisk(t *testing.T) {
	for _, c := range [][]string{
		{"small", "64m"}, {"small", "1m"}, {"inodes"}, {"readonly"}, {"fullpunch"},
	} {
		t.Run(strings.Join(c, " "), func(t *testing.T) {
			if c[0] == "fullpunch" {
				needFaults(t)
			}
			opts := private(t)
			dir := t.TempDir()
			opts.Env = []string{"ISTHMUS_DIR=" + dir}
			p := proctest.Start(t, opts, c[0], append([]string{dir}, c[1:]...)...)
			if out := p.Rest(); out != "" {
				t.Log(out)
			}
			p.Wait()
		})
	}
}

func mount(dir, options string, flags uintptr) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	return nil
}

func free(dir string) int64 {
	var st syscall.Statfs_t
	_ = syscall.Statfs(dir, &st)
	return int64(st.Bavail) * st.Bsize
}

// says complains about an error that does not say all of these, or is not target.
func says(err, target error, words ...string) error {
	if err == nil {
		return errors.New("there was no error")
	}
	if e := typed("open", err); e != nil {
		return e
	}
	if target != errAny && !errors.Is(err, target) {
		return fmt.Errorf("the error is no %v: %w", target, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			return fmt.Errorf("the error does not say %q: %w", w, err)
		}
	}
	return nil
}

// smallDisk asks for more than there is, and then for what there is.
func smallDisk(args []string) error {
	dir, size := args[0], args[1]
	if err := mount(dir, "mode=700,size="+size, 0); err != nil {
		return err
	}
	warm, err := mailbox.Create("warm", &mailbox.Config{MaxMessage: 64, Capacity: mailbox.Bounded(8), Participants: 2})
	if err != nil {
		return err
	}
	defer warm.Close()
	before, was := count(), free(dir)
	for range 20 {
		_, err := mailbox.Create("big", &mailbox.Config{Capacity: mailbox.Bounded(256), MaxMessage: 1 << 20})
		if err := says(err, syscall.ENOSPC, "256 MiB", dir, "free", region.EnvDir, "Capacity", "MaxMessage", "Memory"); err != nil {
			return err
		}
		if !errors.Is(err, region.ErrNoSpace) {
			return fmt.Errorf("no ErrNoSpace: %w", err)
		}
		for _, create := range []func(string, *mailbox.Config) (*mailbox.Mailbox, error){mailbox.Open, mailbox.Create} {
			if _, err := create("big", &mailbox.Config{MaxMessage: 80 << 20}); err == nil {
				return errors.New("80 MiB fit")
			}
		}
	}
	if err := before.unchanged(); err != nil {
		return err
	}
	if now := free(dir); now != was {
		return fmt.Errorf("%d bytes were free, and now %d", was, now)
	}
	if names, _ := mailbox.List(nil); len(names) != 1 {
		return fmt.Errorf("left behind: %q", names)
	}
	return fillDisk(dir)
}

// fillDisk fills the file system up. What was created before has its memory.
func fillDisk(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	cfg := mailbox.Config{Capacity: mailbox.Bounded(16), MaxMessage: 10000}
	m, err := mailbox.Create("before", &cfg)
	if err != nil {
		return err
	}
	defer m.Close()
	u, err := mailbox.Create("unbounded", &mailbox.Config{Capacity: mailbox.Unbounded, MaxMessage: 10000, Memory: 512 << 10})
	if err != nil {
		return err
	}
	defer u.Close()
	if err := fill(dir + "/ballast"); err != nil {
		return err
	}
	for range 100 {
		if err := m.Send(ctx, isthmus.Message{Data: make([]byte, 10000)}); err != nil {
			return err
		}
		if msg, err := m.Receive(ctx); err != nil || len(msg.Data) != 10000 {
			return fmt.Errorf("%d bytes: %w", len(msg.Data), err)
		}
	}
	n, err := mailbox.Attach("before", nil)
	if err != nil {
		return err
	}
	if err := n.Close(); err != nil {
		return err
	}
	for {
		err := u.TrySend(isthmus.Message{Data: make([]byte, 10000)})
		if err != nil {
			return says(err, syscall.ENOSPC, "full", region.EnvDir)
		}
	}
}

// fill writes a file until there is no room left.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, n := range []int{1 << 20, 4096} {
		for err == nil {
			_, err = f.Write(make([]byte, n))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return err
		}
		err = nil
	}
	return nil
}

// fewInodes has room, but not for another file.
func fewInodes(args []string) error {
	dir := args[0]
	if err := mount(dir, "mode=700,size=64m,nr_inodes=3", 0); err != nil {
		return err
	}
	cfg := &mailbox.Config{MaxMessage: 64, Capacity: mailbox.Bounded(8), Participants: 2}
	m, err := mailbox.Create("a", cfg)
	if err != nil {
		return err
	}
	defer m.Close()
	n, err := mailbox.Create("b", cfg)
	if err != nil {
		return err
	}
	before := count()
	for range 20 {
		_, err := mailbox.Create("c", cfg)
		if err := says(err, syscall.ENOSPC, dir, "another file", region.EnvDir); err != nil {
			return err
		}
	}
	if err := before.unchanged(); err != nil {
		return err
	}
	if err := errors.Join(n.Remove(), n.Close()); err != nil {
		return err
	}
	before.files, before.maps = before.files-1, before.maps-1
	if err := before.unchanged(); err != nil { // the inode is free when nobody maps it
		return err
	}
	c, err := mailbox.Create("c", cfg)
	if err != nil {
		return fmt.Errorf("after one was removed: %w", err)
	}
	return c.Close()
}

// readOnlyMount can neither create nor attach, since every receiver writes.
func readOnlyMount(args []string) error {
	dir := args[0]
	if err := mount(dir, "mode=700,size=8m", 0); err != nil {
		return err
	}
	m, err := mailbox.Create("a", &mailbox.Config{MaxMessage: 64})
	if err != nil {
		return err
	}
	defer m.Close()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); !errors.Is(err, syscall.EBUSY) && err != nil {
		return err
	} else if err != nil { // a writable mapping forbids that; another mount of it does not
		if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
			return err
		}
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
			return err
		}
	}
	before := count()
	for range 20 {
		_, err := mailbox.Create("b", nil)
		if err := says(err, syscall.EROFS, dir, region.EnvDir); err != nil {
			return err
		}
		_, err = mailbox.Open("a", nil)
		if err := says(err, syscall.EROFS, dir); err != nil {
			return err
		}
		if err := says(mailbox.Remove("a", nil), syscall.EROFS, dir); err != nil {
			return err
		}
	}
	return before.unchanged()
}

// fullPunch takes the memory of a mailbox away and lets somebody else have it:
// to touch the mailbox is then a fault, although its file has its size.
func fullPunch(args []string) error {
	dir := args[0]
	if err := mount(dir, "mode=700,size=4m", 0); err != nil {
		return err
	}
	m, err := mailbox.Create("box", &mailbox.Config{MaxMessage: 4096, Capacity: mailbox.Bounded(64)})
	if err != nil {
		return err
	}
	st, err := os.Stat(boxPath(dir))
	if err != nil {
		return err
	}
	if err := errors.Join(punch(boxPath(dir), 0, st.Size()), fill(dir+"/ballast")); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := says(m.Send(ctx, isthmus.Message{}), isthmus.ErrCorrupt); err != nil {
		return err
	}
	if _, err := m.Receive(ctx); says(err, isthmus.ErrCorrupt) != nil {
		return says(err, isthmus.ErrCorrupt)
	}
	within(bound, "close", func() { err = m.Close() })
	return typed("close", err)
}

// TestMoreThanMemory asks for 16 TiB, which is not bounded by a file system if
// the mailbox has no name.
func TestMoreThanMemory(t *testing.T) {
	cfg := mailbox.Config{Capacity: mailbox.Bounded(1 << 24), MaxMessage: 1 << 20, Dir: shmDir(t)}
	leakless(t, "huge", func(t *testing.T) {
		for range 20 {
			within(bound, "a huge mailbox", func() {
				if err := says(closed(mailbox.Anonymous(&cfg)), region.ErrNoSpace, "GiB", "available", "Capacity", "MaxMessage", "Memory"); err != nil {
					t.Error(err)
				}
				if err := says(closed(mailbox.Create("huge", &cfg)), region.ErrNoSpace, "GiB", "Capacity"); err != nil {
					t.Error(err)
				}
			})
		}
	})
	if err := empty(cfg.Dir); err != nil {
		t.Error(err)
	}
}
