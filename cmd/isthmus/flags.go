package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// exclusive says that of several flags one at most can be given, and why.
func exclusive(cmd *cobra.Command, why string, names ...string) {
	cmd.MarkFlagsMutuallyExclusive(names...) // so that completion does not offer the others
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[strings.Join(names, " ")] = why
}

// checkGroups looks at what exclusive said, before cobra does in words of its own.
func checkGroups(cmd *cobra.Command) error {
	for _, names := range slices.Sorted(maps.Keys(cmd.Annotations)) {
		var given []string
		for _, name := range strings.Fields(names) {
			if cmd.Flags().Changed(name) {
				given = append(given, "--"+name)
			}
		}
		if len(given) > 1 {
			return usagef("%s were given together: %s: give one of them", strings.Join(given, " and "), cmd.Annotations[names])
		}
	}
	return nil
}

// flagError puts what is wrong with a flag into our words.
func flagError(_ *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		dashes := "--"
		if unknown.GetSpecifiedShortnames() != "" {
			dashes = "-"
		}
		return usagef("there is no flag %s%s", dashes, unknown.GetSpecifiedName())
	case errors.As(err, &bare):
		return usagef("--%s needs a value: write %s", bare.GetFlag().Name, values(bare.GetFlag()))
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		if _, ours := f.Value.(interface{ values() string }); ours {
			return usagef("--%s: %w: write %s", f.Name, invalid.Unwrap(), values(f))
		}
		return usagef("--%s: %q is not what it takes: write %s", f.Name, invalid.GetValue(), values(f))
	}
	return usageError{err}
}

// values says what a flag can be given.
func values(f *pflag.Flag) string {
	switch v := f.Value.(type) {
	case interface{ values() string }:
		return v.values()
	case interface{ IsBoolFlag() bool }:
		return fmt.Sprintf("--%s, or --%[1]s=false", f.Name)
	}
	switch f.Value.Type() {
	case "duration":
		return "a number and a unit, such as 500ms, 10s or 1h"
	case "uint32":
		return "a whole number from 0 to 4294967295"
	case "uint64":
		return "a whole number from 1 on"
	}
	return "a whole number"
}

// offer says what completion offers for a flag: these values, and no files.
func offer(cmd *cobra.Command, name string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// usage is cobra's template, but fits into 80 columns.
func usage(cmd *cobra.Command) string {
	return strings.ReplaceAll(cmd.UsageTemplate(), "Flags.FlagUsages ", "Flags.FlagUsagesWrapped 80 ")
}
