package process_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/process"
)

// scratch is a directory for an example's processes. A program leaves Dir empty:
// then they are where all programs of its user find them. And an example has to
// play all the processes itself.
func scratch() (c *process.Config, remove func()) {
	dir, err := os.MkdirTemp("", "processes")
	if err != nil {
		log.Fatal(err)
	}
	return &process.Config{Dir: dir}, func() { os.RemoveAll(dir) }
}

func mustJoin(name string, c *process.Config) *process.Process {
	p, err := process.Join(name, c)
	if err != nil {
		log.Fatal(err)
	}
	return p
}

// One process asks another, and gets an answer. Each knows the other's name.
func Example() {
	cfg, remove := scratch()
	defer remove()
	ctx := context.Background()

	clerk, err := process.Join("clerk", cfg) // in one process
	if err != nil {
		log.Fatal(err)
	}
	defer clerk.Close()
	customer, err := process.Join("customer", cfg) // in another
	if err != nil {
		log.Fatal(err)
	}
	defer customer.Close()

	if err := customer.Send(ctx, "clerk", isthmus.Message{Data: []byte("one tea")}); err != nil {
		log.Fatal(err)
	}
	order, err := clerk.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	reply := isthmus.Message{Data: fmt.Appendf(nil, "%s, please", order.Data)}
	if err := clerk.Send(ctx, order.From.Name, reply); err != nil {
		log.Fatal(err)
	}
	msg, err := customer.ReceiveFrom(ctx, "clerk")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", msg.From.Name, msg.Data)
	// Output: clerk: one tea, please
}

// A name belongs to one living process at a time.
func ExampleJoin() {
	cfg, remove := scratch()
	defer remove()
	first := mustJoin("clerk", cfg)
	_, err := process.Join("clerk", cfg)
	fmt.Println("while the first lives:", errors.Is(err, fs.ErrExist))
	if err := first.Close(); err != nil {
		log.Fatal(err)
	}
	second, err := process.Join("clerk", cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer second.Close()
	fmt.Println("when it has left:", second.Name())
	// Output:
	// while the first lives: true
	// when it has left: clerk
}

// ReceiveFrom takes the messages of one source. The others stay, in their order.
func ExampleProcess_ReceiveFrom() {
	cfg, remove := scratch()
	defer remove()
	ctx := context.Background()
	me := mustJoin("me", cfg)
	defer me.Close()
	for _, name := range []string{"a", "b", "c"} {
		p := mustJoin(name, cfg)
		defer p.Close()
		if err := p.Send(ctx, "me", isthmus.Message{Data: []byte("hello")}); err != nil {
			log.Fatal(err)
		}
	}
	first, err := me.ReceiveFrom(ctx, "c")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(first.From.Name)
	for range 2 {
		msg, err := me.TryReceive()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(msg.From.Name)
	}
	// Output:
	// c
	// a
	// b
}

// Whether a send fails because there is no such process, or because it is dead,
// or because it has no room, the error says.
func ExampleProcess_Send_nobody() {
	cfg, remove := scratch()
	defer remove()
	me := mustJoin("me", cfg)
	defer me.Close()
	err := me.Send(context.Background(), "clerk", isthmus.Message{})
	fmt.Println("has not joined, or has left:", errors.Is(err, fs.ErrNotExist))
	fmt.Println("is dead:", errors.Is(err, isthmus.ErrPeerDied))
	// Output:
	// has not joined, or has left: true
	// is dead: false
}

// Deliver returns when the other process has received the message.
func ExampleProcess_Deliver() {
	cfg, remove := scratch()
	defer remove()
	ctx := context.Background()
	clerk := mustJoin("clerk", cfg)
	defer clerk.Close()
	customer := mustJoin("customer", cfg)
	defer customer.Close()

	go func() {
		if _, err := clerk.Receive(ctx); err != nil {
			log.Fatal(err)
		}
	}()
	if err := customer.Deliver(ctx, "clerk", isthmus.Message{Data: []byte("one tea")}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the clerk has it")

	// Nobody receives now: the message is taken back.
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	fmt.Println(customer.Deliver(short, "clerk", isthmus.Message{Data: []byte("two teas")}))
	_, err := clerk.TryReceive()
	fmt.Println(errors.Is(err, isthmus.ErrEmpty))
	// Output:
	// the clerk has it
	// process clerk: deliver: context deadline exceeded
	// true
}

// Wait waits for a process to join, and needs no name to send to it.
func ExampleWait() {
	cfg, remove := scratch()
	defer remove()
	ctx := context.Background()
	received := make(chan string)
	go func() {
		clerk := mustJoin("clerk", cfg)
		defer clerk.Close()
		msg, err := clerk.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		received <- string(msg.Data)
	}()
	peer, err := process.Wait(ctx, "clerk", cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer peer.Close()
	if err := peer.Send(ctx, isthmus.Message{Data: []byte("good morning")}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-received)
	// Output: good morning
}

// Gone waits for the end of a process: ErrPeerDied if it was killed or crashed,
// fs.ErrNotExist if it left.
func ExamplePeer_Gone() {
	cfg, remove := scratch()
	defer remove()
	guest := mustJoin("guest", cfg)
	peer, err := process.Dial("guest", cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer peer.Close()
	go guest.Close()
	err = peer.Gone(context.Background())
	fmt.Println(errors.Is(err, fs.ErrNotExist), errors.Is(err, isthmus.ErrPeerDied))
	// Output: true false
}

// Inspect looks at an inbox without joining. It works for a dead process, too.
func ExampleInspect() {
	cfg, remove := scratch()
	defer remove()
	inbox := *cfg
	inbox.Capacity = isthmus.Bounded(16)
	clerk := mustJoin("clerk", &inbox)
	defer clerk.Close()
	customer := mustJoin("customer", cfg)
	defer customer.Close()
	if err := customer.TrySend("clerk", isthmus.Message{Data: []byte("one tea")}); err != nil {
		log.Fatal(err)
	}
	names, err := process.List(cfg)
	if err != nil {
		log.Fatal(err)
	}
	st, err := process.Inspect("clerk", cfg)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(names)
	fmt.Printf("alive: %t, capacity %s, %d message of %d bytes\n", st.Alive, st.Capacity, st.Depth, st.Bytes)
	// Output:
	// [clerk customer]
	// alive: true, capacity 16, 1 message of 7 bytes
}
