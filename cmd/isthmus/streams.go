package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// IOStreams is what a verb may know of its surroundings. Data goes to Out,
// everything else to Err.
type IOStreams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	// OutTTY and ErrTTY say that a person looks at it: only then colour, and
	// progress that overwrites itself.
	OutTTY bool
	ErrTTY bool
	Colour bool
	// Width is how many columns Out has, and 0 if it is no terminal.
	Width int
}

func system() *IOStreams {
	s := &IOStreams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	s.OutTTY = term.IsTerminal(int(os.Stdout.Fd()))
	s.ErrTTY = term.IsTerminal(int(os.Stderr.Fd()))
	if s.OutTTY {
		s.Width = 80 // of a terminal that does not tell
		if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && w > 0 {
			s.Width = w
		}
	}
	s.Colour = s.OutTTY && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

func (s *IOStreams) bold(text string) string {
	if !s.Colour {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}
