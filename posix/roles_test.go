//go:build linux

package posix_test

import "errors"

func queueRole(args []string) error     { return errors.New("todo") }
func semaphoreRole(args []string) error { return errors.New("todo") }
func memoryRole(args []string) error    { return errors.New("todo") }
func strangerRole(args []string) error  { return errors.New("todo") }

var _ = leftovers
