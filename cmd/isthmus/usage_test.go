package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/isthmus-ipc/isthmus/mailbox"
	"github.com/isthmus-ipc/isthmus/process"
	"github.com/spf13/cobra"
)

// The help of every verb fits onto a terminal.
func TestHelpFits(t *testing.T) {
	verbs := 0
	var look func(*cobra.Command)
	look = func(cmd *cobra.Command) {
		verbs++
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.InitDefaultHelpFlag()
		cmd.InitDefaultVersionFlag()
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("help of %s: %d columns: %q", cmd.CommandPath(), n, line)
			}
		}
		if cmd.Name() == "completion" {
			return // what it says of each shell are cobra's words
		}
		for _, sub := range cmd.Commands() {
			look(sub)
		}
	}
	look(newRootCmd(&IOStreams{}))
	if verbs < 8 {
		t.Errorf("looked at %d verbs", verbs)
	}
}

// Cobra's own words for flags that contradict each other are not to be seen: all
// groups that it knows have gone through exclusive.
func TestGroupsHaveReasons(t *testing.T) {
	groups := 0
	for _, cmd := range newRootCmd(&IOStreams{}).Commands() {
		for _, why := range cmd.Annotations {
			groups++
			if why == "" {
				t.Errorf("%s has a group without a reason", cmd.CommandPath())
			}
		}
	}
	if groups != 8 {
		t.Errorf("%d groups of flags that exclude each other, not 8", groups)
	}
}

// The help of stat names all that --json writes.
func TestStatHelpNamesTheKeys(t *testing.T) {
	now := time.Now()
	for _, record := range []any{
		mailboxRecord{Stat: mailbox.Stat{Created: now, Claims: []mailbox.ClaimStat{}, Participants: []mailbox.ParticipantStat{}}},
		processRecord{Created: now, Participants: []process.Sender{}},
	} {
		text, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		var keys map[string]any
		if err := json.Unmarshal(text, &keys); err != nil || len(keys) < 20 {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		for key := range keys {
			if !regexp.MustCompile(`\b` + key + `\b`).MatchString(statLong) {
				t.Errorf("%T: %s is not in the help", record, key)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	for want, info := range map[string]*debug.BuildInfo{
		"(devel) (revision unknown) unknown Go unknown/unknown": {},
		"v1.2.3 (revision abc, changed since) go1.26.0 linux/arm64": {
			GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.2.3"},
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"},
				{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "arm64"}},
		},
	} {
		if got := versionOf(info); got != want {
			t.Errorf("versionOf = %q, want %q", got, want)
		}
	}
}
