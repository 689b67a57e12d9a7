package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/address"
	"github.com/isthmus-ipc/isthmus/mailbox"
	"github.com/isthmus-ipc/isthmus/process"
	"github.com/spf13/cobra"
)

type sendOpts struct {
	endpoint
	io       *IOStreams
	messages []string
	stdin    bool
	raw      bool
	null     bool
	deliver  bool
	typ      int64
	priority uint32
}

func newSendCmd(s *IOStreams) *cobra.Command {
	o := &sendOpts{io: s}
	cmd := &cobra.Command{
		Use: "send ADDRESS [MESSAGE…]", Short: "Send messages",
		Long: `Send every MESSAGE, or, if there is none, every line of standard input, without
its newline. What was sent before an error, a signal or a kill stays sent; a
line is sent whole or not at all.

If the endpoint is full, send waits for room, and at capacity zero until the
message was received.

With process:NAME the process that joined under the name gets them; a number is
a PID, if no process has it for its name. It is an error if there is no such
process, or if it is dead or dies: what it has not received is lost then.

` + memoryHelp,
		Example: `  isthmus send orders "one tea" "two coffees"
  tail -f log | isthmus send lines
  isthmus send files --raw --max-message 1M --memory 16M <picture.png
  isthmus send process:clerk "one tea"
  isthmus send orders --deliver --timeout 10s "an answer, please"`,
		Args: atLeast(1, "ADDRESS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.messages, o.stdin = args[1:], len(args) == 1
			if !o.stdin && (o.raw || o.null) {
				return usagef("--raw and --null are for standard input, and there are messages on the command line")
			}
			if err := o.check(cmd, args[0]); err != nil {
				return err
			}
			return runSend(o)
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.raw, "raw", false, "send all of standard input as one message")
	f.BoolVarP(&o.null, "null", "0", false, "messages on standard input end with a NUL, not a newline")
	f.BoolVar(&o.deliver, "deliver", false, "wait until each message was received")
	f.Int64Var(&o.typ, "type", 0, "the messages' type, a `NUMBER` of your own; recv --json shows it")
	f.Uint32Var(&o.priority, "priority", 0, "the messages' priority, a `NUMBER`; mailboxes and processes have none, and refuse any but 0")
	offer(cmd, "type")
	offer(cmd, "priority")
	exclusive(cmd, "each says how to cut standard input into messages", "raw", "null")
	exclusive(cmd, "--deliver waits for the receipt, --try does not wait", "try", "deliver")
	return cmd
}

func runSend(o *sendOpts) error {
	if err := o.carries(); err != nil {
		return err // before anything is created
	}
	ctx, stop := interruptible(context.Background(), grace)
	defer stop()
	to, err := address.Sender(o.addr, o.opts)
	if err != nil {
		return err
	}
	defer to.Close()
	how, err := o.verb(to)
	if err != nil {
		return err
	}
	// A read from a terminal does not end with the context. Leave the endpoint
	// between two messages: who goes without that counts as one that died.
	var turn sync.Mutex
	context.AfterFunc(ctx, func() {
		turn.Lock()
		defer turn.Unlock()
		_ = to.Close()
	})
	send := func(ctx context.Context, data []byte) error {
		turn.Lock()
		defer turn.Unlock()
		return how(ctx, data)
	}
	switch {
	case !o.stdin:
		for _, m := range o.messages {
			if err := send(ctx, []byte(m)); err != nil {
				return ended(ctx, err)
			}
		}
		return nil
	case o.raw:
		return ended(ctx, o.sendRaw(ctx, to, send))
	}
	return ended(ctx, o.sendLines(ctx, to, send))
}

// carries refuses what the mechanism cannot carry. They have types, all of them.
func (o *sendOpts) carries() error {
	if o.priority == 0 {
		return nil
	}
	return &isthmus.Error{Op: "send", Mechanism: string(o.addr.Scheme), Name: o.addr.Name,
		Err: fmt.Errorf("priority %d: %w: a %s gives its messages out in the order in which they were sent, and priorities are for POSIX message queues (mq:/NAME), which this version does not have: leave --priority out",
			o.priority, errors.ErrUnsupported, o.addr.Scheme)}
}

// verb chooses how to send, once for all messages.
func (o *sendOpts) verb(to isthmus.Sender) (func(context.Context, []byte) error, error) {
	how := to.Send
	switch d, ok := to.(isthmus.Deliverer); {
	case o.try:
		how = func(_ context.Context, m isthmus.Message) error { return to.TrySend(m) }
	case o.deliver && !ok:
		return nil, fmt.Errorf("%v: deliver: %w: it cannot tell when a message was received", o.addr, errors.ErrUnsupported)
	case o.deliver:
		how = d.Deliver
	}
	msg := isthmus.Message{Type: o.typ, Priority: o.priority}
	return func(ctx context.Context, data []byte) error {
		m := msg
		m.Data = data
		if o.timeout == 0 {
			return how(ctx, m)
		}
		return o.wait(ctx, func(ctx context.Context) error { return how(ctx, m) })
	}, nil
}

// limit is the largest message that the endpoint takes.
func limit(to isthmus.Sender) (int, error) {
	switch to := to.(type) {
	case interface{ Stat() (mailbox.Stat, error) }:
		st, err := to.Stat()
		return st.MaxMessage, err
	case interface{ Stat() (process.Stat, error) }:
		st, err := to.Stat()
		return st.MaxMessage, err
	}
	return math.MaxInt32, nil // it will tell when it is sent
}

func (o *sendOpts) sendRaw(ctx context.Context, to isthmus.Sender, send func(context.Context, []byte) error) error {
	most, err := limit(to)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(o.io.In, int64(most)+1))
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	if len(data) > most {
		return fmt.Errorf("standard input: %w", o.tooLarge(most))
	}
	return send(ctx, data)
}

func (o *sendOpts) sendLines(ctx context.Context, to isthmus.Sender, send func(context.Context, []byte) error) error {
	most, err := limit(to)
	if err != nil {
		return err
	}
	end, word := byte('\n'), "line"
	if o.null {
		end, word = 0, "message"
	}
	in := newLines(o.io.In, end, most)
	for {
		line, err := in.next()
		switch {
		case err == io.EOF:
			return nil
		case err == isthmus.ErrTooLarge:
			err = o.tooLarge(most)
		case err == nil:
			err = send(ctx, line)
		}
		if err != nil {
			return fmt.Errorf("standard input, %s %d: %w", word, in.n, err)
		}
	}
}

func (o *sendOpts) tooLarge(most int) error {
	remedy := "have the process join with a larger --max-message"
	if o.addr.Scheme == address.Mailbox {
		remedy = fmt.Sprintf("remove it (isthmus rm %s), and let the first who opens it say --max-message", short(o.addr))
	}
	return &isthmus.Error{Op: "send", Mechanism: string(o.addr.Scheme), Name: o.addr.Name,
		Err: fmt.Errorf("%w: more than %d bytes: %s", isthmus.ErrTooLarge, most, remedy)}
}
