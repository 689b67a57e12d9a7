//go:build linux

package socket_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/socket"
)

// memory is an open file that holds a text.
func memory(t testing.TB, s string) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "f")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString(s); err != nil {
		t.Fatal(err)
	}
	return f
}

func contents(t testing.TB, f *os.File) string {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// openFDs is how many descriptors this process has.
func openFDs(t testing.TB) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

func pair(t testing.TB, network string, cfg *socket.Config) (a, b *socket.Conn) {
	t.Helper()
	a, b, err := socket.Pair(network, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestFiles(t *testing.T) {
	for _, network := range pathNetworks {
		t.Run(network, func(t *testing.T) {
			a, b := pair(t, network, &socket.Config{Files: 3})
			x, y := memory(t, "x"), memory(t, "y")
			// Messages with and without descriptors are in the buffer at once:
			// each must get its own.
			check(t, a.TrySend(text("plain")))
			check(t, a.SendFiles(background, text("both"), x, y))
			check(t, a.TrySend(text("plain")))
			check(t, a.SendFiles(background, text(""), y))
			check(t, a.SendFiles(background, text(strings.Repeat("long", 5000)), x))
			x.Close() // it went by a descriptor of its own
			for i, want := range [][]string{nil, {"x", "y"}, nil, {"y"}, {"x"}} {
				m, files, err := b.ReceiveFiles(background)
				if err != nil {
					t.Fatalf("message %d, %q: %v", i, m.Data, err)
				}
				var got []string
				for _, f := range files {
					got = append(got, contents(t, f))
					if flags, _, e := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), syscall.F_GETFD, 0); e != 0 || flags&syscall.FD_CLOEXEC == 0 {
						t.Errorf("a received descriptor would survive exec")
					}
					f.Close()
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("message %d, %q: files %q, want %q", i, m.Data, got, want)
				}
			}
		})
	}
}

// TestFilesNobodyTakes proves that descriptors are closed that were cut, or that
// the receiver did not ask for, and that it is told.
func TestFilesNobodyTakes(t *testing.T) {
	for _, network := range pathNetworks {
		t.Run(network, func(t *testing.T) {
			x := memory(t, "x")
			a, none := pair(t, network, nil)
			c, two := pair(t, network, &socket.Config{Files: 2})
			// The poller's own descriptors are open from here on.
			before := openFDs(t)
			check(t, a.SendFiles(background, text("one"), x))
			if m, files, err := none.ReceiveFiles(background); !errors.Is(err, socket.ErrFilesCut) || files != nil || string(m.Data) != "one" {
				t.Errorf("with room for none: %q, %v, %v", m.Data, files, err)
			}
			check(t, c.SendFiles(background, text("three"), x, x, x))
			if m, files, err := two.ReceiveFiles(background); !errors.Is(err, socket.ErrFilesCut) || files != nil || string(m.Data) != "three" {
				t.Errorf("with room for two: %q, %v, %v", m.Data, files, err)
			}
			check(t, c.SendFiles(background, text("ignored"), x, x))
			if m, err := two.Receive(background); err != nil || string(m.Data) != "ignored" {
				t.Errorf("by Receive: %q, %v", m.Data, err)
			}
			if n := two.Stats().FilesClosed; n != 2 {
				t.Errorf("FilesClosed is %d, want 2", n)
			}
			check(t, c.SendFiles(background, text("left"), x, x))
			check(t, a.Close())
			check(t, none.Close())
			if _, err := two.ReceiveInto(background, nil); !errors.Is(err, isthmus.ErrTooLarge) {
				t.Errorf("%v", err)
			}
			check(t, c.Close())
			check(t, two.Close())
			if after := openFDs(t); after > before-4 {
				t.Errorf("%d descriptors are open, before it were %d, and 4 of them are closed", after, before)
			}
		})
	}
}

func TestFilesLimits(t *testing.T) {
	a, b := pair(t, socket.Unix, &socket.Config{Files: 253})
	x := memory(t, "x")
	many := make([]*os.File, 254)
	for i := range many {
		many[i] = x
	}
	if err := a.SendFiles(background, text(""), many...); !errors.Is(err, isthmus.ErrTooLarge) || !strings.Contains(err.Error(), "SCM_MAX_FD") {
		t.Errorf("254 descriptors: %v", err)
	}
	check(t, a.SendFiles(background, text(""), many[:253]...))
	_, files, err := b.ReceiveFiles(background)
	if err != nil || len(files) != 253 {
		t.Errorf("received %d descriptors, %v", len(files), err)
	}
	for _, f := range files {
		f.Close()
	}
	if _, _, err := socket.Pair(socket.Unix, &socket.Config{Files: 254}); err == nil {
		t.Error("Config.Files of 254 is accepted")
	}
	c, err := net2(t)
	check(t, err)
	if err := c.SendFiles(background, text(""), x); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("over TCP: %v", err)
	}
}

// net2 is a TCP connection to nobody in particular.
func net2(t *testing.T) (*socket.Conn, error) {
	t.Helper()
	l, err := socket.Listen(background, socket.TCP, "127.0.0.1:0", nil)
	check(t, err)
	t.Cleanup(func() { l.Close() })
	c, err := socket.Dial(background, socket.TCP, strings.TrimPrefix(l.Name(), "tcp:"), nil)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// scarceRole receives descriptors where there is none left for them.
func scarceRole(args []string) error {
	r, err := socket.OpenReceiver(background, args[0], args[1], &socket.Config{Files: 4})
	if err != nil {
		return err
	}
	fmt.Println("listening")
	m, err := r.ReceiveRequest(background) // the connection is accepted
	if err != nil || m.FilesCut || len(m.Files) != 4 {
		return fmt.Errorf("first: %v, %v", m, err)
	}
	for _, f := range m.Files {
		f.Close()
	}
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return err
	}
	// Two are free: others are taken first, up to the highest number in use.
	var taken []*os.File
	lim.Cur = 64
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return err
	}
	for {
		f, err := os.Open("/dev/null")
		if errors.Is(err, syscall.EMFILE) {
			break
		}
		if err != nil {
			return err
		}
		taken = append(taken, f)
	}
	taken[0].Close()
	taken[1].Close()
	fmt.Println("scarce")
	m, err = r.ReceiveRequest(background)
	if err != nil {
		return err
	}
	fmt.Printf("%s cut=%v files=%d\n", m.Data, m.FilesCut, len(m.Files))
	for range 2 { // the two that came were closed again
		f, err := os.Open("/dev/null")
		if err != nil {
			return fmt.Errorf("descriptors leak: %w", err)
		}
		taken = append(taken, f)
	}
	fmt.Println("starved")
	if m, err = r.ReceiveRequest(background); err == nil {
		return fmt.Errorf("%s: a connection was accepted without a descriptor", m.Data)
	}
	fmt.Println(errors.Is(err, syscall.EMFILE), strings.Contains(err.Error(), "RLIMIT_NOFILE"))
	taken[2].Close()
	if m, err = r.ReceiveRequest(background); err != nil {
		return err
	}
	fmt.Printf("%s\n", m.Data)
	return r.Close()
}

// TestFilesWithoutRoom proves what becomes of descriptors, and of connections,
// at RLIMIT_NOFILE.
func TestFilesWithoutRoom(t *testing.T) {
	for _, network := range []string{socket.Unix, socket.UnixPacket} {
		path := filepath.Join(shortDir(t), "s")
		p := proctest.Start(t, proctest.Options{}, "scarce", network, path)
		p.Expect("listening")
		c, err := socket.Dial(background, network, path, nil)
		check(t, err)
		defer c.Close()
		x := memory(t, "x")
		check(t, c.SendFiles(background, text("first"), x, x, x, x))
		p.Expect("scarce")
		check(t, c.SendFiles(background, text("second"), x, x, x, x))
		p.Expect("second cut=true files=0")
		p.Expect("starved")
		d, err := socket.Dial(background, network, path, nil)
		check(t, err)
		defer d.Close()
		check(t, d.TrySend(text("third")))
		p.Expect("true true")
		p.Expect("third")
		p.Wait()
	}
}
