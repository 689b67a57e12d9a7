package main

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

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
			"leaving is shown as dead, until it is removed or another one joins under its\nname.\n\n" +
			"On a terminal the columns that matter least are left out until the rest fits.\n" +
			"A pipe or a file gets all of them. --json has for each what stat --json has.",
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
		werr = writeTable(o.io, found)
	}
	return errors.Join(err, werr)
}

// lsColumns are in the order of the table; what matters least is left out first.
var lsColumns = []column{
	{title: "KIND"}, {title: "NAME", cut: true}, {title: "OWNER", leave: 5}, {title: "MODE", leave: 3},
	{title: "CAPACITY", leave: 8}, {title: "DEPTH"}, {title: "BYTES", leave: 4}, {title: "CLAIMED", leave: 7},
	{title: "WAITERS", leave: 9}, {title: "SENDERS", leave: 2}, {title: "RECEIVERS", leave: 1},
	{title: "MEMORY", leave: 6}, {title: "PROCESS"},
}

func writeTable(s *IOStreams, all []address.Info) error {
	if len(all) == 0 {
		return nil
	}
	var rows [][]string
	for _, i := range all {
		rows = append(rows, []string{
			string(i.Address.Scheme), i.Address.Name, userName(i.UID), modeText(i), i.Capacity,
			strconv.Itoa(i.Depth), strconv.FormatInt(i.Bytes, 10), strconv.Itoa(i.Claimed), strconv.Itoa(i.Waiters),
			strconv.Itoa(i.Senders), strconv.Itoa(i.Receivers), bytesText(i.Reserved), processText(i),
		})
	}
	return writeColumns(s.Out, s.Width, lsColumns, rows)
}
