package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"isthmus":   main,
		"numbers":   numbers,
		"inspect":   inspectUntil,
		"noread":    noReader,
		"exits":     exits,
		"interrupt": interrupt,
		"tty":       onTerminal,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("ISTHMUS_DIR", filepath.Join(e.WorkDir, "ipc"))
			// A race build sleeps for a second before it exits, unless told not to.
			e.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0"))
			return os.Mkdir(filepath.Join(e.WorkDir, "ipc"), 0o700)
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(5 * time.Minute), // only a hang takes as long, also on a busy machine
	})
}
