package isthmustest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// load is a row of calls: what one sender sends or one receiver takes.
type load struct {
	Sender uint32 // its number
	Count  int    // messages; for sendAll the most
	Max    int    // bytes in the largest of them
	Fixed  bool   // all are that large
	Verbs  []verb // which are used in turn
	// Hurry is how soon the context of a call may end, by chance; 0: never.
	Hurry time.Duration
}

// A frame is a message that says who sent it, the how-many-eth it is, and
// whether it came whole: {sender: 4 bytes, number: 4, filling}.
const (
	frameHeader = 8
	endMark     = 1<<32 - 1 // the sender of a message that ends receiveMany
)

func frame(sender, number uint32, size int) []byte {
	b := make([]byte, max(size, frameHeader))
	binary.LittleEndian.PutUint32(b, sender)
	binary.LittleEndian.PutUint32(b[4:], number)
	for i := frameHeader; i < len(b); i++ {
		b[i] = filling(sender, number, i)
	}
	return b
}

func filling(sender, number uint32, i int) byte { return byte(int(sender)*31 + int(number)*7 + i) }

func frameID(sender, number uint32) uint64 { return uint64(sender)<<32 | uint64(number) }

func readFrame(b []byte) (id uint64, err error) {
	if len(b) < frameHeader {
		return 0, fmt.Errorf("a message of %d bytes is none that was sent", len(b))
	}
	sender, number := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	for i := frameHeader; i < len(b); i++ {
		if b[i] != filling(sender, number, i) {
			return 0, fmt.Errorf("message %d of sender %d: byte %d of %d is %#x, not %#x", number, sender, i, len(b), b[i], filling(sender, number, i))
		}
	}
	return frameID(sender, number), nil
}

// size is that of a message of the row: all sizes occur, small ones most.
func (l *load) size() int {
	if l.Fixed {
		return l.Max
	}
	limit := l.Max
	for rand.N(2) == 0 && limit > 64 {
		limit /= 4
	}
	return frameHeader + rand.N(max(limit-frameHeader, 0)+1)
}

func (l *load) verb(i int) verb { return l.Verbs[i%len(l.Verbs)] }

// hurried is a context that ends soon, one way or the other, if the row is in a hurry.
func (l *load) hurried(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.Hurry == 0 {
		return ctx, func() {}
	}
	d := rand.N(l.Hurry)
	if rand.N(2) == 0 {
		return context.WithTimeout(ctx, d)
	}
	ctx, cancel := context.WithCancel(ctx)
	if d < l.Hurry/16 {
		cancel()
		return ctx, cancel
	}
	timer := time.AfterFunc(d, cancel)
	return ctx, func() { timer.Stop(); cancel() }
}

// sendMany sends Count numbered frames. A call that did not send is made again
// for the same frame: if it lied the frame arrives twice.
func (x *handle) sendMany(ctx context.Context, l load) error {
	for i := range l.Count {
		data := frame(l.Sender, uint32(i), l.size())
		for tries := 0; ; tries++ {
			v := l.verb(i + tries)
			err := x.attempt(ctx, v, data, &l)
			if err == nil {
				break
			}
			if ctx.Err() != nil || !(errors.Is(err, isthmus.ErrFull) || ended(err)) {
				return fmt.Errorf("frame %d: %s: %w", i, v, err)
			}
			runtime.Gosched()
		}
	}
	return nil
}

func (x *handle) attempt(ctx context.Context, v verb, data []byte, l *load) error {
	ctx, cancel := l.hurried(ctx)
	defer cancel()
	_, err := x.once(ctx, v, isthmus.Message{Data: append([]byte(nil), data...)}, 0)
	return err
}

// receiveMany receives frames until it gets an end mark, and returns them in order.
func (x *handle) receiveMany(ctx context.Context, l load) (seen []uint64, err error) {
	for i := 0; ; i++ {
		m, err := x.take(ctx, l.verb(i), &l)
		if err != nil {
			if ctx.Err() == nil && (errors.Is(err, isthmus.ErrEmpty) || ended(err)) {
				runtime.Gosched()
				continue
			}
			return seen, fmt.Errorf("after %d frames: %s: %w", len(seen), l.verb(i), err)
		}
		id, err := readFrame(m.Data)
		if err != nil {
			return seen, err
		}
		if id>>32 == endMark {
			return seen, nil
		}
		seen = append(seen, id)
	}
}

func (x *handle) take(ctx context.Context, v verb, l *load) (isthmus.Message, error) {
	ctx, cancel := l.hurried(ctx)
	defer cancel()
	return x.once(ctx, v, isthmus.Message{}, l.Max)
}

// sendAll sends frames without waiting until there is no room, or Count are sent.
func (x *handle) sendAll(l load) (n int, err error) {
	for ; n < l.Count; n++ {
		err := x.s.TrySend(isthmus.Message{Data: frame(l.Sender, uint32(n), l.size())})
		if errors.Is(err, isthmus.ErrFull) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// receiveAll receives frames without waiting until there is none.
func (x *handle) receiveAll(load) (seen []uint64, err error) {
	for {
		m, err := x.r.TryReceive()
		if errors.Is(err, isthmus.ErrEmpty) {
			return seen, nil
		}
		if err != nil {
			return seen, err
		}
		id, err := readFrame(m.Data)
		if err != nil {
			return seen, err
		}
		seen = append(seen, id)
	}
}
