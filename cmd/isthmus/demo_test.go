package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// The demo fits onto a terminal, and tells what went wrong.
func TestDemoFits(t *testing.T) {
	long := strings.Repeat("a long result ", 10)
	trip := []step{
		{"Right", "This goes right.", func(context.Context, *tour) (string, error) { return long, nil }},
		{"Not right", "This goes wrong.", func(context.Context, *tour) (string, error) { return "", errors.New(long) }},
		{"After it", "This is seen although something went wrong.", func(context.Context, *tour) (string, error) { return "seen", nil }},
	}
	var out strings.Builder
	d := &tour{io: &IOStreams{Out: &out, Width: 80}}
	if err := d.walk(context.Background(), trip); err == nil || !strings.Contains(err.Error(), "demo: Not right: a long result") {
		t.Errorf("walk: %v", err)
	}
	for _, want := range []string{"1. Right\n   This goes right.\n   → a long result", "   → WRONG: a long result", "→ seen\n", "; something was wrong.\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
	if n := strings.Count(out.String(), "long"); n != 4*10 {
		t.Errorf("%d of %d words were written", n, 4*10)
	}
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}

// Once the demo is to end it takes no further step, and says nothing of them.
func TestDemoStopsWhereItIs(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	trip := []step{
		{"First", "ends it", func(context.Context, *tour) (string, error) { cancel(); return "", ctx.Err() }},
		{"Second", "is not taken", func(context.Context, *tour) (string, error) { t.Error("taken"); return "", nil }},
	}
	var out strings.Builder
	d := &tour{io: &IOStreams{Out: &out}}
	if err := d.walk(ctx, trip); !errors.Is(err, context.Canceled) {
		t.Errorf("walk: %v", err)
	}
	if want := "1. First\n   ends it\n"; out.String() != want {
		t.Errorf("said %q, not %q", out.String(), want)
	}
}
