package main

import (
	"fmt"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far something has come: a bar on a terminal, else a line a
// quarter of the way.
type progress struct {
	io   *IOStreams
	what string
	all  int
	bar  *progressbar.ProgressBar
	next int
}

func newProgress(s *IOStreams, what string, all int) *progress {
	p := &progress{io: s, what: what, all: all, next: all / 4}
	if s.ErrTTY {
		p.bar = progressbar.NewOptions(all, progressbar.OptionSetWriter(s.Err), progressbar.OptionSetDescription("   "+what),
			progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
	}
	return p
}

func (p *progress) at(n int) {
	switch {
	case p.bar != nil:
		_ = p.bar.Set(n)
	case n >= p.next:
		fmt.Fprintf(p.io.Err, "   %s: %d of %d\n", p.what, n, p.all)
		p.next = n + p.all/4
	}
}

// done takes the bar away, so that the result stands in its place.
func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
