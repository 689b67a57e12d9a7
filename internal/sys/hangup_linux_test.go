package sys

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ends are the two ends of what a program may have for its standard output.
var ends = map[string]func(t *testing.T) (reader, writer *os.File){
	"pipe": func(t *testing.T) (*os.File, *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		return r, w
	},
	"blocking pipe": func(t *testing.T) (*os.File, *os.File) {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		return os.NewFile(uintptr(p[0]), "r"), os.NewFile(uintptr(p[1]), "w")
	},
	"FIFO": func(t *testing.T) (*os.File, *os.File) {
		path := filepath.Join(t.TempDir(), "fifo")
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		return r, w
	},
	"socket": func(t *testing.T) (*os.File, *os.File) {
		p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return os.NewFile(uintptr(p[0]), "r"), os.NewFile(uintptr(p[1]), "w")
	},
}

func TestHangup(t *testing.T) {
	for name, open := range ends {
		t.Run(name, func(t *testing.T) {
			r, w := open(t)
			defer w.Close()
			watch, err := Hangup(w)
			if err != nil {
				t.Fatal(err)
			}
			defer watch.Close()
			// That a goroutine would not return soon nobody can tell: ask the kernel.
			err = control(watch, func(fd uintptr) error {
				n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
				if n != 0 {
					t.Error("told that the reader is gone, and it is there")
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			told := make(chan error, 1)
			go func() { told <- WaitHangup(watch) }()
			r.Close()
			select {
			case err := <-told:
				if err != nil {
					t.Fatalf("without a reader: %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("not told that the reader is gone")
			}
		})
	}
}

func TestHangupEndsWhenClosed(t *testing.T) {
	r, w := ends["blocking pipe"](t)
	defer r.Close()
	defer w.Close()
	watch, err := Hangup(w)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	go func() { told <- WaitHangup(watch) }()
	watch.Close()
	select {
	case err := <-told:
		if err == nil {
			t.Fatal("told that the reader is gone, and it is there")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the watch goes on after its Close")
	}
}

func TestHangupOfAFile(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if w, err := Hangup(f); !errors.Is(err, errors.ErrUnsupported) || w != nil {
		t.Fatalf("Hangup = %v, %v", w, err)
	}
}
