//go:build linux

package socket_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/socket"
)

// Many send to one receiver, and each gets the answer to its own message.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, at := context.Background(), filepath.Join(dir, "in")

	r, err := socket.OpenReceiver(ctx, socket.Unix, at, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	go func() { // usually another process
		c, err := socket.Dial(ctx, socket.Unix, at, nil)
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		if err := c.Send(ctx, isthmus.Message{Data: []byte("hello"), Type: 7}); err != nil {
			log.Fatal(err)
		}
		if _, err := c.Receive(ctx); err != nil {
			log.Fatal(err)
		}
	}()

	q, err := r.ReceiveRequest(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, type %d, from this process: %v\n", q.Data, q.Type, q.From.PID == os.Getpid())
	if err := q.Reply(ctx, isthmus.Message{Data: []byte("welcome")}); err != nil {
		log.Fatal(err)
	}
	// Output: hello, type 7, from this process: true
}

// A descriptor goes with a message.
func ExampleConn_SendFiles() {
	a, b, err := socket.Pair(socket.UnixPacket, &socket.Config{Files: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	r, w, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	ctx := context.Background()
	if err := a.SendFiles(ctx, isthmus.Message{Data: []byte("write here")}, w); err != nil {
		log.Fatal(err)
	}
	w.Close() // the receiver has one of its own

	m, files, err := b.ReceiveFiles(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(files[0], "hello")
	files[0].Close()
	buf := make([]byte, 10)
	n, _ := r.Read(buf)
	fmt.Printf("%s: %s\n", m.Data, buf[:n])
	// Output: write here: hello
}

// The Unix sockets of the host, and who has them open.
func ExampleList() {
	table, err := socket.List()
	if err != nil {
		log.Fatal(err)
	}
	if err := table.FindOwners(); err != nil {
		log.Fatal(err)
	}
	for _, s := range table.Sockets {
		if s.State == socket.Listening {
			fmt.Println(s.Network, s.Name, s.UID, s.Owners)
		}
	}
	if table.Unseen > 0 {
		fmt.Printf("%d processes could not be looked into\n", table.Unseen)
	}
}
