package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/address"
	"github.com/spf13/cobra"
)

// endpoint is what send and recv have in common.
type endpoint struct {
	addr    address.Address
	opts    address.Options
	try     bool
	timeout time.Duration
}

func (e *endpoint) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&e.try, "try", false, "do not wait: exit with status 75 if that would be necessary")
	f.DurationVar(&e.timeout, "timeout", 0, "wait no longer than this `TIME` for any one message (500ms, 10s, 1h), and exit with status 124")
	f.Var(capacityFlag{&e.opts.Capacity}, "capacity", "how many messages a new mailbox or inbox holds (1024 if not given); an existing one must hold as many")
	f.Var(sizeFlag[int]{&e.opts.MaxMessage}, "max-message", "the largest message a new mailbox or inbox takes (64K if not given); an existing mailbox must take as large ones")
	f.Var(sizeFlag[int64]{&e.opts.Memory}, "memory", "the memory that a new mailbox or inbox reserves for all messages of more than 72 bytes together (4M if not given, or one of the largest if that is more)")
	exclusive(cmd, "--try does not wait at all", "try", "timeout")
	offer(cmd, "capacity", "zero", "unbounded")
	for _, name := range []string{"timeout", "max-message", "memory"} {
		offer(cmd, name)
	}
	cmd.ValidArgsFunction = completeAddress
}

// check looks at what the flags alone cannot say.
func (e *endpoint) check(cmd *cobra.Command, addr string) (err error) {
	if cmd.Flags().Changed("timeout") && e.timeout <= 0 {
		return usagef("--timeout %v is not more than 0: take --try to not wait at all", e.timeout)
	}
	if err := e.checkMemory(); err != nil {
		return err
	}
	e.addr, err = address.Parse(addr)
	return err
}

const (
	defaultMaxMessage = 64 << 10
	defaultMemory     = 4 << 20
	freeOfMemory      = 72 // a message of as many bytes needs none
)

// checkMemory bounds what a new mailbox reserves. The library's rule, room for as
// many of the largest messages as the capacity says, is 1 GiB for --max-message 1M.
func (e *endpoint) checkMemory() error {
	most := int64(cmp.Or(e.opts.MaxMessage, defaultMaxMessage))
	switch {
	case e.opts.Memory != 0 && e.opts.Memory < most && most > freeOfMemory:
		return usagef("--memory %d is less than one message of %d bytes: write more, or a smaller --max-message", e.opts.Memory, most)
	case e.opts.Memory == 0 && e.opts.MaxMessage != 0 && e.opts.Capacity != isthmus.Unbounded:
		e.opts.Memory = max(defaultMemory, most)
	}
	return nil
}

// memoryHelp is what send and recv say about it.
const memoryHelp = `A new mailbox or inbox reserves its memory at once, a little for each message of
--capacity and --memory for the data of larger ones, and does not grow: when the
memory is full it is full, whatever the capacity. With --capacity unbounded it
grows up to --memory, or half of the file system if that is not given.`

// wait calls f with a context that ends when the time is up.
func (e *endpoint) wait(ctx context.Context, f func(context.Context) error) error {
	if e.timeout == 0 {
		return f(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	return f(ctx)
}

// completeAddress offers the addresses that exist, for the first argument.
func completeAddress(cmd *cobra.Command, args []string, part string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completeAddresses(cmd, args, part)
}

// completeAddresses offers those that are not there yet, for any argument.
func completeAddresses(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, s := range address.Schemes() {
		all, err := address.List(s, address.Options{})
		if err != nil {
			continue
		}
		for _, a := range all {
			if name := short(a); !slices.Contains(args, name) {
				names = append(names, name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// short is the address as a person would write it.
func short(a address.Address) string {
	if a.Scheme == address.Mailbox {
		if _, err := address.Parse(a.Name); err == nil {
			return a.Name
		}
	}
	return a.String()
}
