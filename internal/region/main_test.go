//go:build linux

package region

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{"builder": builder, "leaver": leaver})
}

// inCall is how many goroutines are in a function.
func inCall(function string) (n int) {
	buf := make([]byte, 8<<20)
	stacks := string(buf[:runtime.Stack(buf, true)])
	for _, g := range strings.Split(stacks, "\n\n") {
		if strings.Contains(g, function+"(") {
			n++
		}
	}
	return n
}

// files is how many descriptors this process has.
func files(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
