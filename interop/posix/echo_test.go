//go:build linux && interop

package posix

func echoRole(args []string) error { return nil }
