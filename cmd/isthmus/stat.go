package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/isthmus-ipc/isthmus/address"
	"github.com/isthmus-ipc/isthmus/mailbox"
	"github.com/spf13/cobra"
)

type statOpts struct {
	io   *IOStreams
	addr address.Address
	json bool
}

func newStatCmd(s *IOStreams) *cobra.Command {
	o := &statOpts{io: s}
	cmd := &cobra.Command{
		Use: "stat ADDRESS", Short: "Show who uses an endpoint, and what is in it",
		Example: `  isthmus stat orders
  isthmus stat process:clerk
  isthmus stat orders --json | jq .depth`,
		Args:              exactly(1, "ADDRESS"),
		ValidArgsFunction: completeAddress,
		RunE: func(_ *cobra.Command, args []string) (err error) {
			if o.addr, err = address.Parse(args[0]); err != nil {
				return err
			}
			return runStat(o)
		},
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "write an object")
	return cmd
}

func runStat(o *statOpts) error {
	i, err := address.Stat(o.addr, address.Options{})
	switch {
	case err != nil:
		return err
	case o.json:
		return writeJSON(o.io.Out, recordOf(i))
	case i.Process != nil:
		return writeProcess(o.io.Out, i)
	}
	return writeMailbox(o.io.Out, i)
}

func writeMailbox(out io.Writer, i address.Info) error {
	m := i.Mailbox
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(what, format string, args ...any) { fmt.Fprintf(w, what+"\t"+format+"\n", args...) }
	row("address", "%v", i.Address)
	row("owner", "%s, mode %s", userName(i.UID), modeText(i))
	row("created", "%s", i.Created.Format(time.RFC3339))
	row("capacity", "%s", i.Capacity)
	row("messages", "%d waiting (%s), %d claimed, %d being sent", i.Depth, bytesText(i.Bytes), i.Claimed, m.Sending)
	row("largest message", "%s", bytesText(int64(m.MaxMessage)))
	row("memory", "%s, of it for larger messages %s", bytesText(i.Reserved), bytesText(m.Memory))
	row("totals", "%d sent, %d received, %d deaths", i.Sent, i.Received, m.Deaths)
	row("handles", "%d of %d", len(others(m.Participants)), m.MaxParticipants)
	terr := w.Flush()
	if all := others(m.Participants); len(all) > 0 {
		fmt.Fprintln(w, "\nPID\tUSER\tNAME\tROLE\tWAITS FOR\tSENT\tRECEIVED\tCLAIMS\tSINCE")
		for _, p := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", pidText(p), userName(p.UID), dash(p.Name), role(p),
				dash(p.WaitsFor), p.Sent, p.Received, claimsOf(m.Claims, p.Place), p.Joined.Format(time.TimeOnly))
		}
	}
	return errors.Join(terr, w.Flush())
}

// others are the participants without the handle that looked.
func others(all []mailbox.ParticipantStat) (found []mailbox.ParticipantStat) {
	for _, p := range all {
		if p.PID != os.Getpid() || p.Foreign {
			found = append(found, p)
		}
	}
	return found
}

func pidText(p mailbox.ParticipantStat) string {
	switch {
	case !p.Alive:
		return fmt.Sprintf("%d (dead)", p.PID)
	case p.Foreign:
		return fmt.Sprintf("%d (other namespace)", p.PID)
	}
	return fmt.Sprint(p.PID)
}

func role(p mailbox.ParticipantStat) string {
	switch {
	case p.Sender && p.Receiver:
		return "both"
	case p.Sender:
		return "sender"
	case p.Receiver:
		return "receiver"
	}
	return "-"
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// claimsOf says how many messages a participant has in its hands, and their sizes.
func claimsOf(all []mailbox.ClaimStat, place int) string {
	const most = 4
	var sizes []string
	for _, c := range all {
		if c.Place == place {
			sizes = append(sizes, bytesText(int64(c.Size)))
		}
	}
	switch n := len(sizes); {
	case n == 0:
		return "-"
	case n > most:
		return fmt.Sprintf("%d: %s …", n, strings.Join(sizes[:most], ", "))
	default:
		return fmt.Sprintf("%d: %s", n, strings.Join(sizes, ", "))
	}
}
