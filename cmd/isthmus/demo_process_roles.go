package main

import (
	"context"
	"fmt"
	"strconv"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/process"
)

// join joins under the name that a role was given, and says so.
func join(name string) (*process.Process, error) {
	p, err := process.Join(name, nil)
	if err == nil {
		fmt.Println("ready")
	}
	return p, err
}

// playClerk answers whoever asks, until it is killed.
func playClerk(ctx context.Context, args []string) error {
	p, err := join(args[0])
	if err != nil {
		return err
	}
	defer p.Close()
	for m, err := range p.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := p.Send(ctx, m.From.Name, isthmus.Message{Data: append([]byte("answer to "), m.Data...)}); err != nil {
			return err
		}
	}
	return nil
}

// playCrowd sends numbered messages that nobody asked for.
func playCrowd(ctx context.Context, args []string) error {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	p, err := join(args[0])
	if err != nil {
		return err
	}
	defer p.Close()
	for i := range n {
		if err := p.Send(ctx, args[1], isthmus.Message{Data: []byte("me, too"), Type: int64(i)}); err != nil {
			return err
		}
	}
	return nil
}

// playDeaf joins and receives nothing, until it is killed.
func playDeaf(_ context.Context, args []string) error {
	if _, err := join(args[0]); err != nil {
		return err
	}
	select {}
}
