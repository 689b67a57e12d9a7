package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	isthmus "github.com/isthmus-ipc/isthmus"
)

var units = map[string]int64{
	"": 1, "b": 1,
	"k": 1 << 10, "kib": 1 << 10, "kb": 1e3,
	"m": 1 << 20, "mib": 1 << 20, "mb": 1e6,
	"g": 1 << 30, "gib": 1 << 30, "gb": 1e9,
	"t": 1 << 40, "tib": 1 << 40, "tb": 1e12,
}

// parseSize reads a number of bytes as the coreutils do: 64K and 64KiB are
// 65,536, 64KB is 64,000.
func parseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit, known := units[strings.ToLower(s[len(digits):])]
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil || n <= 0 || !known:
		return 0, fmt.Errorf("%q is not a size", s)
	case n > math.MaxInt64/unit:
		return 0, fmt.Errorf("size %q is out of range", s)
	}
	return n * unit, nil
}

// sizeFlag is a flag whose value is a number of bytes.
type sizeFlag[T int | int64] struct{ to *T }

func (f sizeFlag[T]) Type() string { return "SIZE" }

func (f sizeFlag[T]) values() string {
	return "a number of bytes from 1 on, such as 4096, 64K, 1MiB or 1MB"
}

func (f sizeFlag[T]) String() string {
	if f.to == nil || *f.to == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*f.to), 10)
}

func (f sizeFlag[T]) Set(s string) error {
	n, err := parseSize(s)
	if err == nil && int64(T(n)) != n {
		err = fmt.Errorf("size %q is out of range", s)
	}
	*f.to = T(n)
	return err
}

// parseCapacity reads zero, unbounded, or a number of messages.
func parseCapacity(s string) (isthmus.Capacity, error) {
	switch s {
	case "zero", "0":
		return isthmus.Zero, nil
	case "unbounded":
		return isthmus.Unbounded, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return isthmus.Capacity{}, fmt.Errorf("%q is not a capacity", s)
	}
	return isthmus.Bounded(n), nil
}

type capacityFlag struct{ to *isthmus.Capacity }

func (f capacityFlag) Type() string { return "zero|N|unbounded" }

func (f capacityFlag) values() string { return "zero, unbounded, or a number of messages" }

func (f capacityFlag) String() string {
	if f.to == nil || f.to.IsDefault() {
		return ""
	}
	return f.to.String()
}

func (f capacityFlag) Set(s string) (err error) {
	*f.to, err = parseCapacity(s)
	return err
}
