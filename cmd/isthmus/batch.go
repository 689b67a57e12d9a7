package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

const (
	batchMessages = 256
	batchBytes    = 64 << 10
)

// claimer is a receiver whose messages can be given back.
type claimer interface {
	Claim(context.Context) (mailbox.Claim, error)
	TryClaim() (mailbox.Claim, error)
}

// batch holds messages that were claimed and not written yet. It acknowledges
// them when they have been written, all with one write. From a mechanism
// without claims a batch is one message.
type batch struct {
	out    io.Writer
	format format
	from   isthmus.Receiver
	claims claimer // nil if from has none

	buf  []byte
	held [batchMessages]struct {
		claim mailbox.Claim
		end   int // in buf
	}
	n int
}

func newBatch(out io.Writer, f format, from isthmus.Receiver) *batch {
	b := &batch{out: out, format: f, from: from, buf: make([]byte, 0, 2*batchBytes)}
	b.claims, _ = from.(claimer)
	return b
}

// tryTake takes a message that is there.
func (b *batch) tryTake() error {
	if b.claims == nil {
		m, err := b.from.TryReceive()
		return b.pass(m, err)
	}
	c, err := b.claims.TryClaim()
	return b.hold(c, err)
}

// take waits for a message.
func (b *batch) take(ctx context.Context) error {
	if b.claims == nil {
		m, err := b.from.Receive(ctx)
		return b.pass(m, err)
	}
	c, err := b.claims.Claim(ctx)
	return b.hold(c, err)
}

func (b *batch) pass(m isthmus.Message, err error) error {
	if err == nil {
		b.buf, err = b.format.append(b.buf, &m)
	}
	if err != nil {
		return err
	}
	return b.settle()
}

func (b *batch) hold(c mailbox.Claim, err error) error {
	if err != nil {
		return err
	}
	m := c.Message()
	b.buf, err = b.format.append(b.buf, &m)
	b.held[b.n].claim, b.held[b.n].end = c, len(b.buf)
	b.n++
	if err != nil || b.n == batchMessages || len(b.buf) >= batchBytes {
		return errors.Join(err, b.settle())
	}
	return nil
}

// settle writes the batch and acknowledges what was written. The rest it
// returns, the last first, so that their order remains.
func (b *batch) settle() error {
	written, err := 0, error(nil)
	if len(b.buf) > 0 {
		written, err = b.out.Write(b.buf)
	}
	if errors.Is(err, syscall.EPIPE) {
		written = 0 // what the pipe took before its reader left nobody has read
	}
	done := 0
	for ; done < b.n && (err == nil || b.held[done].end <= written); done++ {
		if aerr := b.held[done].claim.Ack(); aerr != nil && err == nil {
			b.clear()
			return aerr
		}
	}
	lost := err != nil && b.claims == nil && len(b.buf) > 0
	returned, rerr := b.giveBack(done)
	b.clear()
	switch {
	case err == nil:
		return rerr
	case returned == 1:
		err = told{fmt.Errorf("%w: a message was returned to where it came from", outputError(err))}
	case returned > 1:
		err = told{fmt.Errorf("%w: %d messages were returned to where they came from", outputError(err), returned)}
	case lost:
		err = told{fmt.Errorf("%w: a message is lost: an inbox takes none back", outputError(err))}
	default:
		err = outputError(err)
	}
	return errors.Join(err, rerr)
}

// giveBack returns the claims from one on, and says of how many that is true.
func (b *batch) giveBack(from int) (n int, err error) {
	for i := b.n - 1; i >= from; i-- {
		if rerr := b.held[i].claim.Return(); rerr != nil {
			err = errors.Join(err, told{rerr})
		} else {
			n++
		}
	}
	return n, err
}

func (b *batch) clear() {
	b.n = 0
	b.buf = b.buf[:0]
	if cap(b.buf) > 1<<20 {
		b.buf = make([]byte, 0, 2*batchBytes) // one huge message is no reason to keep as much
	}
}
