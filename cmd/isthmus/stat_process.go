package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/isthmus-ipc/isthmus/address"
	"github.com/isthmus-ipc/isthmus/process"
)

func writeProcess(out io.Writer, i address.Info) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
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
	terr := w.Flush()
	if len(senders) > 0 {
		fmt.Fprintln(w, "\nPID\tUSER\tNAME\tWAITS\tSENT")
		for _, s := range senders {
			pid, waits := fmt.Sprint(s.PID), "-"
			if !s.Alive {
				pid += " (dead)"
			}
			if s.Waiting {
				waits = "yes"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", pid, userName(s.UID), dash(s.Name), waits, s.Sent)
		}
	}
	return errors.Join(terr, w.Flush())
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
