//go:build linux && interop

package posix

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/posix"
)

// pair is two queues, or two semaphores, in the manner of ping and of echo.
type pair struct {
	exchange func() error // there and back
	answer   func() error // from there and back
}

// sizes are those of the messages, in bytes. The larger one needs
// fs.mqueue.msgsize_max, or privilege.
var sizes = []int{64, 64 << 10}

// BenchmarkQueue measures a round trip between two processes over two queues.
// Run it by taskset -c 0 for one CPU.
func BenchmarkQueue(b *testing.B) {
	for _, size := range sizes {
		for _, way := range []string{"c", "blocking", "polling"} {
			b.Run(fmt.Sprintf("%s/%d", way, size), func(b *testing.B) {
				there, back := benchQueue(b, size), benchQueue(b, size)
				if way == "c" {
					benchC(b, "mq", there, back, size)
					return
				}
				benchGo(b, way, there, back, size)
			})
		}
		b.Run(fmt.Sprintf("pipe/%d", size), func(b *testing.B) { benchGo(b, "pipe", "", "", size) })
	}
}

// BenchmarkSemaphore measures a post there and a post back.
func BenchmarkSemaphore(b *testing.B) {
	for _, way := range []string{"c", "semaphore"} {
		b.Run(way, func(b *testing.B) {
			there, back := benchSemaphore(b), benchSemaphore(b)
			if way == "c" {
				benchC(b, "sem", there, back, 0)
				return
			}
			benchGo(b, way, there, back, 0)
		})
	}
}

func benchQueue(b *testing.B, size int) string {
	q, err := posix.CreateQueue(newName(), &posix.QueueConfig{MaxMessages: 2, MaxMessage: size})
	if errors.Is(err, syscall.EINVAL) {
		b.Skipf("NOT MEASURED: %v; in a namespace of its own: unshare -i sh -c 'echo 65536 > /proc/sys/fs/mqueue/msgsize_max; go test …'", err)
	}
	must(b, err)
	b.Cleanup(func() { _ = posix.RemoveQueue(q.Name()); _ = q.Close() })
	return q.Name()
}

func benchSemaphore(b *testing.B) string {
	s, err := posix.CreateSemaphore(newName(), nil)
	must(b, err)
	b.Cleanup(func() { _ = posix.RemoveSemaphore(s.Name(), nil); _ = s.Close() })
	return s.Name()
}

func report(b *testing.B, median, p99 float64) {
	b.ReportMetric(median, "ns/median")
	b.ReportMetric(p99, "ns/p99")
}

func benchC(b *testing.B, kind, there, back string, size int) {
	program := compile(b, "gcc", "bench.c")
	args := func(role string) []string {
		return []string{kind, there, back, strconv.Itoa(size), strconv.Itoa(b.N), role}
	}
	echo := exec.Command(program, args("echo")...)
	must(b, echo.Start())
	out, err := exec.Command(program, args("ping")...).Output()
	must(b, err)
	must(b, echo.Wait())
	var median, p99 float64
	_, err = fmt.Sscan(string(out), &median, &p99)
	must(b, err)
	report(b, median, p99)
}

func benchGo(b *testing.B, way, there, back string, size int) {
	var opts proctest.Options
	var files [2]*os.File
	if way == "pipe" {
		var theirs [2]*os.File
		var err error
		theirs[0], files[1], err = os.Pipe()
		must(b, err)
		files[0], theirs[1], err = os.Pipe()
		must(b, err)
		opts.Files = theirs[:]
		defer files[0].Close()
		defer files[1].Close()
	}
	echo := proctest.Start(b, opts, "echo", way, there, back, strconv.Itoa(size), strconv.Itoa(b.N))
	for _, f := range opts.Files {
		_ = f.Close()
	}
	p, err := open(way, there, back, size, files)
	must(b, err)
	echo.Expect("ready")
	took := make([]time.Duration, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range took {
		began := time.Now()
		if err := p.exchange(); err != nil {
			b.Fatal(err)
		}
		took[i] = time.Since(began)
	}
	b.StopTimer()
	echo.Wait()
	slices.Sort(took)
	report(b, float64(took[len(took)/2]), float64(took[len(took)*99/100]))
}

func echoRole(args []string) error {
	size, _ := strconv.Atoi(args[3])
	count, _ := strconv.Atoi(args[4])
	var files [2]*os.File
	if args[0] == "pipe" {
		files = [2]*os.File{os.NewFile(3, "in"), os.NewFile(4, "out")}
	}
	p, err := open(args[0], args[1], args[2], size, files)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for range count {
		if err := p.answer(); err != nil {
			return err
		}
	}
	return nil
}

func open(way, there, back string, size int, files [2]*os.File) (pair, error) {
	buf := make([]byte, size)
	switch way {
	case "pipe":
		read := func() error { _, err := io.ReadFull(files[0], buf); return err }
		write := func() error { _, err := files[1].Write(buf); return err }
		return pair{both(write, read), both(read, write)}, nil
	case "semaphore":
		s, err := posix.AttachSemaphore(there, nil)
		if err != nil {
			return pair{}, err
		}
		r, err := posix.AttachSemaphore(back, nil)
		wait := func(s *posix.Semaphore) func() error { return func() error { return s.Wait(background) } }
		return pair{both(s.Post, wait(r)), both(wait(s), r.Post)}, err
	}
	cfg := &posix.QueueConfig{Blocking: way == "blocking"}
	q, err := posix.AttachQueue(there, cfg)
	if err != nil {
		return pair{}, err
	}
	r, err := posix.AttachQueue(back, cfg)
	send := func(q *posix.Queue) func() error {
		return func() error { return q.Send(background, isthmus.Message{Data: buf}) }
	}
	receive := func(q *posix.Queue) func() error {
		return func() error { _, err := q.ReceiveInto(background, buf); return err }
	}
	return pair{both(send(q), receive(r)), both(receive(q), send(r))}, err
}

func both(first, second func() error) func() error {
	return func() error {
		if err := first(); err != nil {
			return err
		}
		return second()
	}
}
