// Command client-server is request and reply: clients ask, a server answers,
// and each knows the other by name. Every one of them is a real process with an
// inbox of its own; there is no mailbox between them.
//
//	go run ./examples/client-server -clients 3 -requests 1000
//
// A client sends to "server" and then wants to hear from nobody else. The
// server answers to whom the message says it is from.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/process"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "client-server:", err)
		os.Exit(1)
	}
}

// run is the parent process, or one of its children: those are started with a
// role, the directory of the processes, and what else they need.
func run(args []string, out io.Writer) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(args[1])
	case len(args) == 4 && args[0] == "ask":
		return ask(args[1], args[2], args[3], out)
	}
	return supervise(args, out)
}

// serve answers each request, a number, with its square, until it is killed.
func serve(dir string) error {
	me, err := process.Join("server", &process.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer me.Close()
	ctx := context.Background()
	for request, err := range me.Messages(ctx) {
		if err != nil {
			return err
		}
		if len(request.Data) != 8 || request.From.Name == "" {
			continue // no request, or from one who has not joined: it has no inbox for a reply
		}
		n := binary.LittleEndian.Uint64(request.Data)
		reply := binary.LittleEndian.AppendUint64(nil, n*n)
		err = me.Send(ctx, request.From.Name, isthmus.Message{Data: reply, Type: request.Type})
		if errors.Is(err, isthmus.ErrPeerDied) || errors.Is(err, fs.ErrNotExist) {
			continue // a client that asks and goes away is no reason to fail the others
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ask sends requests, one after the other, and checks each reply.
func ask(dir, name, requests string, out io.Writer) error {
	count, err := strconv.Atoi(requests)
	if err != nil {
		return err
	}
	me, err := process.Join(name, &process.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer me.Close()
	ctx := context.Background()
	began := time.Now()
	for n := range uint64(count) {
		request := binary.LittleEndian.AppendUint64(nil, n)
		if err := me.Send(ctx, "server", isthmus.Message{Data: request, Type: int64(n)}); err != nil {
			return err
		}
		reply, err := me.ReceiveFrom(ctx, "server")
		if err != nil {
			return err
		}
		want := binary.LittleEndian.AppendUint64(nil, n*n)
		if !bytes.Equal(reply.Data, want) || reply.Type != int64(n) {
			return fmt.Errorf("the reply to request %d was %v, to request %d", n, reply.Data, reply.Type)
		}
	}
	each := time.Since(began) / time.Duration(max(count, 1))
	_, err = fmt.Fprintf(out, "%s (process %d): %d requests were answered, each in %v\n", name, os.Getpid(), count, each)
	return err
}

// supervise starts the server, waits until it has joined, runs the clients, and
// then kills the server, to show that this is told.
func supervise(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("client-server", flag.ContinueOnError)
	clients := flags.Int("clients", 3, "clients to start")
	requests := flags.Int("requests", 1000, "requests that each client sends")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "client-server")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel() // kills who still runs

	server := child(ctx, os.Stderr, "serve", dir)
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}()
	peer, err := process.Wait(ctx, "server", &process.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer peer.Close()

	answered := make(chan error)
	for i := range *clients {
		c := child(ctx, out, "ask", dir, fmt.Sprint("client", i+1), strconv.Itoa(*requests))
		go func() { answered <- c.Run() }()
	}
	for range *clients {
		err = errors.Join(err, <-answered)
	}
	if err != nil {
		return err
	}
	return watch(ctx, peer, server.Process, out)
}

// watch kills the server and waits to be told of its death.
func watch(ctx context.Context, server *process.Peer, p *os.Process, out io.Writer) error {
	if err := p.Kill(); err != nil {
		return err
	}
	killed := time.Now()
	if err := server.Gone(ctx); !errors.Is(err, isthmus.ErrPeerDied) {
		return fmt.Errorf("the server was killed, and its peer was told %v", err)
	}
	_, err := fmt.Fprintf(out, "the server (process %d) was killed, which was told %v later\n", server.Identity().PID, time.Since(killed))
	return err
}

// child is this program in a role, in a process of its own.
func child(ctx context.Context, out io.Writer, role ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "/proc/self/exe", role...)
	c.Stdout, c.Stderr = out, os.Stderr
	return c
}
