//go:build linux

package sysv_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/isthmus-ipc/isthmus/sysv"
)

func segmentArg(args []string) (*sysv.Segment, error) {
	id, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	return sysv.SegmentByID(id)
}

func withSegment(f func(*sysv.Segment) error) func([]string) error {
	return func(args []string) error {
		s, err := segmentArg(args)
		if err != nil {
			return err
		}
		return f(s)
	}
}

func init() {
	acts["shm denied"] = func(args []string) error {
		s, err := segmentArg(args)
		if err != nil {
			return err
		}
		get := error(fs.ErrPermission)
		if key := keyArg(args[1]); key != sysv.Private {
			_, get = sysv.GetSegment(key, 1, nil)
		}
		_, stat := s.Stat()
		_, attach := s.Attach()
		_, read := s.AttachReadOnly()
		return errors.Join(demand("get", get, fs.ErrPermission), demand("stat", stat, syscall.EACCES),
			demand("attach", attach, syscall.EACCES), demand("read", read, syscall.EACCES))
	}
	acts["shm stranger"] = withSegment(func(s *sysv.Segment) error {
		return errors.Join(demand("remove", s.Remove(), syscall.EPERM), demand("set", s.Chmod(0o600), fs.ErrPermission),
			demand("lock", s.Lock(), fs.ErrPermission))
	})
	acts["huge denied"] = func([]string) error {
		_, err := sysv.CreateSegment(sysv.Private, 1, &sysv.SegmentConfig{HugePageSize: 2 << 20})
		return demand("create", err, fs.ErrPermission)
	}
	acts["attach"] = withSegment(func(s *sysv.Segment) error {
		if _, err := s.Attach(); err != nil {
			return err
		}
		fmt.Println("attached")
		line()
		return nil
	})
	acts["attach and exec"] = withSegment(func(s *sysv.Segment) error {
		if _, err := s.Attach(); err != nil {
			return err
		}
		return syscall.Exec("/proc/self/exe", []string{"exe", "say and wait"}, os.Environ())
	})
	acts["write to read-only"] = withSegment(func(s *sysv.Segment) error {
		a, err := s.AttachReadOnly()
		if err != nil {
			return err
		}
		fmt.Println("now")
		a.Bytes()[0] = 1
		return nil
	})
	acts["write after detach"] = withSegment(func(s *sysv.Segment) error {
		a, err := s.Attach()
		if err != nil {
			return err
		}
		mem := a.Bytes()
		if err := a.Detach(); err != nil {
			return err
		}
		fmt.Println("now")
		mem[0] = 1
		return nil
	})
	acts["shmmax"] = func([]string) error {
		if err := setKernel("shmmax", "8192"); err != nil {
			return err
		}
		if _, err := sysv.CreateSegment(sysv.Private, 8192, nil); err != nil {
			return err
		}
		_, err := sysv.CreateSegment(sysv.Private, 8193, nil)
		return named(err, syscall.EINVAL, "kernel.shmmax is 8192")
	}
	acts["shmmni"] = func([]string) error {
		if err := errors.Join(setKernel("shmmni", "3"), setKernel("shmall", "6")); err != nil {
			return err
		}
		s, err := sysv.CreateSegment(sysv.Private, 5*os.Getpagesize(), nil)
		if err != nil {
			return err
		}
		_, pages := sysv.CreateSegment(sysv.Private, 2*os.Getpagesize(), nil)
		if err := s.Remove(); err != nil {
			return err
		}
		for range 3 {
			if _, err := sysv.CreateSegment(sysv.Private, 1, nil); err != nil {
				return err
			}
		}
		_, segments := sysv.CreateSegment(sysv.Private, 1, nil)
		return errors.Join(named(pages, syscall.ENOSPC, "kernel.shmall is 6 pages, of which 5"), named(segments, syscall.ENOSPC, "kernel.shmmni is 3"))
	}
	acts["shm info"] = shmInfo
}

// named is an error if err is not target, or does not say what.
func named(err, target error, what string) error {
	if err == nil || !strings.Contains(err.Error(), what) {
		return fmt.Errorf("%w does not say: %s", err, what)
	}
	return demand(what, err, target)
}

func shmInfo([]string) error {
	for i := range 3 {
		s, err := sysv.CreateSegment(sysv.Key(100+i), 5000+i, &sysv.SegmentConfig{Mode: 0o640})
		if err != nil {
			return err
		}
		a, err := s.Attach()
		if err != nil {
			return err
		}
		a.Bytes()[0] = 1
		st, err := s.Stat()
		if err != nil {
			return err
		}
		all, err := sysv.ListSegments()
		if err != nil || len(all) != i+1 {
			return fmt.Errorf("%+v, %w", all, err)
		}
		if all[i].Resident != uint64(os.Getpagesize()) {
			return fmt.Errorf("%d bytes are resident of one page", all[i].Resident)
		}
		if all[i].Resident = 0; all[i] != st {
			return fmt.Errorf("%+v, want %+v", all[i], st)
		}
		if l, err := sysv.ReadLimits(); err != nil || l.Segments != i+1 || l.Pages != uint64(2*(i+1)) {
			return fmt.Errorf("%d segments, %d pages, %w", l.Segments, l.Pages, err)
		}
	}
	return nil
}
