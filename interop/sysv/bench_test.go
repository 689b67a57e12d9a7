//go:build linux && interop

package sysv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
	"github.com/isthmus-ipc/isthmus/internal/sys"
	"github.com/isthmus-ipc/isthmus/sysv"
)

// BenchmarkRoundTrip is a round trip of a message between two processes, in an
// IPC namespace that allows large ones: in C, in Go, in Go
// by the bare system calls, and in Go through a pipe.
// With taskset -c 0 it is one on one CPU. The metric is the median.
func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{64, 64 << 10} {
		for _, way := range []string{"C", "Go", "GoWithCancel", "GoRaw", "Pipe"} {
			b.Run(fmt.Sprintf("%d/%s", size, way), func(b *testing.B) { exchange(b, "queue", way, size) })
		}
	}
}

// BenchmarkSemaphores is the same with two semaphores.
func BenchmarkSemaphores(b *testing.B) {
	for _, way := range []string{"C", "Go"} {
		b.Run(way, func(b *testing.B) { exchange(b, "set", way, 0) })
	}
}

func exchange(b *testing.B, kind, way string, size int) {
	exe := "/proc/self/exe"
	if way == "C" {
		exe = cProgram(b, "bench")
	}
	count := max(b.N, 100)
	b.ResetTimer()
	p := proctest.Start(b, proctest.Options{Attr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWIPC}},
		"arena", kind, way, exe, strconv.Itoa(count), strconv.Itoa(size))
	median, err := strconv.Atoi(p.Line())
	p.Wait()
	b.StopTimer()
	must(b, err)
	b.ReportMetric(float64(median), "ns/median")
}

func init() {
	roles["arena"] = arena
	roles["end"] = end
}

// arena is the namespace: it makes the object, and starts the two ends.
func arena(args []string) error {
	kind, way, exe, count, size := args[0], args[1], args[2], args[3], args[4]
	for name, value := range map[string]string{"msgmax": "131072", "msgmnb": "262144"} {
		if err := os.WriteFile("/proc/sys/kernel/"+name, []byte(value), 0); err != nil {
			return err
		}
	}
	q, err := sysv.CreateQueue(sysv.Private, nil)
	if err != nil {
		return err
	}
	s, err := sysv.CreateSemaphoreSet(sysv.Private, 2, nil)
	if err != nil {
		return err
	}
	id := map[string]int{"queue": q.ID(), "set": s.ID()}[kind]
	there, back, err := pipes()
	if err != nil {
		return err
	}
	words := func(role string) *exec.Cmd {
		c := exec.Command(exe, kind, strconv.Itoa(id), count, size, role)
		c.Env = append(os.Environ(), "ISTHMUS_TEST_ROLE=end", "ISTHMUS_BENCH="+way)
		c.Stderr = os.Stderr
		return c
	}
	answer, ask := words("answer"), words("ask")
	answer.ExtraFiles = []*os.File{there[0], back[1]}
	ask.ExtraFiles = []*os.File{back[0], there[1]}
	ask.Stdout = os.Stdout
	if err := answer.Start(); err != nil {
		return err
	}
	return errors.Join(ask.Run(), answer.Wait())
}

func pipes() (there, back [2]*os.File, err error) {
	if there[0], there[1], err = os.Pipe(); err == nil {
		back[0], back[1], err = os.Pipe()
	}
	return there, back, err
}

// end is one of the two, as testdata/bench.c.
func end(args []string) error {
	id, _ := strconv.Atoi(args[1])
	count, _ := strconv.Atoi(args[2])
	size, _ := strconv.Atoi(args[3])
	asks := args[4] == "ask"
	give, take, err := ways(os.Getenv("ISTHMUS_BENCH"), args[0], id, size)
	if err != nil {
		return err
	}
	took := make([]time.Duration, count)
	for i := range took {
		began := time.Now()
		if asks {
			err = errors.Join(give(0), take(1))
		} else {
			err = errors.Join(take(0), give(1))
		}
		if err != nil {
			return err
		}
		took[i] = time.Since(began)
	}
	if asks {
		slices.Sort(took)
		fmt.Println(took[count/2].Nanoseconds())
	}
	return nil
}

func ways(way, kind string, id, size int) (give, take func(int) error, err error) {
	ctx := background
	if strings.HasSuffix(way, "WithCancel") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		_ = cancel // by the end of the process
	}
	buf := make([]byte, size)
	into := make([]byte, size+8) // see Queue.ReceiveInto
	if way == "Pipe" {
		in, out := os.NewFile(3, "in"), os.NewFile(4, "out")
		return func(int) error { _, err := out.Write(buf); return err },
			func(int) error { _, err := io.ReadFull(in, buf); return err }, nil
	}
	if way == "GoRaw" { // the floor: nothing could end such a wait
		msg := make([]byte, sys.MsgHeader+size)
		return func(i int) error { sys.PutType(msg, int64(i)+1); return sys.Msgsnd(id, msg, 0) },
			func(i int) error { _, err := sys.Msgrcv(id, msg, int64(i)+1, 0); return err }, nil
	}
	if kind == "set" {
		s, err := sysv.SemaphoreSetByID(id)
		return func(i int) error { return s.Operate(ctx, sysv.Operation{Index: i, Delta: 1}) },
			func(i int) error { return s.Operate(ctx, sysv.Operation{Index: i, Delta: -1}) }, err
	}
	q, err := sysv.QueueByID(id)
	return func(i int) error { return q.Send(ctx, isthmus.Message{Type: int64(i) + 1, Data: buf}) },
		func(i int) error {
			_, err := q.ReceiveSelected(ctx, sysv.Selection{Type: int64(i) + 1}, into)
			return err
		}, err
}
