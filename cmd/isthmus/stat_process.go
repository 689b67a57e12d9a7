package main

import (
	"fmt"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/isthmus-ipc/isthmus/address"
	"github.com/isthmus-ipc/isthmus/process"
)

var senderColumns = []column{
	{title: "PID"}, {title: "USER", leave: 1}, {title: "NAME", cut: true}, {title: "WAITS"}, {title: "SENT"},
}

func writeProcess(s *IOStreams, i address.Info) error {
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	row := func(what, format string, args ...any) { fmt.Fprintf(w, what+"\t"+format+"\n", args...) }
	row("address", "%v", i.Address)
	row("process", "%s", processText(i))
	row("owner", "%s, mode %s", userName(i.UID), modeText(i))
	row("joined", "%s", i.Created.Format(time.RFC3339))
	row("capacity", "%s", i.Capacity)
	row("messages", "%d waiting (%s)", i.Depth, bytesText(i.Bytes))
	row("largest message", "%s", bytesText(int64(i.Process.MaxMessage)))
	row("memory", "%s", bytesText(i.Reserved))
	row("totals", "%d sent, %d received", i.Sent, i.Received)
	senders := otherSenders(i.Process.Senders)
	row("senders", "%d", len(senders))
	if err := w.Flush(); err != nil {
		return err
	}
	var rows [][]string
	for _, p := range senders {
		pid, waits := strconv.Itoa(p.PID), "-"
		if !p.Alive {
			pid += " (dead)"
		}
		if p.Waiting {
			waits = "yes"
		}
		rows = append(rows, []string{pid, userName(p.UID), dash(p.Name), waits, strconv.FormatUint(p.Sent, 10)})
	}
	return writeUsers(s, senderColumns, rows)
}

// otherSenders are the senders without the handle that looked.
func otherSenders(all []process.Sender) (found []process.Sender) {
	for _, s := range all {
		if s.PID != os.Getpid() {
			found = append(found, s)
		}
	}
	return found
}
