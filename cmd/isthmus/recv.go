package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/address"
	"github.com/isthmus-ipc/isthmus/mailbox"
	"github.com/spf13/cobra"
)

type recvOpts struct {
	endpoint
	io     *IOStreams
	n      uint64
	all    bool
	follow bool
	format format
}

const recvLong = `Receive one message, and write it and a newline to standard output. If there is
none, recv waits.

A message counts as received when it has been written out, and not before. If
recv is interrupted, or killed, or cannot write, what it has not written goes to
another receiver; after a kill it may be that a message is written twice, never
that it is lost. What was written into a pipe is the business of the pipe's
reader: take -n to not write more than it wants. When that reader leaves recv
ends, as if by SIGPIPE (status 141), also while it waits.

With process:NAME recv is itself that process: it joins under the name, which no
living process may have, and leaves at the end. Its inbox, and what it has not
received by then, goes with it, and what it cannot write is lost.

With --json a message is an object a line: data (or data_base64, if it is not
UTF-8), sender, type, priority, time (when it was received) and redelivered (how
many receivers had it before).

A recv that waits creates the mailbox if there is none, so that it can be
started before the first send, and says so on standard error, unless it was told
what the new one shall be like. With --try or --all, which do not wait, it is
an error if there is none.

` + memoryHelp

func newRecvCmd(s *IOStreams) *cobra.Command {
	o := &recvOpts{io: s}
	cmd := &cobra.Command{
		Use: "recv ADDRESS", Short: "Receive messages",
		Long: recvLong,
		Example: `  isthmus recv orders
  isthmus recv orders --all --json
  isthmus recv lines --follow >>log
  isthmus recv process:clerk --follow`,
		Args: exactly(1, "ADDRESS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.n == 0 {
				return usagef("-n 0 is no number of messages: take 1 or more, or --all")
			}
			if o.follow || o.all {
				o.n = math.MaxUint64
			}
			if err := o.check(cmd, args[0]); err != nil {
				return err
			}
			return runRecv(o)
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.Uint64VarP(&o.n, "count", "n", 1, "how many messages to receive, a `NUMBER`")
	f.BoolVar(&o.all, "all", false, "receive what is there, and stop")
	f.BoolVarP(&o.follow, "follow", "f", false, "go on receiving until interrupted")
	f.BoolVar(&o.format.json, "json", false, "write an object a message, with sender, type, priority and time")
	f.BoolVar(&o.format.raw, "raw", false, "write the messages as they are, with nothing between them")
	f.BoolVarP(&o.format.null, "null", "0", false, "write a NUL after a message, not a newline")
	offer(cmd, "count")
	exclusive(cmd, "each says how many messages to receive", "count", "all", "follow")
	exclusive(cmd, "each says how to write a message", "json", "raw", "null")
	exclusive(cmd, "--all does not wait", "all", "timeout")
	exclusive(cmd, "--follow waits for messages, --try does not wait", "try", "follow")
	return cmd
}

func runRecv(o *recvOpts) error {
	ctx, stop := interruptible(context.Background(), grace)
	defer stop()
	ctx, done := attended(ctx, o.io.Out)
	defer done()
	from, err := o.open()
	if err != nil {
		return err
	}
	defer from.Close()
	b := newBatch(o.io.Out, o.format, from)
	err = o.receive(ctx, b)
	if serr := b.settle(); serr != nil {
		err = serr
	}
	return ended(ctx, err)
}

// open opens the endpoint, and creates a mailbox if it may.
func (o *recvOpts) open() (isthmus.Receiver, error) {
	if o.addr.Scheme != address.Mailbox {
		return address.Receiver(o.addr, o.opts)
	}
	asked := o.opts
	o.opts.Existing = true
	for {
		from, err := address.Receiver(o.addr, o.opts)
		if !errors.Is(err, fs.ErrNotExist) {
			return from, err
		}
		if o.try || o.all {
			return nil, &isthmus.Error{Op: "receive", Mechanism: string(o.addr.Scheme), Name: o.addr.Name,
				Err: fmt.Errorf("%w: there is none of this name (isthmus ls shows them), and only a recv that waits creates one", fs.ErrNotExist)}
		}
		m, err := mailbox.Create(o.addr.Name, &mailbox.Config{Capacity: asked.Capacity, MaxMessage: asked.MaxMessage, Memory: asked.Memory})
		if errors.Is(err, fs.ErrExist) {
			continue // another process was faster
		}
		if err != nil {
			return nil, err
		}
		if asked == (address.Options{}) {
			fmt.Fprintf(o.io.Err, "isthmus: there was no mailbox %s: created it, and waiting\n", o.addr.Name)
		}
		return m, nil
	}
}

// receive takes messages into b. As long as there are more it writes them in
// large pieces; before it waits it writes what it has.
func (o *recvOpts) receive(ctx context.Context, b *batch) error {
	for i := uint64(0); i < o.n; i++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := b.tryTake()
		if errors.Is(err, isthmus.ErrEmpty) {
			if err := b.settle(); err != nil {
				return err
			}
			if o.all {
				return nil
			}
			if !o.try {
				err = o.wait(ctx, b.take)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
