package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rivo/uniseg"
)

// column is one of a table for people to read.
type column struct {
	title string
	// leave is when it is left out if the table is too wide: 1 first, 0 never.
	leave int
	// cut says that its texts may be cut short when nothing more can be left out.
	cut bool
}

const (
	gap      = "  "
	cutFirst = 24 // columns that a text keeps while others can be left out
	cutLess  = 8  // and in any case
)

// writeColumns writes a table that fits into a width, where 0 is any width.
func writeColumns(out io.Writer, width int, cols []column, rows [][]string) error {
	all := make([]int, len(cols)) // the columns that are left
	widths := make([]int, len(cols))
	for i, c := range cols {
		all[i], widths[i] = i, uniseg.StringWidth(c.title)
		for _, r := range rows {
			widths[i] = max(widths[i], uniseg.StringWidth(r[i]))
		}
	}
	if width > 0 {
		all = fit(width, cols, all, widths)
	}
	var b strings.Builder
	write := func(cell func(i int) string) {
		var line strings.Builder
		for _, i := range all {
			text := cut(cell(i), widths[i])
			line.WriteString(text + strings.Repeat(" ", max(0, widths[i]-uniseg.StringWidth(text))) + gap)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	write(func(i int) string { return cols[i].title })
	for _, r := range rows {
		write(func(i int) string { return r[i] })
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// fit cuts long texts down to a name that one can tell from others, then leaves
// columns out, then cuts more, until all fit. Room that is left over is for the texts.
func fit(width int, cols []column, all, widths []int) []int {
	whole := slices.Clone(widths)
	over := func() int {
		sum := -width - len(gap)
		for _, i := range all {
			sum += widths[i] + len(gap)
		}
		return sum
	}
	least := func(n int) {
		for _, i := range all {
			if more := over(); more > 0 && cols[i].cut {
				widths[i] = max(min(widths[i], n), widths[i]-more)
			}
		}
	}
	least(cutFirst)
	for over() > 0 {
		first := -1
		for at, i := range all {
			if l := cols[i].leave; l > 0 && (first < 0 || l < cols[all[first]].leave) {
				first = at
			}
		}
		if first < 0 {
			break
		}
		all = slices.Delete(all, first, first+1)
	}
	least(cutLess)
	for _, i := range all {
		if room := -over(); room > 0 {
			widths[i] = min(whole[i], widths[i]+room)
		}
	}
	return all
}

// cut makes a text no wider than n columns, and shows that it did.
func cut(s string, n int) string {
	if uniseg.StringWidth(s) <= n {
		return s
	}
	var b strings.Builder
	state := -1
	for used := 0; ; {
		var cluster string
		var w int
		cluster, s, w, state = uniseg.FirstGraphemeClusterInString(s, state)
		if used += w; used > n-1 {
			return b.String() + "…"
		}
		b.WriteString(cluster)
	}
}

// wrapText puts the words of a text on lines of a width, where 0 is any width.
// All lines but the first are indented.
func wrapText(s string, width, first, indent int) string {
	if width <= 0 {
		return s
	}
	var b strings.Builder
	used := first
	for i, word := range strings.Fields(s) {
		n := uniseg.StringWidth(word)
		switch {
		case i == 0:
		case used+1+n > width:
			fmt.Fprintf(&b, "\n%*s", indent, "")
			used = indent
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	return b.String()
}
