package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
)

// tty COLUMNS COMMAND… runs a command whose standard output is a terminal of so
// many columns, writes what came out there, and exits as the command does.
func onTerminal() {
	columns, _ := strconv.Atoi(os.Args[1])
	master, slave, err := openTerminal(uint16(columns))
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdout, cmd.Stderr = slave, os.Stderr
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	_ = slave.Close()
	_, _ = io.Copy(os.Stdout, master) // ends with EIO when nobody has the terminal any more
	_ = cmd.Wait()
	os.Exit(cmd.ProcessState.ExitCode())
}

// openTerminal opens a new terminal (pts(4)) that changes nothing on its way out.
func openTerminal(columns uint16) (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	t, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		return nil, nil, err
	}
	t.Oflag &^= unix.OPOST
	if err := unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, t); err != nil {
		return nil, nil, err
	}
	return master, slave, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns})
}
