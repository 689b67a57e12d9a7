package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// endType marks the message after which a consumer stops.
const endType = 1

// attach opens the mailbox that a role was given, and says so.
func attach(name string) (*mailbox.Mailbox, error) {
	m, err := mailbox.Attach(name, nil)
	if err == nil {
		fmt.Println("ready")
	}
	return m, err
}

// playProducer sends the lines of a file, and an end for each consumer.
func playProducer(ctx context.Context, args []string) error {
	name, path := args[0], args[1]
	consumers, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := attach(name)
	if err != nil {
		return err
	}
	defer m.Close()
	in := bufio.NewScanner(f)
	for in.Scan() {
		if err := m.Send(ctx, isthmus.Message{Data: in.Bytes()}); err != nil {
			return err
		}
	}
	for range consumers {
		if err := m.Send(ctx, isthmus.Message{Type: endType}); err != nil {
			return err
		}
	}
	return in.Err()
}

// playConsumer writes out what it receives.
func playConsumer(ctx context.Context, args []string) error {
	m, err := attach(args[0])
	if err != nil {
		return err
	}
	defer m.Close()
	for {
		c, err := m.Claim(ctx)
		if err != nil {
			return err
		}
		end := c.Message().Type == endType
		if !end {
			fmt.Printf("%s\n", c.Bytes())
		}
		if err := c.Ack(); err != nil || end {
			return err
		}
	}
}

// playFlood sends numbered messages as fast as it can.
func playFlood(ctx context.Context, args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	m, err := attach(args[0])
	if err != nil {
		return err
	}
	defer m.Close()
	data := make([]byte, 64)
	for i := range n {
		binary.LittleEndian.PutUint64(data, uint64(i))
		if err := m.Send(ctx, isthmus.Message{Data: data}); err != nil {
			return err
		}
	}
	return nil
}

// playSink receives them, checks that each is the next, and says from time to
// time how many there were, and in the end how long that took.
func playSink(ctx context.Context, args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	m, err := attach(args[0])
	if err != nil {
		return err
	}
	defer m.Close()
	buf := make([]byte, 64)
	var began time.Time
	for i := range n {
		msg, err := m.ReceiveInto(ctx, buf)
		if err != nil {
			return err
		}
		if got := binary.LittleEndian.Uint64(msg.Data); got != uint64(i) {
			return fmt.Errorf("message %d came in the place of %d", got, i)
		}
		if i == 0 {
			began = time.Now()
		}
		if i > 0 && i%100_000 == 0 {
			fmt.Println(i)
		}
	}
	fmt.Println("took", time.Since(began).Nanoseconds())
	return nil
}

// playSender sends one message, and says when that is done.
func playSender(ctx context.Context, args []string) error {
	m, err := attach(args[0])
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.Send(ctx, isthmus.Message{Data: []byte(args[1])}); err != nil {
		return err
	}
	fmt.Println("sent")
	return nil
}

// playHolder claims a message and does nothing with it, until it is killed.
func playHolder(ctx context.Context, args []string) error {
	m, err := attach(args[0])
	if err != nil {
		return err
	}
	c, err := m.Claim(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("holds %s\n", c.Bytes())
	select {}
}

// playRescuer receives one message and says which, and how often it was
// somebody else's.
func playRescuer(ctx context.Context, args []string) error {
	m, err := attach(args[0])
	if err != nil {
		return err
	}
	defer m.Close()
	msg, err := m.Receive(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("received %s, redelivered %d\n", msg.Data, msg.Redelivered)
	return nil
}
