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
			if len(args) > 0 {
				return unknownVerb(cmd, args[0])
			}
			return nil
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
	root.Flags().BoolP("version", "v", false, "say which version this is, and what it was built from and with")
	root.AddCommand(
		newSendCmd(s), newRecvCmd(s), newLsCmd(s), newStatCmd(s), newRmCmd(s),
		newDemoCmd(s), newDemoRoleCmd(s), newManCmd(s),
	)
	root.SetHelpCommand(newHelpCmd(root))
	root.InitDefaultCompletionCmd()
	strictShell(root)
	return root
}

func unknownVerb(root *cobra.Command, verb string) error {
	if near := root.SuggestionsFor(verb); len(near) > 0 {
		return usagef("unknown verb %q: is it %s?", verb, strings.Join(near, " or "))
	}
	return usagef("unknown verb %q", verb)
}

// newHelpCmd is cobra's, but an unknown verb is an error.
func newHelpCmd(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [VERB]", Short: "Show the help of a verb",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) (verbs []string, _ cobra.ShellCompDirective) {
			for _, cmd := range root.Commands() {
				if len(args) == 0 && cmd.IsAvailableCommand() {
					verbs = append(verbs, cmd.Name())
				}
			}
			return verbs, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 || cmd == root && len(args) > 0 {
				return unknownVerb(root, args[0])
			}
			cmd.InitDefaultHelpFlag()
			cmd.InitDefaultVersionFlag()
			return cmd.Help()
		},
	}
}

// strictShell makes a shell that completion does not know an error.
func strictShell(root *cobra.Command) {
	cmd, _, err := root.Find([]string{"completion"})
	if err != nil {
		return
	}
	cmd.Short = "Write a script that makes a shell complete what you type"
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("unknown shell %q: write bash, fish, powershell or zsh", args[0])
		}
		return cmd.Help()
	}
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
