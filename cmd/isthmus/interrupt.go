package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// signalError is the cause of a context that a signal ended.
type signalError struct{ sig os.Signal }

func (e signalError) Error() string { return e.sig.String() }

func (e signalError) code() int {
	if n, ok := e.sig.(syscall.Signal); ok {
		return exitSignal + int(n)
	}
	return exitFailed
}

// grace is how long send and recv may take to put things in order after a
// signal. A write to a pipe that nobody reads, or a read from a terminal, ends
// with no context; then the process goes, and what it had claimed returns by that.
const grace = 200 * time.Millisecond

// interruptible returns a context that SIGINT, SIGTERM and SIGHUP end, and the
// process after it, if it is not done within the grace. Nothing is installed
// before a verb asks for it.
func interruptible(parent context.Context, grace time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		select {
		case sig := <-signals:
			err := signalError{sig}
			cancel(err)
			select {
			case <-done:
			case <-time.After(grace):
				os.Exit(err.code())
			}
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}

// ended replaces the error of a context that a signal ended by the signal.
func ended(ctx context.Context, err error) error {
	var sig signalError
	if errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &sig) {
		return fmt.Errorf("%w: %w", sig, err)
	}
	return err
}

// catchPipe makes a write to a pipe that nobody reads an error. By default Go
// lets the process die of it, and a message in its hands would count as given
// out once already.
func catchPipe() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
