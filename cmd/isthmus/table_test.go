package main

import (
	"strings"
	"testing"

	"github.com/rivo/uniseg"
)

func TestTableFits(t *testing.T) {
	cols := []column{{title: "NAME", cut: true}, {title: "ONE", leave: 2}, {title: "TWO", leave: 1}, {title: "LAST"}}
	rows := [][]string{{"orders", "1", "2", "3"}, {"a-name-that-is-long", "11111", "22222", "33333"}, {"日本語の長い名前です", "1", "2", ""}}
	for width, want := range map[int]string{
		0: "NAME                  ONE    TWO    LAST\n" +
			"orders                1      2      3\n" +
			"a-name-that-is-long   11111  22222  33333\n" +
			"日本語の長い名前です  1      2\n",
		41: "NAME                  ONE    TWO    LAST\n" +
			"orders                1      2      3\n" +
			"a-name-that-is-long   11111  22222  33333\n" +
			"日本語の長い名前です  1      2\n",
		40: "NAME                  ONE    LAST\n" +
			"orders                1      3\n" +
			"a-name-that-is-long   11111  33333\n" +
			"日本語の長い名前です  1\n",
		20: "NAME           LAST\n" +
			"orders         3\n" +
			"a-name-that-…  33333\n" +
			"日本語の長い…\n",
	} {
		var b strings.Builder
		if err := writeColumns(&b, width, cols, rows); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); got != want {
			t.Errorf("width %d:\n%swant:\n%s", width, got, want)
		}
	}
}

func TestWrapText(t *testing.T) {
	const text = "a text of some words that is longer than a line"
	if got := wrapText(text, 0, 5, 5); got != text {
		t.Errorf("without a width: %q", got)
	}
	got := "→    " + wrapText(text, 20, 5, 5)
	if want := "→    a text of some\n     words that is\n     longer than a\n     line"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for line := range strings.Lines(got) {
		if n := uniseg.StringWidth(strings.TrimSuffix(line, "\n")); n > 20 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}
