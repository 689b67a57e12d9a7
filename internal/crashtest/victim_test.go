//go:build linux

package crashtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// victimID is the id of the message that a victim sends, corpseID of the one
// that a process which is dead already tried to send.
const (
	victimID = 1 << 40
	corpseID = 1<<40 + 1
)

// victim is a process that runs a script, in which it is killed or stopped.
// It reports what calls returned, one line each: "sent ID", "got ID".
type victim struct {
	shape shape
	size  int
	dir   string
	m     *mailbox.Mailbox
	in    *bufio.Reader
}

// scripts are what victims do. They open the mailbox themselves where that is
// the point of them.
var scripts = map[string]func(*victim) error{
	"create":  (*victim).create,
	"attach":  (*victim).attach,
	"send":    (*victim).send,
	"deliver": (*victim).deliver,
	"trysend": (*victim).trySend,
	"loan":    (*victim).loan,
	"receive": (*victim).receive,
	"try":     (*victim).tryReceive,
	"linger":  (*victim).tryAndLinger,
	"claim":   (*victim).claim,
	"return":  (*victim).giveBack,
	"hold":    (*victim).holdAndClose,
	"corpse":  (*victim).corpse,
	"remove":  (*victim).remove,
}

// playVictim is the victim's role: directory, capacity, size of messages, script.
func playVictim(args []string) error {
	size, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	region.Patience = 4 * bound
	v := &victim{shape: shapeNamed(args[1]), size: size, dir: args[0], in: bufio.NewReader(os.Stdin)}
	if err := scripts[args[3]](v); err != nil {
		return err
	}
	fmt.Println("done")
	return nil
}

// ready attaches, says so, and waits for the word to go on.
func (v *victim) ready() (err error) {
	cfg := v.shape.config(v.dir)
	cfg.Policy = isthmus.LowPower // which sleeps at once, so the steps are the same each time
	if v.m, err = mailbox.Attach(boxName, cfg); err != nil {
		return err
	}
	fmt.Println("ready")
	_, err = v.in.ReadString('\n')
	return err
}

// patience outlasts a stop, so that the victim still finds its call waiting.
func patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 300*time.Millisecond)
}

func (v *victim) sent(id uint64, err error) error {
	if err == nil {
		fmt.Println("sent", id)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // it was not sent, and nobody said that it was
	}
	return err
}

func (v *victim) got(m isthmus.Message, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, isthmus.ErrEmpty) {
		return nil
	}
	if err != nil {
		return err
	}
	id, err := identify(&m)
	if err == nil {
		fmt.Println("got", id)
	}
	return err
}

func (v *victim) create() (err error) {
	if v.m, err = mailbox.Open(boxName, v.shape.config(v.dir)); err != nil {
		return err
	}
	return v.sent(victimID, v.m.Send(context.Background(), message(victimID, v.size)))
}

func (v *victim) attach() (err error) {
	if v.m, err = mailbox.Attach(boxName, v.shape.config(v.dir)); err != nil {
		return err
	}
	return v.sent(victimID, v.m.Send(context.Background(), message(victimID, v.size)))
}

func (v *victim) send() error {
	if err := v.ready(); err != nil {
		return err
	}
	return v.sent(victimID, v.m.Send(context.Background(), message(victimID, v.size)))
}

func (v *victim) deliver() error {
	if err := v.ready(); err != nil {
		return err
	}
	ctx, cancel := patience()
	defer cancel()
	return v.sent(victimID, v.m.Deliver(ctx, message(victimID, v.size)))
}

func (v *victim) trySend() error {
	if err := v.ready(); err != nil {
		return err
	}
	return v.sent(victimID, v.m.TrySend(message(victimID, v.size)))
}

func (v *victim) loan() error {
	if err := v.ready(); err != nil {
		return err
	}
	ctx := context.Background()
	l, err := v.m.Loan(ctx, v.size)
	if err != nil {
		return err
	}
	fill(l.Bytes(), victimID)
	l.Type = victimID
	return v.sent(victimID, l.Send(ctx))
}

func (v *victim) receive() error {
	if err := v.ready(); err != nil {
		return err
	}
	ctx, cancel := patience()
	defer cancel()
	return v.got(v.m.Receive(ctx))
}

func (v *victim) tryReceive() error {
	if err := v.ready(); err != nil {
		return err
	}
	return v.got(v.m.TryReceive())
}

// tryAndLinger lives on afterwards, so that its death wakes nobody.
func (v *victim) tryAndLinger() error {
	if err := v.tryReceive(); err != nil {
		return err
	}
	_, err := v.in.ReadString('\n')
	return err
}

func (v *victim) claim() error {
	if err := v.ready(); err != nil {
		return err
	}
	c, err := v.m.Claim(context.Background())
	if err != nil {
		return err
	}
	id, err := identify(new(c.Message()))
	if err != nil {
		return err
	}
	if err := c.Ack(); err != nil {
		return err
	}
	fmt.Println("got", id)
	return nil
}

func (v *victim) giveBack() error {
	if err := v.ready(); err != nil {
		return err
	}
	c, err := v.m.Claim(context.Background())
	if err != nil {
		return err
	}
	return c.Return()
}

// holdAndClose leaves with a claim and a loan in its hands.
func (v *victim) holdAndClose() error {
	if err := v.ready(); err != nil {
		return err
	}
	if _, err := v.m.Claim(context.Background()); err != nil {
		return err
	}
	if _, err := v.m.TryLoan(large); err != nil {
		return err
	}
	return v.m.Close()
}

// corpse dies with its hands full: a claim if there is a message, a loan, and
// a message that it is about to send.
func (v *victim) corpse() error {
	if err := v.ready(); err != nil {
		return err
	}
	if _, err := v.m.TryClaim(); err != nil && !errors.Is(err, isthmus.ErrEmpty) {
		return err
	}
	if _, err := v.m.TryLoan(1 << 10); err != nil {
		return err
	}
	return v.m.Send(context.Background(), message(corpseID, large))
}

func (v *victim) remove() error {
	if err := v.ready(); err != nil {
		return err
	}
	return v.m.Remove()
}
