package main

import (
	"fmt"
	"os"
	"strconv"
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

const statLong = `Show an endpoint, what is in it, and who uses it.

With --json: kind, address, name, owner (the name of a user), uid and gid, mode
(the permission, in octal), created, capacity, max_message (the largest message,
in bytes), depth (messages that wait) and bytes (in them), reserved (bytes of
memory), senders, receivers and waiters (how many), sent and received (since it
was created), participants. A mailbox also has memory (bytes for the data of
messages), sending, deaths, claims (messages in the hands of receivers) and
max_participants; a process has pid and alive.`

func newStatCmd(s *IOStreams) *cobra.Command {
	o := &statOpts{io: s}
	cmd := &cobra.Command{
		Use: "stat ADDRESS", Short: "Show who uses an endpoint, and what is in it",
		Long: statLong,
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
		return found(err)
	case o.json:
		return writeJSON(o.io.Out, recordOf(i))
	case i.Process != nil:
		return writeProcess(o.io, i)
	}
	return writeMailbox(o.io, i)
}

var participantColumns = []column{
	{title: "PID"}, {title: "USER", leave: 4}, {title: "NAME", leave: 2}, {title: "ROLE", leave: 3}, {title: "WAITS FOR"},
	{title: "SENT"}, {title: "RECEIVED"}, {title: "CLAIMS", cut: true}, {title: "SINCE", leave: 1},
}

func writeMailbox(s *IOStreams, i address.Info) error {
	m := i.Mailbox
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
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
	if err := w.Flush(); err != nil {
		return err
	}
	var rows [][]string
	for _, p := range others(m.Participants) {
		rows = append(rows, []string{
			pidText(p), userName(p.UID), dash(p.Name), role(p), dash(p.WaitsFor), strconv.FormatUint(p.Sent, 10),
			strconv.FormatUint(p.Received, 10), claimsOf(m.Claims, p.Place), p.Joined.Format(time.TimeOnly),
		})
	}
	return writeUsers(s, participantColumns, rows)
}

// writeUsers writes who uses an endpoint, if anybody does.
func writeUsers(s *IOStreams, cols []column, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(s.Out); err != nil {
		return err
	}
	return writeColumns(s.Out, s.Width, cols, rows)
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
