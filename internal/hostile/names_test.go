//go:build linux

package hostile

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/sys"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// openers are the calls that take a name.
var openers = map[string]func(name string, c *mailbox.Config) error{
	"create": func(name string, c *mailbox.Config) error { return closed(mailbox.Create(name, c)) },
	"open":   func(name string, c *mailbox.Config) error { return closed(mailbox.Open(name, c)) },
	"attach": func(name string, c *mailbox.Config) error { return closed(mailbox.Attach(name, c)) },
	"remove": mailbox.Remove,
}

func closed(m *mailbox.Mailbox, err error) error {
	if err == nil {
		err = m.Close()
	}
	return err
}

func TestBadNames(t *testing.T) {
	cfg := &mailbox.Config{Dir: shmDir(t)}
	leakless(t, "names", func(t *testing.T) {
		for _, name := range []string{
			"", ".", "..", "../x", "a/b", "/", "/etc/passwd", "a\x00b", "\x00", strings.Repeat("x", 300), strings.Repeat("ä", 51),
			"\xff\xfe", "a\xc3", ".hidden", "-rf", " ", "a b", "a\nb", "a\tb", "a\u00a0b", "a\u2028b", "a\u200bb", "\u202egpj", "\x7f", "\x1b[31m",
		} {
			for op, open := range openers {
				err := open(name, cfg)
				if err := says(err, region.ErrName, "a name is 1 to 100 bytes"); err != nil {
					t.Errorf("%s %q: %v", op, name, err)
				}
				if err != nil && len(err.Error()) > 600 {
					t.Errorf("%s %q: the error has %d bytes", op, name, len(err.Error()))
				}
			}
		}
	})
	for _, name := range []string{"a", "ö", "世界", "a.b", "a-b", "a:b", "%s", "*", "~", strings.Repeat("x", 100)} {
		if err := openers["open"](name, cfg); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if err := openers["remove"](name, cfg); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := empty(cfg.Dir); err != nil {
		t.Error(err)
	}
}

// inTheWay puts other things in the place of a mailbox's file, and says what
// the error should.
var inTheWay = map[string]struct {
	put  func(path string) error
	is   error
	says string
}{
	"link":          {func(p string) error { return os.Symlink("/etc/passwd", p) }, region.ErrUntrusted, "symbolic link"},
	"dangling link": {func(p string) error { return os.Symlink("/nowhere/at/all", p) }, region.ErrUntrusted, "symbolic link"},
	"loop":          {func(p string) error { return os.Symlink(p, p) }, region.ErrUntrusted, "symbolic link"},
	"fifo":          {func(p string) error { return syscall.Mkfifo(p, 0o600) }, region.ErrUntrusted, "not a regular file"},
	"directory":     {func(p string) error { return os.Mkdir(p, 0o700) }, region.ErrUntrusted, "not a regular file"},
	"socket": {func(p string) error {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p, Net: "unix"})
		if err == nil {
			l.SetUnlinkOnClose(false)
			err = l.Close()
		}
		return err
	}, region.ErrUntrusted, "not a regular file"},
	"empty file": {func(p string) error { return os.WriteFile(p, nil, 0o600) }, isthmus.ErrCorrupt, "0 bytes"},
	"text":       {func(p string) error { return os.WriteFile(p, make([]byte, 5000), 0o600) }, isthmus.ErrCorrupt, "magic"},
	"huge":       {func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Truncate(p, 1<<50)) }, isthmus.ErrCorrupt, "bytes"},
}

func TestInTheWay(t *testing.T) {
	for name, c := range inTheWay {
		t.Run(name, func(t *testing.T) {
			cfg := &mailbox.Config{Dir: shmDir(t), MaxMessage: 64}
			if err := c.put(boxPath(cfg.Dir)); err != nil {
				t.Fatal(err)
			}
			before := count()
			for _, op := range []string{"create", "open", "attach"} {
				within(bound, op, func() {
					err := openers[op]("box", cfg)
					if op == "create" {
						err = says(err, fs.ErrExist)
					} else {
						err = says(err, c.is, c.says)
					}
					if err != nil {
						t.Errorf("%s: %v", op, err)
					}
				})
			}
			if names, err := os.ReadDir(cfg.Dir); err != nil || len(names) != 1 {
				t.Errorf("%v: %v", names, err)
			}
			// A file of one's own that is spoilt can be removed; what is no file cannot.
			if err := mailbox.Remove("box", cfg); (err == nil) != (c.is == isthmus.ErrCorrupt) {
				t.Errorf("remove: %v", err)
			}
			if err := before.unchanged(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBadDirectories(t *testing.T) {
	base := shmDir(t)
	for name, c := range map[string]struct {
		put  func(path string) error
		is   error
		says string
	}{
		"link":           {func(p string) error { return os.Symlink(base, p) }, region.ErrUntrusted, "symbolic link"},
		"dangling link":  {func(p string) error { return os.Symlink(base+"/none", p) }, region.ErrUntrusted, "symbolic link"},
		"file":           {func(p string) error { return os.WriteFile(p, nil, 0o600) }, syscall.ENOTDIR, region.EnvDir},
		"fifo":           {func(p string) error { return syscall.Mkfifo(p, 0o600) }, syscall.ENOTDIR, region.EnvDir},
		"world-writable": {func(p string) error { return errors.Join(os.Mkdir(p, 0o700), os.Chmod(p, 0o777)) }, region.ErrUntrusted, "chmod"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := &mailbox.Config{Dir: base + "/" + strings.ReplaceAll(name, " ", "-"), MaxMessage: 64}
			if err := c.put(cfg.Dir); err != nil {
				t.Fatal(err)
			}
			before := count()
			for op, open := range openers {
				if err := says(open("box", cfg), c.is, c.says, cfg.Dir); err != nil {
					t.Errorf("%s: %v", op, err)
				}
			}
			if err := before.unchanged(); err != nil {
				t.Error(err)
			}
		})
	}
	cfg := &mailbox.Config{Dir: base + "/none/below"}
	for op, open := range openers {
		if err := says(open("box", cfg), fs.ErrNotExist, cfg.Dir); err != nil {
			t.Errorf("%s: %v", op, err)
		}
	}
}

// TestStrangers has files and directories of another user, and is another user.
func TestStrangers(t *testing.T) {
	needRoot(t)
	dir := shmDir(t)
	if err := os.Chown(dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	for op, open := range openers {
		if err := says(open("box", &mailbox.Config{Dir: dir}), fs.ErrPermission, dir, "user 12345", region.EnvDir); err != nil {
			t.Errorf("%s: %v", op, err)
		}
	}
	proctest.Start(t, proctest.Options{}, "stranger", shmDir(t)).Wait()
}

// stranger becomes a user without rights, and meets what root has.
func stranger(args []string) error {
	base := args[0]
	if err := os.Chmod(base, 0o755); err != nil {
		return err
	}
	const me, other = 23456, 34567
	dirs := map[string]int{"roots": 0, "mine": me, "others": other}
	for name, uid := range dirs {
		if err := errors.Join(os.Mkdir(base+"/"+name, 0o755), os.Chown(base+"/"+name, uid, -1)); err != nil {
			return err
		}
	}
	for path, uid := range map[string]int{"/roots/mailbox.box": 0, "/mine/mailbox.box": other, "/mine/mailbox.open": other} {
		mode := fs.FileMode(0o600)
		if strings.HasSuffix(path, "open") {
			mode = 0o666
		}
		if err := errors.Join(os.WriteFile(base+path, make([]byte, 8192), mode), os.Chmod(base+path, mode), os.Chown(base+path, uid, -1)); err != nil {
			return err
		}
	}
	own := "/dev/shm/isthmus-" + strconv.Itoa(me)
	if err := errors.Join(os.Mkdir(own, 0o750), os.Chmod(own, 0o750), os.Chown(own, me, me)); err != nil {
		return err
	}
	defer os.Remove(own)
	if err := errors.Join(syscall.Setgid(me), syscall.Setuid(me)); err != nil {
		return err
	}
	before := count()
	err := errors.Join(
		says(openers["create"]("new", &mailbox.Config{Dir: base + "/roots"}), fs.ErrPermission, region.EnvDir),
		says(openers["attach"]("box", &mailbox.Config{Dir: base + "/roots"}), fs.ErrPermission, "/roots/mailbox.box"),
		says(openers["attach"]("box", &mailbox.Config{Dir: base + "/mine"}), fs.ErrPermission, "/mine/mailbox.box"),
		says(openers["attach"]("open", &mailbox.Config{Dir: base + "/mine"}), region.ErrUntrusted, "user 34567"),
		says(openers["create"]("new", &mailbox.Config{Dir: base + "/others"}), region.ErrUntrusted, "user 34567"),
		says(openers["create"]("new", &mailbox.Config{Dir: own}), region.ErrUntrusted, "0750", "chmod 0700"),
	)
	return errors.Join(err, before.unchanged())
}

// TestStuckRemoval has a process that was stopped while it removed a mailbox:
// the file is marked, its name is there, and its token is taken. Others get an
// error that says so; they do not go round and round.
func TestStuckRemoval(t *testing.T) {
	cfg := mailbox.Config{Dir: shmDir(t), MaxMessage: 64}
	_ = create(t, cfg)
	f, err := os.OpenFile(boxPath(cfg.Dir), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if ok, err := sys.LockToken(f, 0); !ok || err != nil {
		t.Fatal(ok, err)
	}
	*word32(mapped(t, boxPath(cfg.Dir)), removedAt) = 1
	for _, op := range []string{"open", "attach"} {
		within(bound, op, func() {
			if err := says(openers[op]("box", &cfg), errAny, "its name is still there"); err != nil {
				t.Errorf("%s: %v", op, err)
			}
		})
	}
	if err := sys.UnlockToken(f, 0); err != nil {
		t.Fatal(err)
	}
	if err := openers["open"]("box", &cfg); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// errAny stands for any error.
var errAny = errors.New("any error")

// TestStaleClaim ends a claim twice through a copy, after another handle has
// claimed another message in the same slot: that is not the stale one's to end.
func TestStaleClaim(t *testing.T) {
	cfg := mailbox.Config{Dir: shmDir(t), Capacity: mailbox.Bounded(1), MaxMessage: 64, Participants: 2}
	m, n := create(t, cfg), attach(t, cfg)
	claim := func(m *mailbox.Mailbox) mailbox.Claim {
		if err := m.Send(context.Background(), isthmus.Message{}); err != nil {
			t.Fatal(err)
		}
		c, err := m.Claim(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := claim(m)
	stale := c
	if err := c.Ack(); err != nil {
		t.Fatal(err)
	}
	d := claim(n)
	for name, end := range map[string]func() error{"ack": stale.Ack, "return": stale.Return} {
		if err := end(); !errors.Is(err, mailbox.ErrSettled) {
			t.Errorf("stale %s: %v", name, err)
		}
	}
	if err := d.Ack(); err != nil {
		t.Errorf("the other one's ack: %v", err)
	}
}
