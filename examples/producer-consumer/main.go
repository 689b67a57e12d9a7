// Command producer-consumer is the oldest problem of cooperating processes:
// producers make items, consumers use them up, and between them is a buffer
// with room for a few. Here each is a real process and the buffer is a mailbox.
//
//	go run ./examples/producer-consumer -producers 2 -consumers 3 -items 1000
//
// Whoever has no room waits, and so does whoever has nothing to do: no process
// polls, and no item is lost or used twice.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// The types of the messages.
const (
	item   = iota // eight bytes: a number
	finish        // tells one consumer that there is nothing more
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "producer-consumer:", err)
		os.Exit(1)
	}
}

// run is the parent process, or one of its children: those are started with a
// role, the mailbox's directory, and what else they need.
func run(args []string, out io.Writer) error {
	switch {
	case len(args) == 4 && args[0] == "produce":
		return produce(args[1], args[2], args[3])
	case len(args) == 2 && args[0] == "consume":
		return consume(args[1], out)
	}
	return supervise(args, out)
}

// produce sends the numbers from first up to end, without end.
func produce(dir, first, end string) error {
	from, err1 := strconv.Atoi(first)
	to, err2 := strconv.Atoi(end)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	box, err := mailbox.Attach("items", &mailbox.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer box.Close()
	for n := from; n < to; n++ {
		data := binary.LittleEndian.AppendUint64(nil, uint64(n))
		if err := box.Send(context.Background(), isthmus.Message{Type: item, Data: data}); err != nil {
			return err
		}
	}
	return nil
}

// consume adds up the numbers that it receives, and reports when it is told to
// finish.
func consume(dir string, out io.Writer) error {
	box, err := mailbox.Attach("items", &mailbox.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer box.Close()
	count, sum := 0, uint64(0)
	for msg, err := range box.Messages(context.Background()) {
		if err != nil {
			return err
		}
		if msg.Type == finish {
			break
		}
		count++
		sum += binary.LittleEndian.Uint64(msg.Data)
	}
	_, err = fmt.Fprintln(out, count, sum)
	return err
}

// supervise makes the mailbox, starts the processes, and adds up what the
// consumers report.
func supervise(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("producer-consumer", flag.ContinueOnError)
	producers := flags.Int("producers", 2, "producers to start")
	consumers := flags.Int("consumers", 3, "consumers to start")
	items := flags.Int("items", 1000, "items that each producer makes")
	room := flags.Int("room", 8, "items that the buffer holds")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "producer-consumer")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	box, err := mailbox.Create("items", &mailbox.Config{
		Dir: dir, Capacity: mailbox.Bounded(*room), MaxMessage: 8, Participants: *producers + *consumers + 1,
	})
	if err != nil {
		return err
	}
	defer box.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // kills who still runs: after an error nobody would tell them to finish
	var making, using []*child
	for range *consumers {
		using = append(using, start(ctx, "consume", dir))
	}
	for i := range *producers {
		making = append(making, start(ctx, "produce", dir, strconv.Itoa(i**items), strconv.Itoa((i+1)**items)))
	}
	for _, c := range making {
		if _, err := c.wait(); err != nil {
			return err
		}
	}
	for range using {
		// All items were sent before, so whoever gets this has nothing left to do.
		if err := box.Send(ctx, isthmus.Message{Type: finish}); err != nil {
			return err
		}
	}
	return report(using, *producers**items, out)
}

// report prints what each consumer says, and checks that nothing is missing.
func report(using []*child, made int, out io.Writer) error {
	total, totalSum := 0, 0
	for i, c := range using {
		said, err := c.wait()
		if err != nil {
			return err
		}
		var count, sum int
		if _, err := fmt.Sscan(said, &count, &sum); err != nil {
			return fmt.Errorf("consumer %d said %q: %w", i+1, said, err)
		}
		fmt.Fprintf(out, "consumer %d (process %d) used %d items\n", i+1, c.cmd.Process.Pid, count)
		total, totalSum = total+count, totalSum+sum
	}
	fmt.Fprintf(out, "%d items were made and %d used\n", made, total)
	if total != made || totalSum != made*(made-1)/2 {
		return errors.New("an item was lost, or used twice")
	}
	return nil
}

// child is this program in a role, in a process of its own.
type child struct {
	cmd    *exec.Cmd
	output chan result
}

type result struct {
	said string
	err  error
}

func start(ctx context.Context, role ...string) *child {
	c := &child{exec.CommandContext(ctx, "/proc/self/exe", role...), make(chan result, 1)}
	c.cmd.Stderr = os.Stderr
	pipe, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		c.output <- result{"", err}
		return c
	}
	go func() {
		said, err := io.ReadAll(pipe)
		c.output <- result{string(said), errors.Join(err, c.cmd.Wait())}
	}()
	return c
}

func (c *child) wait() (string, error) {
	r := <-c.output
	return r.said, r.err
}
