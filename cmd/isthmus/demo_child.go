package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/spf13/cobra"
)

// child is another process of the demo: this program, in a role.
type child struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	errs bytes.Buffer
	reap func() error // waits for its end, once
}

// start starts a process in a role and waits until it says that it is ready.
func (t *tour) start(ctx context.Context, role string, args ...string) (*child, error) {
	c := &child{cmd: exec.CommandContext(ctx, t.exe)}
	c.reap = sync.OnceValue(c.cmd.Wait)
	apart(c.cmd)
	c.cmd.Args = append([]string{os.Args[0], "demo-role", role}, args...)
	c.cmd.Env = append(os.Environ(), region.EnvDir+"="+t.dir)
	c.cmd.Stderr = &c.errs
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.in, c.out = in, bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a %s: %w", role, err)
	}
	if err := c.expect("ready"); err != nil {
		c.kill()
		return nil, err
	}
	return c, nil
}

// line is the next line that the process writes.
func (c *child) line() (string, error) {
	s, err := c.out.ReadString('\n')
	if err != nil {
		if werr := c.reap(); werr != nil {
			err = werr // says more than EOF
		}
		return "", fmt.Errorf("process %d ended too early: %w: %s", c.cmd.Process.Pid, err, c.errs.String())
	}
	return strings.TrimSuffix(s, "\n"), nil
}

func (c *child) expect(want string) error {
	got, err := c.line()
	if err == nil && got != want {
		err = fmt.Errorf("process %d said %q, not %q", c.cmd.Process.Pid, got, want)
	}
	return err
}

// rest is all the lines that the process still writes, until it ends.
func (c *child) rest() ([]string, error) {
	b, err := io.ReadAll(c.out)
	if werr := c.wait(); werr != nil {
		err = werr
	}
	text := strings.TrimSuffix(string(b), "\n")
	if text == "" {
		return nil, err
	}
	return strings.Split(text, "\n"), err
}

func (c *child) wait() error {
	if err := c.reap(); err != nil {
		return fmt.Errorf("process %d: %w: %s", c.cmd.Process.Pid, err, c.errs.String())
	}
	return nil
}

// kill ends the process with SIGKILL, if it has not ended.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.reap()
}

// newDemoRoleCmd makes the verb by which the demo starts its processes.
func newDemoRoleCmd(*IOStreams) *cobra.Command {
	return &cobra.Command{
		Use: "demo-role ROLE [ARGUMENT…]", Short: "Play a part in the demo", Hidden: true,
		Args: atLeast(1, "ROLE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			play := demoRoles[args[0]]
			if play == nil {
				return usagef("no role %q", args[0])
			}
			// The demo holds the other end: when it dies, however it dies, its
			// processes go with it.
			go func() {
				_, _ = io.Copy(io.Discard, os.Stdin)
				os.Exit(exitFailed)
			}()
			return play(context.Background(), args[1:])
		},
	}
}

// demoRoles are what a process of the demo can do. Each says ready when it is,
// a line at a time, on standard output.
var demoRoles = map[string]func(ctx context.Context, args []string) error{
	"producer": playProducer,
	"consumer": playConsumer,
	"flood":    playFlood,
	"sink":     playSink,
	"sender":   playSender,
	"holder":   playHolder,
	"rescuer":  playRescuer,
	"clerk":    playClerk,
	"crowd":    playCrowd,
	"deaf":     playDeaf,
}
