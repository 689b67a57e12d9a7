//go:build linux

package history

import (
	"flag"
	"testing"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

var (
	long     = flag.Bool("long", false, "thirty times as many histories")
	strictly = flag.String("history.strictly", "", "what the rules should not leave open, though they do: circle,behind,oldPlace,missed,stranded,aside")
	rounds   = flag.Int("history.rounds", 80, "how many histories of each kind of queue are checked")
)

// histories is how many histories of each kind of queue are checked.
func histories() int {
	switch {
	case *long:
		return 30 * *rounds
	case testing.Short():
		return max(1, *rounds/4)
	}
	return *rounds
}

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{"player": playRole})
}
