package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// signalError is the cause of a context that a signal ended, or that would have
// been ended by one: SIGPIPE, if nobody reads standard output any more.
type signalError struct{ sig os.Signal }

func (e signalError) Error() string { return e.sig.String() }

func (e signalError) code() int {
	if n, ok := e.sig.(syscall.Signal); ok {
		return exitSignal + int(n)
	}
	return exitFailed
}

var errNoReader = signalError{syscall.SIGPIPE}

// outputError is what went wrong with standard output.
func outputError(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		err = errNoReader
	}
	return fmt.Errorf("standard output: %w", err)
}

// told marks an error that the user is told even though a signal ended it all.
type told struct{ error }

func (e told) Unwrap() error { return e.error }

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
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup(1) has it
		signal.Notify(signals, syscall.SIGHUP)
	}
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

// attended returns a context that ends when nobody reads out any more, if out is
// a pipe or a socket. It learns so while nothing is written.
func attended(parent context.Context, out io.Writer) (context.Context, func()) {
	catchPipe()
	ctx, cancel := context.WithCancelCause(parent)
	stop := func() { cancel(nil) }
	f, ok := out.(*os.File)
	if !ok {
		return ctx, stop
	}
	watch, err := sys.Hangup(f)
	if err != nil {
		return ctx, stop // a file or a terminal; or else the next write will tell
	}
	go func() {
		if sys.WaitHangup(watch) == nil {
			cancel(errNoReader)
		}
	}()
	return ctx, func() {
		_ = watch.Close()
		stop()
	}
}

// catchPipe makes a write to a pipe that nobody reads an error. By default Go
// lets the process die of it: a message in its hands would count as given out
// once already, and nothing would be cleaned up.
func catchPipe() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// ended replaces the error of a context that ended, or of what was closed
// therefore, by what ended it.
func ended(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if cause != nil && (errors.Is(err, context.Canceled) || errors.Is(err, isthmus.ErrClosed)) {
		return cause
	}
	return err
}
