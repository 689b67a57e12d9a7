package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/isthmus-ipc/isthmus/address"
	"github.com/spf13/cobra"
)

type lsOpts struct {
	io    *IOStreams
	kinds []address.Scheme
	json  bool
}

func newLsCmd(s *IOStreams) *cobra.Command {
	o := &lsOpts{io: s}
	var kinds []string
	for _, k := range address.Schemes() {
		kinds = append(kinds, string(k))
	}
	cmd := &cobra.Command{
		Use: "ls [KIND…]", Short: "List what there is",
		Long: "List the objects of every KIND (" + strings.Join(kinds, ", ") + "), or of all kinds.\n\n" +
			"A process is listed from when it joins until it leaves. One that died without\n" +
			"leaving is shown as dead, until it is removed or another one joins under its\nname.",
		Example: `  isthmus ls
  isthmus ls mailbox --json`,
		ValidArgs: kinds,
		RunE: func(_ *cobra.Command, args []string) error {
			for _, k := range args {
				if !slices.Contains(kinds, k) {
					return usagef("unknown kind %q: the kinds are %s", k, strings.Join(kinds, ", "))
				}
				o.kinds = append(o.kinds, address.Scheme(k))
			}
			if len(args) == 0 {
				o.kinds = address.Schemes()
			}
			return runLs(o)
		},
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "write an array of objects")
	return cmd
}

func runLs(o *lsOpts) error {
	found := []address.Info{}
	err := each(o.kinds, func(k address.Scheme) error {
		all, err := address.List(k, address.Options{})
		if err != nil {
			return err
		}
		return each(all, func(a address.Address) error {
			i, err := address.Stat(a, address.Options{})
			if errors.Is(err, fs.ErrNotExist) {
				return nil // removed since it was listed
			}
			if err == nil {
				found = append(found, i)
			}
			return err
		})
	})
	slices.SortFunc(found, func(a, b address.Info) int { return strings.Compare(a.Address.String(), b.Address.String()) })
	var werr error
	if o.json {
		records := []any{}
		for _, i := range found {
			records = append(records, recordOf(i))
		}
		werr = writeJSON(o.io.Out, records)
	} else {
		werr = writeTable(o.io.Out, found)
	}
	return errors.Join(err, werr)
}

func writeTable(out io.Writer, all []address.Info) error {
	if len(all) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tNAME\tOWNER\tMODE\tCAPACITY\tDEPTH\tBYTES\tCLAIMED\tWAITERS\tSENDERS\tRECEIVERS\tMEMORY\tPROCESS")
	for _, i := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", i.Address.Scheme, i.Address.Name, userName(i.UID), modeText(i), i.Capacity,
			i.Depth, i.Bytes, i.Claimed, i.Waiters, i.Senders, i.Receivers, bytesText(i.Reserved), processText(i))
	}
	return w.Flush()
}
