package main

import (
	"os/exec"
	"syscall"
)

// apart puts a process into a group of its own, so that Ctrl-C does not reach
// it: who started it ends it, and knows then that it was no mishap.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
