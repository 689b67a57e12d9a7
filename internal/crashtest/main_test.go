//go:build linux

package crashtest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/isthmus-ipc/isthmus/internal/crash"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

var (
	long  = flag.Bool("long", false, "stop victims for 10 s, not 200 ms")
	kills = flag.Int("storm.kills", 300, "how many processes the storm kills")
)

// bound is how long survivors may take for what they should do at once. It is
// that long because the machines that run this are shared.
const bound = 5 * time.Second

func stopTime() time.Duration {
	if *long {
		return 10 * time.Second
	}
	return 200 * time.Millisecond
}

func TestMain(m *testing.M) {
	proctest.Main(m, proctest.Roles{
		"victim":   playVictim,
		"sender":   playSender,
		"receiver": playReceiver,
		"holder":   playHolder,
		"echo":     playEcho,
	})
}

// crashable is this test binary with the crash points compiled in.
func crashable(t *testing.T) string {
	t.Helper()
	if crash.Enabled {
		return os.Args[0]
	}
	exe, err := buildCrashable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// buildCrashable compiles it into a file that has no name any more when the
// tests begin, so that however they end nothing is left behind.
var buildCrashable = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "crashtest-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	exe := filepath.Join(dir, "crashtest.test")
	out, err := exec.Command("go", "test", "-c", "-tags", "isthmus_crash", "-o", exe, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go test -c -tags isthmus_crash (the go command must be in PATH): %v: %s", err, out)
	}
	if crashableFile, err = os.Open(exe); err != nil {
		return "", err
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), crashableFile.Fd()), nil
})

var crashableFile *os.File // keeps what has no name
