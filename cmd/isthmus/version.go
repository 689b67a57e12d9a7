package main

import (
	"fmt"
	"runtime/debug"
)

// version is what --version says: which source this is, and what made it into
// this program for which system.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	revision := "revision " + or(set["vcs.revision"], "unknown")
	if set["vcs.modified"] == "true" {
		revision += ", changed since"
	}
	return fmt.Sprintf("%s (%s) %s %s/%s", or(info.Main.Version, "(devel)"), revision,
		or(info.GoVersion, "unknown Go"), or(set["GOOS"], "unknown"), or(set["GOARCH"], "unknown"))
}
