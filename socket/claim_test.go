//go:build linux

package socket_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/socket"
)

var pathNetworks = []string{socket.Unix, socket.UnixGram, socket.UnixPacket}

// listenRole opens a receiver, says so, and keeps it until its input ends.
func listenRole(args []string) error {
	syscall.Umask(0)
	r, err := socket.OpenReceiver(background, args[0], args[1], nil)
	if err != nil {
		fmt.Println("refused:", errors.Is(err, syscall.EADDRINUSE), err)
		return nil
	}
	fmt.Println("listening")
	_, _ = os.Stdin.Read(make([]byte, 1))
	return r.Close()
}

// spinRole takes the name over and leaves it, again and again.
func spinRole(args []string) error {
	fmt.Println("spinning")
	for {
		r, err := socket.OpenReceiver(background, args[0], args[1], nil)
		if err != nil {
			return err
		}
		if err := r.Close(); err != nil {
			return err
		}
	}
}

func TestStaleIsTakenOver(t *testing.T) {
	for _, network := range pathNetworks {
		path := filepath.Join(shortDir(t), "s")
		p := proctest.Start(t, proctest.Options{}, "listen", network, path)
		p.Expect("listening")
		if _, err := socket.OpenReceiver(background, network, path, nil); !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("%s: while a process listens: %v", network, err)
		}
		p.Kill()
		if _, err := os.Lstat(path); err != nil {
			t.Fatalf("%s: a killed process leaves its file: %v", network, err)
		}
		r, err := socket.OpenReceiver(background, network, path, nil)
		if err != nil {
			t.Fatalf("%s: after kill -9: %v", network, err)
		}
		works(t, network, path, r)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if left, _ := filepath.Glob(filepath.Dir(path) + "/*"); len(left) != 1 || left[0] != path+".lock" {
			t.Errorf("%s: Close leaves %v, want the lock only", network, left)
		}
	}
}

// works sends a message to r.
func works(t *testing.T, network, address string, r *socket.Receiver) {
	t.Helper()
	c, err := socket.Dial(background, network, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.TrySend(text("works")); err != nil {
		t.Fatal(err)
	}
	if m, err := r.TryReceive(); err != nil || string(m.Data) != "works" {
		t.Fatalf("received %q, %v", m.Data, err)
	}
}

// TestForeignListener proves that a live socket of a program that knows nothing
// of the lock is not taken over: one that listens, one whose backlog is full,
// and one that is bound and does not listen yet.
func TestForeignListener(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	refused := func(state string) {
		t.Helper()
		for _, network := range pathNetworks {
			if _, err := socket.OpenReceiver(background, network, path, nil); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("%s, %s: %v", state, network, err)
			}
		}
	}
	refused("bound")
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	refused("listening, backlog full in between")
	refused("listening")
}

// TestLeftovers builds what a kill -9 at each step leaves.
func TestLeftovers(t *testing.T) {
	dead := func(t *testing.T, path string) {
		t.Helper()
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
	}
	for name, leave := range map[string]func(t *testing.T, dir string){
		"locked":         func(t *testing.T, dir string) { touch(t, dir+"/s.lock") },
		"stale":          func(t *testing.T, dir string) { touch(t, dir+"/s.lock"); dead(t, dir+"/s") },
		"moved":          func(t *testing.T, dir string) { dead(t, dir+"/.s.stale") },
		"moved and back": func(t *testing.T, dir string) { dead(t, dir+"/.s.stale"); dead(t, dir+"/s") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			leave(t, dir)
			r, err := socket.OpenReceiver(background, socket.Unix, dir+"/s", nil)
			if err != nil {
				t.Fatal(err)
			}
			works(t, socket.Unix, dir+"/s", r)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(dir + "/.s.stale"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what was moved aside is still there: %v", err)
			}
		})
	}
	t.Run("a live one was moved", func(t *testing.T) {
		dir := shortDir(t)
		l, err := net.Listen("unix", dir+"/.s.stale")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if _, err := socket.Listen(background, socket.Unix, dir+"/s", nil); !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("%v", err)
		}
		c, err := net.Dial("unix", dir+"/s")
		if err != nil {
			t.Fatalf("it has not got its name back: %v", err)
		}
		c.Close()
	})
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStartTogether has several processes start at once on a stale file: one
// gets it.
func TestStartTogether(t *testing.T) {
	for range 5 {
		path := filepath.Join(shortDir(t), "s")
		p := proctest.Start(t, proctest.Options{}, "listen", socket.Unix, path)
		p.Expect("listening")
		p.Kill()
		var procs []*proctest.Proc
		for range 4 {
			procs = append(procs, proctest.Start(t, proctest.Options{}, "listen", socket.Unix, path))
		}
		winners := 0
		for _, p := range procs {
			switch line := p.Line(); {
			case line == "listening":
				winners++
			case !strings.HasPrefix(line, "refused: true"):
				t.Error(line)
			}
		}
		if winners != 1 {
			t.Fatalf("%d processes listen at one path", winners)
		}
		c, err := socket.Dial(background, socket.Unix, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

// TestKilledAnywhere kills a process that takes the name and leaves it in a
// loop, wherever it is. The next one can always begin.
func TestKilledAnywhere(t *testing.T) {
	path := filepath.Join(shortDir(t), "s")
	for range 40 {
		p := proctest.Start(t, proctest.Options{}, "spin", socket.Unix, path)
		p.Expect("spinning")
		time.Sleep(rand.N(3 * time.Millisecond)) // where it is killed is left to chance
		p.Kill()
		r, err := socket.OpenReceiver(background, socket.Unix, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		works(t, socket.Unix, path, r)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHostilePath(t *testing.T) {
	root := os.Geteuid() == 0
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string)
		want    error
		asRoot  bool
	}{
		"a file":          {func(t *testing.T, dir string) { touch(t, dir+"/s") }, fs.ErrExist, false},
		"a link":          {func(t *testing.T, dir string) { symlink(t, dir+"/elsewhere", dir+"/s") }, fs.ErrExist, false},
		"a directory":     {func(t *testing.T, dir string) { check(t, os.Mkdir(dir+"/s", 0o700)) }, fs.ErrExist, false},
		"lock is a link":  {func(t *testing.T, dir string) { symlink(t, dir+"/elsewhere", dir+"/s.lock") }, syscall.ELOOP, false},
		"lock is a FIFO":  {func(t *testing.T, dir string) { check(t, syscall.Mkfifo(dir+"/s.lock", 0o600)) }, fs.ErrPermission, false},
		"open directory":  {func(t *testing.T, dir string) { check(t, os.Chmod(dir, 0o777)) }, fs.ErrPermission, false},
		"no directory":    {func(t *testing.T, dir string) { check(t, os.Remove(dir)) }, fs.ErrNotExist, false},
		"lock of another": {func(t *testing.T, dir string) { touch(t, dir+"/s.lock"); check(t, os.Chown(dir+"/s.lock", 65534, -1)) }, fs.ErrPermission, true},
		"a link count":    {func(t *testing.T, dir string) { touch(t, dir+"/x"); check(t, os.Link(dir+"/x", dir+"/s.lock")) }, fs.ErrPermission, false},
		"of another user": {func(t *testing.T, dir string) {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/s", Net: "unix"})
			check(t, err)
			l.SetUnlinkOnClose(false)
			l.Close()
			check(t, os.Chown(dir+"/s", 65534, -1))
		}, fs.ErrPermission, true},
	} {
		t.Run(name, func(t *testing.T) {
			if c.asRoot && !root {
				t.Skip("NOT PROVEN: another user's file can be made by root only; run as root")
			}
			dir := filepath.Join(shortDir(t), "d")
			check(t, os.Mkdir(dir, 0o700))
			c.prepare(t, dir)
			before, _ := filepath.Glob(dir + "/*")
			_, err := socket.Listen(background, socket.Unix, dir+"/s", nil)
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if _, err := os.Lstat(dir + "/elsewhere"); err == nil {
				t.Error("a link was followed")
			}
			for _, f := range before {
				if _, err := os.Lstat(f); err != nil {
					t.Errorf("%s was removed", f)
				}
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, to, from string) { t.Helper(); check(t, os.Symlink(to, from)) }

// TestMode proves the permissions of the file, and that another user cannot
// connect with those of the default.
func TestMode(t *testing.T) {
	dir := shortDir(t)
	check(t, os.Chmod(dir, 0o755))
	old := syscall.Umask(0o022)
	defer syscall.Umask(old)
	gid := os.Getegid()
	for mode, cfg := range map[fs.FileMode]*socket.Config{
		0o600: nil, 0o660: {Mode: 0o660}, 0o666: {Mode: 0o666}, 0o620: {Mode: 0o620, Group: &gid},
	} {
		for _, network := range pathNetworks {
			r, err := socket.OpenReceiver(background, network, dir+"/s", cfg)
			check(t, err)
			fi, err := os.Lstat(dir + "/s")
			check(t, err)
			if fi.Mode().Perm() != mode {
				t.Errorf("%s: mode is %v, want %v", network, fi.Mode().Perm(), mode)
			}
			check(t, r.Close())
		}
	}
}

// TestNoMomentOfAccess looks at the file from its first moment, in a process
// whose umask lets everything through.
func TestNoMomentOfAccess(t *testing.T) {
	dir := shortDir(t)
	p := proctest.Start(t, proctest.Options{}, "spin-open-umask", socket.Unix, dir+"/s")
	p.Expect("spinning")
	seen := 0
	for end := time.Now().Add(10 * time.Second); seen < 2000 && time.Now().Before(end); {
		if fi, err := os.Lstat(dir + "/s"); err == nil {
			seen++
			if fi.Mode().Perm()&0o077 != 0 {
				t.Fatalf("the file's mode was %v for a moment", fi.Mode().Perm())
			}
		}
	}
	if seen == 0 {
		t.Fatal("the file was never seen")
	}
}

func TestLongPath(t *testing.T) {
	dir := filepath.Join(shortDir(t), strings.Repeat("long", 30), strings.Repeat("path", 30))
	check(t, os.MkdirAll(dir, 0o700))
	for _, network := range pathNetworks {
		path := dir + "/s"
		r, err := socket.OpenReceiver(background, network, path, nil)
		check(t, err)
		works(t, network, path, r)
		if r.Name() != network+":"+path {
			t.Errorf("its name is %s", r.Name())
		}
		check(t, r.Close())
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Close leaves the file: %v", err)
		}
	}
	_, err := socket.Listen(background, socket.Unix, filepath.Join(dir, strings.Repeat("n", 120)), nil)
	if !errors.Is(err, syscall.ENAMETOOLONG) {
		t.Errorf("a name of 120 bytes: %v", err)
	}
	if _, err := socket.Dial(background, socket.Unix, "@"+strings.Repeat("n", 108), nil); !errors.Is(err, syscall.ENAMETOOLONG) {
		t.Errorf("an abstract name of 108 bytes: %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	dir := shortDir(t)
	if _, err := socket.Dial(background, socket.Unix, dir+"/none", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/s", Net: "unix"})
	check(t, err)
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := socket.Dial(background, socket.Unix, dir+"/s", nil); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a stale file: %v", err)
	}
}
