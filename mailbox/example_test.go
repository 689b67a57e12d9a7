package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/mailbox"
)

// scratch is a directory for an example's mailboxes. A program leaves Dir
// empty: then they are where all programs of its user find them.
func scratch() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "mailboxes")
	if err != nil {
		log.Fatal(err)
	}
	return dir, func() { os.RemoveAll(dir) }
}

// Any number of processes open a mailbox by its name. Whoever is first creates it.
func Example() {
	dir, remove := scratch()
	defer remove()
	ctx := context.Background()

	sender, err := mailbox.Open("orders", &mailbox.Config{Dir: dir}) // in one process
	if err != nil {
		log.Fatal(err)
	}
	defer sender.Close()
	if err := sender.Send(ctx, isthmus.Message{Data: []byte("two coffees"), Type: 7}); err != nil {
		log.Fatal(err)
	}

	receiver, err := mailbox.Open("orders", &mailbox.Config{Dir: dir}) // in another
	if err != nil {
		log.Fatal(err)
	}
	defer receiver.Close()
	msg, err := receiver.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, type %d, from this process: %t\n", msg.Data, msg.Type, msg.From.PID == os.Getpid())
	// Output: two coffees, type 7, from this process: true
}

// TrySend and TryReceive never wait. They say why they could not.
func ExampleMailbox_TrySend() {
	m, err := mailbox.Anonymous(&mailbox.Config{Capacity: mailbox.Bounded(2)})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	for i := range 3 {
		err := m.TrySend(isthmus.Message{Data: []byte{byte(i)}})
		fmt.Println(i, err, errors.Is(err, isthmus.ErrFull))
	}
	// Output:
	// 0 <nil> false
	// 1 <nil> false
	// 2 mailbox: send: full true
}

// A context ends any wait. A message whose Send failed was not sent.
func ExampleMailbox_Receive_deadline() {
	m, err := mailbox.Anonymous(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = m.Receive(ctx)
	fmt.Println(err)
	fmt.Println(errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded))
	// Output:
	// mailbox: receive: context deadline exceeded
	// true true
}

// At capacity zero nothing is stored: a Send returns when a receiver has the message.
func ExampleZero() {
	m, err := mailbox.Anonymous(&mailbox.Config{Capacity: mailbox.Zero})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	err = m.TrySend(isthmus.Message{Data: []byte("anybody?")})
	fmt.Println(err)

	sent := make(chan error)
	go func() { sent <- m.Send(context.Background(), isthmus.Message{Data: []byte("hello")}) }()
	msg, err := m.Receive(context.Background())
	fmt.Printf("%s %v %v\n", msg.Data, err, <-sent)
	// Output:
	// mailbox: send: full
	// hello <nil> <nil>
}

// Deliver waits until a receiver has the message.
func ExampleMailbox_Deliver() {
	m, err := mailbox.Anonymous(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	got := make(chan string)
	go func() {
		msg, _ := m.Receive(context.Background())
		got <- string(msg.Data)
	}()
	err = m.Deliver(context.Background(), isthmus.Message{Data: []byte("sign here")})
	fmt.Println(<-got, err)
	// Output: sign here <nil>
}

// ReceiveInto receives into a buffer of the caller's and allocates nothing.
func ExampleMailbox_ReceiveInto() {
	m, err := mailbox.Anonymous(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ctx := context.Background()
	for _, word := range []string{"many", "short", "messages"} {
		if err := m.Send(ctx, isthmus.Message{Data: []byte(word)}); err != nil {
			log.Fatal(err)
		}
	}
	buf := make([]byte, 64)
	for range 3 {
		msg, err := m.ReceiveInto(ctx, buf)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s ", msg.Data)
	}
	// Output: many short messages
}

// A claimed message is read where it lies, without a copy. Until it is
// acknowledged it is not gone: if this process dies another one gets it.
func ExampleMailbox_Claim() {
	m, err := mailbox.Anonymous(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ctx := context.Background()
	if err := m.Send(ctx, isthmus.Message{Data: []byte("a job")}); err != nil {
		log.Fatal(err)
	}

	c, err := m.Claim(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, had before: %d\n", c.Bytes(), c.Message().Redelivered)
	if err := c.Return(); err != nil { // changed our mind
		log.Fatal(err)
	}

	c, err = m.Claim(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, had before: %d\n", c.Bytes(), c.Message().Redelivered)
	if err := c.Ack(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// a job, had before: 0
	// a job, had before: 1
}

// A loan is room in the mailbox itself, filled in place and then sent.
func ExampleMailbox_Loan() {
	m, err := mailbox.Anonymous(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ctx := context.Background()
	l, err := m.Loan(ctx, 1000)
	if err != nil {
		log.Fatal(err)
	}
	n := copy(l.Bytes(), "made in place")
	l.Truncate(n)
	if err := l.Send(ctx); err != nil {
		log.Fatal(err)
	}
	msg, err := m.Receive(ctx)
	fmt.Printf("%s %v\n", msg.Data, err)
	// Output: made in place <nil>
}

// Messages is for programs that receive until they are told to stop.
func ExampleMailbox_Messages() {
	m, err := mailbox.Anonymous(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	for i := range 3 {
		if err := m.Send(ctx, isthmus.Message{Type: int64(i)}); err != nil {
			log.Fatal(err)
		}
	}
	for msg, err := range m.Messages(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(msg.Type)
		if msg.Type == 2 {
			stop()
		}
	}
	// Output:
	// 0
	// 1
	// 2
}
