package main

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// However the demo is ended, its processes end with it, and its directory goes.
func TestDemoCleansUp(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) { // the demo would inherit that
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	to := func(s syscall.Signal) func(*demoRun) {
		return func(d *demoRun) { _ = d.cmd.Process.Signal(s) }
	}
	for name, c := range map[string]struct {
		end  func(*demoRun)
		with syscall.Signal
	}{
		"SIGINT":                     {to(syscall.SIGINT), syscall.SIGINT},
		"SIGTERM":                    {to(syscall.SIGTERM), syscall.SIGTERM},
		"SIGHUP":                     {to(syscall.SIGHUP), syscall.SIGHUP},
		"Ctrl-C":                     {func(d *demoRun) { _ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGINT) }, syscall.SIGINT},
		"nobody reads":               {func(d *demoRun) { _ = d.reader.Close() }, syscall.SIGPIPE},
		"nobody reads, and a signal": {func(d *demoRun) { _ = d.reader.Close(); to(syscall.SIGTERM)(d) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := startDemo(t)
			c.end(d)
			d.wait()
			if got := d.cmd.ProcessState.ExitCode(); c.with != 0 && got != exitSignal+int(c.with) {
				t.Errorf("exited with %d, not %d", got, exitSignal+int(c.with))
			}
			if d.errs.Len() > 0 {
				t.Errorf("said %q", d.errs.String())
			}
			if left, _ := filepath.Glob(filepath.Join(d.dir, "isthmus-demo-*")); len(left) > 0 {
				t.Errorf("left %v behind", left)
			}
			if all := d.processes(); len(all) > 0 {
				t.Errorf("left processes %v behind", all)
			}
		})
	}
}

// demoRun is a demo that cannot go on, because a process of it is stopped.
type demoRun struct {
	t      *testing.T
	dir    string
	cmd    *exec.Cmd
	reader *os.File // of its standard output
	errs   bytes.Buffer
}

func startDemo(t *testing.T) *demoRun {
	d := &demoRun{t: t, dir: t.TempDir(), cmd: exec.Command("isthmus", "demo")}
	ipc := filepath.Join(d.dir, "ipc")
	if err := os.Mkdir(ipc, 0o700); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d.reader = r
	d.cmd.Env = append(os.Environ(), "ISTHMUS_DIR="+ipc, "GORACE=atexit_sleep_ms=0")
	d.cmd.Stdout, d.cmd.Stderr = w, &d.errs
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	t.Cleanup(func() {
		_ = r.Close()
		_ = d.cmd.Process.Kill()
	})
	d.stopOne()
	return d
}

// stopOne stops a process of the demo that it has just started, and so waits for.
func (d *demoRun) stopOne() {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		for _, pid := range d.processes() {
			if syscall.Kill(pid, syscall.SIGSTOP) == nil && stopped(pid) {
				d.t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
				return
			}
		}
	}
	d.t.Fatal("the demo started no process in time")
}

// stopped tells whether a process that got SIGSTOP is there to feel it.
func stopped(pid int) bool {
	for {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		switch {
		case err != nil || len(rest) == 0 || rest[0] == 'Z' || rest[0] == 'X':
			return false
		case rest[0] == 'T':
			return true
		}
		time.Sleep(time.Millisecond)
	}
}

// processes are those whose mailboxes lie in the demo's directory.
func (d *demoRun) processes() (pids []int) {
	mark := []byte("ISTHMUS_DIR=" + d.dir + "/isthmus-demo-")
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		if env, err := os.ReadFile(path); err == nil && bytes.Contains(env, mark) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

func (d *demoRun) wait() {
	late := time.AfterFunc(20*time.Second, func() {
		d.t.Error("the demo did not end in time")
		_ = d.cmd.Process.Kill()
	})
	_ = d.cmd.Wait()
	if !late.Stop() {
		d.t.FailNow()
	}
}
