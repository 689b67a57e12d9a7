package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

const rootLong = `isthmus sends and receives messages between the processes of a machine, and
shows what lies between them.

An ADDRESS is the name of a mailbox (orders, or mailbox:orders), or of a process
(process:NAME). A mailbox is created by whoever comes first, and stays, with its
messages, until it is removed or the machine restarts. A process has an inbox
from when it joins until it leaves or dies. All of them lie in one directory:
$ISTHMUS_DIR, or /dev/shm/isthmus-UID.

Exit status: 0 done, 1 failed, 2 wrong usage, 75 would have to wait (--try), 124
timed out (--timeout), 128+N ended by signal N.`

const rootExample = `  isthmus send orders "one tea" "two coffees"
  isthmus recv orders --all

  seq 1000000 | isthmus send numbers &
  isthmus recv numbers --follow

  isthmus recv process:clerk &
  isthmus send process:clerk "one tea"`

// run is the command, from its arguments to its exit status.
func run(args []string, s *IOStreams) int {
	root := newRootCmd(s)
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	report(s, cmd, err)
	return exitCode(err)
}

func newRootCmd(s *IOStreams) *cobra.Command {
	root := &cobra.Command{
		Use: "isthmus", Short: "messages between the processes of a machine",
		Long: rootLong, Example: rootExample,
		SilenceErrors: true, SilenceUsage: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			err := usagef("unknown verb %q", args[0])
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				err = usagef("unknown verb %q: is it %s?", args[0], strings.Join(near, " or "))
			}
			return err
		},
		Version:           version(),
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return checkGroups(cmd) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(flagError)
	root.SetUsageTemplate(usage(root))
	root.SetVersionTemplate("isthmus {{.Version}}\n")
	root.AddCommand(
		newSendCmd(s), newRecvCmd(s), newLsCmd(s), newStatCmd(s), newRmCmd(s),
		newDemoCmd(s), newDemoRoleCmd(s), newManCmd(s),
	)
	return root
}

// atLeast is cobra.MinimumNArgs, with a usage error that names what is missing.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < n {
			return usagef("%s is missing", what)
		}
		return nil
	}
}

// exactly is cobra.ExactArgs, likewise.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usagef("too many arguments: %q", args[n:])
		}
		return atLeast(n, what)(cmd, args)
	}
}

// each does something with every one of several things, and goes on after an
// error.
func each[T any](all []T, do func(T) error) error {
	var errs []error
	for _, x := range all {
		if err := do(x); err != nil {
			errs = append(errs, err)
		}
	}
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return fmt.Errorf("%d of %d failed:\n%w", len(errs), len(all), errors.Join(errs...))
}
