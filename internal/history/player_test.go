//go:build linux

package history

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
	"github.com/isthmus-ipc/isthmus/mailbox"
	"github.com/isthmus-ipc/isthmus/process"
)

// queue is what a player plays on.
type queue interface {
	Send(context.Context, isthmus.Message) error
	TrySend(isthmus.Message) error
	Deliver(context.Context, isthmus.Message) error
	Close() error
}

// player is a process that makes calls, at random, and keeps a journal.
type player struct {
	shape  shape
	number int
	log    *journal
	rng    *rand.Rand
	sent   uint64
	hand   *mailbox.Claim // taken, and not settled

	out queue            // to send; nil: it only receives
	box *mailbox.Mailbox // to receive from; nil: it only sends, or has an inbox
	own *process.Process // the owner of the inbox, to receive from it
}

// playRole is the role of a player: directory, shape, number.
func playRole(args []string) error {
	number, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	p := &player{shape: shapeNamed(args[1]), number: number}
	if p.log, err = openJournal(journalPath(args[0], number)); err != nil {
		return err
	}
	if err := p.join(args[0]); err != nil {
		return err
	}
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if err := p.obey(strings.Fields(in.Text())); err != nil {
			return err
		}
		fmt.Println("done")
	}
	if p.own != nil {
		return p.own.Close()
	}
	return p.out.Close()
}

func journalPath(dir string, number int) string {
	return filepath.Join(dir, "journals", strconv.Itoa(number))
}

func (p *player) join(dir string) (err error) {
	switch {
	case !p.shape.inbox:
		p.box, err = mailbox.Attach(boxName, p.shape.mailbox(dir))
		p.out = p.box
	case p.number == 0:
		p.own, err = process.Join(ownerName, p.shape.process(dir))
	default:
		var me *process.Process
		if me, err = process.Join(playerName(p.number), p.shape.process(dir)); err == nil {
			p.out, err = me.To(ownerName)
		}
	}
	return err
}

func playerName(number int) string { return fmt.Sprintf("player-%d", seatOf(number)) }

func seatOf(number int) int { return number % players }

// obey does what the test says: "play SEED START CALLS", "drain", or for the
// corners "receive" (and wait for ever) and "two" (look until there were two).
func (p *player) obey(words []string) error {
	p.log.next = 0
	for p.log.next < len(p.log.all) && p.log.all[p.log.next].Call != 0 {
		p.log.next++ // what it has done in this round
	}
	switch words[0] {
	case "drain":
		return p.drain()
	case "receive":
		_, err := p.takeWith(context.Background(), receive, 0)
		return err
	case "two":
		return p.two()
	}
	var n [3]uint64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseUint(words[i+1], 10, 64); err != nil {
			return err
		}
	}
	p.rng = rand.New(rand.NewPCG(n[0], uint64(p.number)))
	// All begin at the same time, so that their calls overlap. Nothing depends on it.
	time.Sleep(time.Duration(int64(n[1])-sys.Clock()) - 50*time.Microsecond)
	for sys.Clock() < int64(n[1]) {
		runtime.Gosched()
	}
	for range n[2] {
		if err := p.step(); err != nil {
			return err
		}
		p.pace()
	}
	return p.settle(true)
}

// pace lets a little time go by, or none.
func (p *player) pace() {
	switch p.rng.IntN(8) {
	case 0:
		runtime.Gosched()
	case 1, 2:
		for end := sys.Clock() + p.rng.Int64N(4000); sys.Clock() < end; {
		}
	case 3:
		time.Sleep(time.Duration(p.rng.IntN(30)) * time.Microsecond)
	}
}

// step makes a call or two.
func (p *player) step() error {
	if p.hand != nil && p.rng.IntN(2) == 0 {
		return p.settle(false)
	}
	sends := p.own == nil
	if !p.shape.inbox {
		// One in three mostly sends, one in three mostly receives.
		sends = p.rng.IntN(8) < []int{4, 6, 2}[seatOf(p.number)%3]
	}
	if sends {
		return p.send()
	}
	if p.hand == nil && p.shape.claims && p.rng.IntN(2) == 0 {
		return p.claim()
	}
	return p.receive()
}

// patience is the time after which a call that waits is given up.
func (p *player) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Duration(30+p.rng.IntN(400))*time.Microsecond)
}

// told is what the journal says about an error, or about none.
func told(err error) (outcome, error) {
	switch {
	case err == nil:
		return done, nil
	case errors.Is(err, isthmus.ErrFull):
		return full, nil
	case errors.Is(err, isthmus.ErrEmpty):
		return empty, nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return expired, nil
	}
	return pending, err
}

func (p *player) send() error {
	p.sent++
	id := newID(p.number, p.sent)
	m := p.shape.message(id)
	how := []verb{send, trySend, trySend, trySend, trySend, trySend, trySend, deliver}[p.rng.IntN(8)]
	ctx, cancel := p.patience()
	defer cancel()
	r := p.log.begin(how, id, 0)
	var err error
	switch how {
	case send:
		err = p.out.Send(ctx, m)
	case trySend:
		err = p.out.TrySend(m)
	case deliver:
		err = p.out.Deliver(ctx, m)
	}
	o, err := told(err)
	if err != nil {
		return err
	}
	if o == done && waits(how, p.shape) && ctx.Err() != nil {
		o = late
	}
	r.end(o, 0, 0)
	return nil
}

func (p *player) receive() error {
	if p.rng.IntN(4) > 0 {
		return p.take(tryReceive)
	}
	return p.take(receive)
}

// take receives a message that is not claimed.
func (p *player) take(how verb) error {
	ctx, cancel := p.patience()
	defer cancel()
	from := uint64(0)
	if p.own != nil && (p.shape.named || p.rng.IntN(2) == 0) {
		from = uint64(1 + p.rng.IntN(inboxSenders))
	}
	_, err := p.takeWith(ctx, how, from)
	return err
}

func (p *player) takeWith(ctx context.Context, how verb, from uint64) (outcome, error) {
	r := p.log.begin(how, 0, from)
	m, err := p.receiveAs(ctx, how, from)
	o, err := told(err)
	if err != nil {
		return o, err
	}
	if o != done {
		r.end(o, 0, 0)
		return o, nil
	}
	r.end(o, uint64(m.Type), uint64(m.Redelivered))
	id, err := p.shape.identify(&m)
	if err != nil {
		return o, err
	}
	if want := playerName(int(senderOf(id))); p.own != nil && m.From.Name != want {
		return o, fmt.Errorf("message %#x is from %q, want %q", id, m.From.Name, want)
	}
	return o, nil
}

func (p *player) receiveAs(ctx context.Context, how verb, from uint64) (isthmus.Message, error) {
	name := playerName(int(from))
	switch {
	case p.own == nil && how == receive:
		return p.box.Receive(ctx)
	case p.own == nil:
		return p.box.TryReceive()
	case from == 0 && how == receive:
		return p.own.Receive(ctx)
	case from == 0:
		return p.own.TryReceive()
	case how == receive:
		return p.own.ReceiveFrom(ctx, name)
	}
	return p.own.TryReceiveFrom(name)
}

func (p *player) claim() error {
	how := []verb{claim, tryClaim, tryClaim, tryClaim}[p.rng.IntN(4)]
	ctx, cancel := p.patience()
	defer cancel()
	r := p.log.begin(how, 0, 0)
	var c mailbox.Claim
	var err error
	if how == claim {
		c, err = p.box.Claim(ctx)
	} else {
		c, err = p.box.TryClaim()
	}
	o, err := told(err)
	if err != nil {
		return err
	}
	if o != done {
		r.end(o, 0, 0)
		return nil
	}
	m := c.Message()
	r.end(o, uint64(m.Type), uint64(m.Redelivered))
	p.hand = &c
	_, err = p.shape.identify(&m)
	return err
}

// settle ends the claim in hand, if there is one: for good, or some way.
func (p *player) settle(forGood bool) error {
	if p.hand == nil {
		return nil
	}
	c := p.hand
	p.hand = nil
	id := uint64(c.Message().Type)
	if !forGood && p.rng.IntN(3) == 0 {
		r := p.log.begin(giveBack, id, 0)
		if err := c.Return(); err != nil {
			return err
		}
		r.end(done, 0, 0)
		return nil
	}
	r := p.log.begin(ack, id, 0)
	if err := c.Ack(); err != nil {
		return err
	}
	r.end(done, 0, 0)
	return nil
}

// drain receives what is left.
func (p *player) drain() error {
	for p.log.left() > 0 {
		if o, err := p.takeWith(context.Background(), tryReceive, 0); err != nil || o == empty {
			return err
		}
	}
	return errors.New("there is no end of messages")
}

// two looks for messages, without waiting, until it has received two. Looks
// that find nothing are not in its journal, but for the last.
func (p *player) two() error {
	for n := 0; n < 2; {
		o, err := p.takeWith(context.Background(), tryReceive, 0)
		if err != nil {
			return err
		}
		if o == done {
			n++
			continue
		}
		p.log.next--
		p.log.all[p.log.next] = record{}
	}
	return nil
}
