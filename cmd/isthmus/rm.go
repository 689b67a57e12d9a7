package main

import (
	"github.com/isthmus-ipc/isthmus/address"
	"github.com/spf13/cobra"
)

func newRmCmd(*IOStreams) *cobra.Command {
	return &cobra.Command{
		Use: "rm ADDRESS…", Short: "Remove endpoints and the messages in them",
		Long: `Remove endpoints and the messages in them. Who waits there gets an error, in all
processes. What a dead process left can be removed; a living one is not.`,
		Example: `  isthmus rm orders lines
  isthmus rm process:clerk`,
		Args:              atLeast(1, "ADDRESS"),
		ValidArgsFunction: completeAddresses,
		RunE: func(_ *cobra.Command, args []string) error {
			var all []address.Address
			for _, s := range args { // nothing is removed if one is misspelt
				a, err := address.Parse(s)
				if err != nil {
					return err
				}
				all = append(all, a)
			}
			return runRm(all)
		},
	}
}

func runRm(all []address.Address) error {
	return each(all, func(a address.Address) error { return found(address.Remove(a, address.Options{})) })
}
