//go:build !linux

package main

// onTerminal has nothing to run here: the command does nothing on this system.
func onTerminal() { panic("tty is for Linux") }
