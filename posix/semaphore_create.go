package posix

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// bytes are those of a new semaphore.
func (c *SemaphoreConfig) bytes() ([]byte, error) {
	if c.Value < 0 || c.Value > MaxValue {
		return nil, &explained{text: fmt.Sprintf("a value of %d: it is from 0 to %d", c.Value, MaxValue), errno: syscall.EINVAL}
	}
	return c.Libc.fresh(uint32(c.Value))
}

// make creates a named semaphore. Nobody can meet half of one: a file without a
// name, or with a temporary one (as glibc does it), gets its bytes and then, by
// link(2), its name.
func (c *SemaphoreConfig) make(name string) (*Semaphore, error) {
	file, err := semaphoreName(name, c.Libc)
	if err != nil {
		return nil, err
	}
	b, err := c.bytes()
	if err != nil {
		return nil, err
	}
	dir, err := sys.OpenDir(shmDir + "/.") // "/.": glibc follows a link there, too
	if err != nil {
		return nil, bare(err)
	}
	defer dir.Close()
	mode := c.Mode
	if mode == 0 {
		mode = 0o600
	}
	f, publish, err := unnamed(dir, mode)
	if err != nil {
		return nil, explainShm(bare(err))
	}
	defer f.Close()
	if _, err := f.WriteAt(b, 0); err != nil {
		_ = publish("")
		return nil, noRoom(bare(err))
	}
	if err := publish(file); err != nil {
		return nil, bare(err)
	}
	return openSemaphore(f, name, c.Libc)
}

func noRoom(err error) error {
	if sys.IsNoSpace(err) {
		return &explained{text: shmDir + " is full: remove something, or mount it with a larger size=", errno: syscall.ENOSPC}
	}
	return err
}

// unnamed makes a file that publish gives its name; publish("") gives it up.
func unnamed(dir *sys.Dir, mode fs.FileMode) (f *os.File, publish func(name string) error, err error) {
	if f, err = dir.Temp(mode); err == nil {
		return f, func(name string) error {
			if name == "" {
				return nil
			}
			return dir.Link(f, name)
		}, nil
	}
	if !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EISDIR) {
		return nil, nil, err
	}
	for range 100 {
		temp := semPrefix + rand.Text()[:6]
		f, err = dir.Create(temp, mode)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		return f, func(name string) error {
			defer func() { _ = dir.Unlink(temp) }()
			if name == "" {
				return nil
			}
			return dir.LinkEntry(temp, name)
		}, err
	}
	return nil, nil, err
}
