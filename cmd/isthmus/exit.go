package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/address"
	"github.com/spf13/cobra"
)

// Exit statuses. A command that a signal ended has 128 and the signal's number,
// as the shell says it.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitWait    = 75  // --try: it would have to wait (EX_TEMPFAIL of sysexits.h)
	exitTimeout = 124 // --timeout: the time is up (as timeout(1) has it)
	exitSignal  = 128
)

// usageError is a command line that says something impossible.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func exitCode(err error) int {
	var usage usageError
	var sig signalError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &sig):
		return sig.code()
	case errors.As(err, &usage), errors.Is(err, address.ErrSyntax):
		return exitUsage
	case errors.Is(err, isthmus.ErrFull), errors.Is(err, isthmus.ErrEmpty):
		return exitWait
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return exitTimeout
	}
	return exitFailed
}

// found adds the remedy to an error that says that there is no such endpoint.
func found(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: isthmus ls shows what there is", err)
	}
	return err
}

// report tells the user, unless it was the user who ended it, and all is well.
func report(s *IOStreams, cmd *cobra.Command, err error) {
	var usage usageError
	var sig signalError
	var tell told
	switch {
	case err == nil, errors.As(err, &sig) && !errors.As(err, &tell):
		return
	case errors.As(err, &usage):
		fmt.Fprintf(s.Err, "isthmus: %v\nSee %s --help.\n", err, cmd.CommandPath())
	default:
		fmt.Fprintf(s.Err, "isthmus: %v\n", err)
	}
}
