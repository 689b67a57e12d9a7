//go:build linux

package sysv_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/sysv"
)

// line waits for a line of standard input.
func line() { _, _ = bufio.NewReader(os.Stdin).ReadString('\n') }

func init() {
	acts["undo"] = withSet(undoInThread)
	acts["undo and child"] = withSet(func(s *sysv.SemaphoreSet) error {
		if err := s.TryOperate(op{Delta: -1, Undo: true}); err != nil {
			return err
		}
		if err := exec.Command("/proc/self/exe", "-test.run=^$").Run(); err == nil {
			return errors.New("the child should have said that there is no such act") // it inherits the role
		}
		fmt.Println("the child has ended")
		line()
		return nil
	})
	acts["undo and exec"] = withSet(func(s *sysv.SemaphoreSet) error {
		if err := s.TryOperate(op{Delta: -1, Undo: true}); err != nil {
			return err
		}
		return syscall.Exec("/proc/self/exe", []string{"exe", "say and wait"}, os.Environ())
	})
	acts["say and wait"] = func([]string) error {
		fmt.Println("after exec")
		line()
		return nil
	}
	acts["undo an increase"] = withSet(func(s *sysv.SemaphoreSet) error {
		if err := s.TryOperate(op{Delta: 5, Undo: true}); err != nil {
			return err
		}
		fmt.Println("increased")
		line()
		return nil
	})
	acts["sem denied"] = semDenied
	acts["sem stranger"] = withSet(func(s *sysv.SemaphoreSet) error {
		return errors.Join(demand("remove", s.Remove(), syscall.EPERM), demand("set", s.Chmod(0o600), fs.ErrPermission),
			s.TryOperate(op{Delta: 1}), s.SetValue(0, 1))
	})
	acts["semmni"] = semLimits
	acts["sem absent"] = func(args []string) error {
		_, byKey := sysv.OpenSemaphoreSet(keyArg(args[0]))
		_, byID := setArg(args[1:])
		return errors.Join(demand("by key", byKey, fs.ErrNotExist), demand("by id", byID, fs.ErrNotExist))
	}
	acts["sem commands"] = semCommands
	acts["otime"] = otime
}

func withSet(f func(*sysv.SemaphoreSet) error) func([]string) error {
	return func(args []string) error {
		s, err := setArg(args)
		if err != nil {
			return err
		}
		return f(s)
	}
}

// undoInThread has a thread that ends take the semaphore.
func undoInThread(s *sysv.SemaphoreSet) error {
	tids := make(chan int)
	var take func() error
	take = func() error {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if syscall.Gettid() == os.Getpid() {
			go func() { _ = take() }()
			select {} // the first thread never ends: keep it busy
		}
		err := s.TryOperate(op{Delta: -1, Undo: true})
		if err != nil {
			fmt.Println(err)
		}
		tids <- syscall.Gettid()
		return err
	}
	go func() { _ = take() }()
	tid := <-tids
	for {
		if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid)); errors.Is(err, fs.ErrNotExist) {
			break
		}
		runtime.Gosched()
	}
	fmt.Println("the thread has ended")
	line()
	return nil
}

func semDenied(args []string) error {
	s, err := setArg(args)
	if err != nil {
		return err
	}
	_, stat := s.Stat()
	_, values := s.Values()
	_, value := s.Value(0)
	get := error(fs.ErrPermission)
	if key := keyArg(args[1]); key != sysv.Private {
		_, get = sysv.GetSemaphoreSet(background, key, 1, nil)
	}
	return errors.Join(demand("get", get, fs.ErrPermission), demand("stat", stat, syscall.EACCES), demand("values", values, syscall.EACCES),
		demand("value", value, syscall.EACCES), demand("operate", s.TryOperate(op{Delta: 1}), syscall.EACCES),
		demand("set", s.SetValue(0, 1), syscall.EACCES))
}

func semLimits([]string) error {
	if err := setKernel("sem", "4 6 10 3"); err != nil {
		return err
	}
	one, err := sysv.CreateSemaphoreSet(sysv.Private, 4, nil)
	if err != nil {
		return err
	}
	_, perSet := sysv.CreateSemaphoreSet(sysv.Private, 5, nil)
	_, all := sysv.CreateSemaphoreSet(sysv.Private, 4, nil)
	if err := one.Remove(); err != nil {
		return err
	}
	for range 3 {
		if _, err := sysv.CreateSemaphoreSet(sysv.Private, 1, nil); err != nil {
			return err
		}
	}
	_, sets := sysv.CreateSemaphoreSet(sysv.Private, 1, nil)
	for err, name := range map[error]string{perSet: "semmsl) is 4", all: "semmns) is 6, of which 4", sets: "semmni) is 3"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			return fmt.Errorf("%w does not name %s", err, name)
		}
	}
	return errors.Join(demand("per set", perSet, syscall.EINVAL), demand("all", all, syscall.ENOSPC), demand("sets", sets, syscall.ENOSPC))
}

func semCommands([]string) error {
	s, err := sysv.CreateSemaphoreSet(77, 3, &sysv.SemaphoreConfig{Values: []int{1, 2, 3}, Mode: 0o620})
	if err != nil {
		return err
	}
	st, err := s.Stat()
	if err != nil || st.Count != 3 || st.Mode != 0o620 || st.Key != 77 || st.Operated.IsZero() {
		return fmt.Errorf("IPC_STAT: %+v, %w", st, err)
	}
	if err := errors.Join(s.Chmod(0o644), s.Chown(-1, os.Getegid()), s.SetValues(4, 5, 6), s.SetValue(1, 7)); err != nil {
		return err
	}
	values, err := s.Values()
	one, e := s.Value(1)
	pid, f := s.LastPID(1)
	if err = errors.Join(err, e, f); err != nil || fmt.Sprint(values, one) != "[4 7 6] 7" || pid != os.Getpid() {
		return fmt.Errorf("GETALL, GETVAL, GETPID: %v, %d, %d, %w", values, one, pid, err)
	}
	n, err := s.WaitingForIncrease(0)
	z, e := s.WaitingForZero(0)
	if err := errors.Join(err, e); err != nil || n != 0 || z != 0 {
		return fmt.Errorf("GETNCNT, GETZCNT: %d, %d, %w", n, z, err)
	}
	l, err := sysv.ReadLimits()
	if text := fmt.Sprintf("%d %d %d %d", l.MaxPerSet, l.MaxSemaphores, l.MaxOperations, l.MaxSets); err != nil || text != kernel("sem") {
		return fmt.Errorf("IPC_INFO says %s, /proc %s, %w", text, kernel("sem"), err)
	}
	if l.Sets != 1 || l.Semaphores != 3 || l.MaxValue != 32767 {
		return fmt.Errorf("SEM_INFO: %+v", l)
	}
	st, err = s.Stat()
	all, e := sysv.ListSemaphoreSets()
	if err := errors.Join(err, e); err != nil || len(all) != 1 || all[0] != st {
		return fmt.Errorf("SEM_STAT: %+v, %w; want %+v", all, err, st)
	}
	if err := s.Remove(); err != nil {
		return err
	}
	return demand("IPC_RMID", s.Remove(), isthmus.ErrRemoved)
}

// otime needs a set that nobody has initialised: one of ipcmk's sort, which in Go
// is one whose creator is stopped between its two steps. The kernel's own call
// makes it.
func otime([]string) error {
	id, _, e := syscall.Syscall(syscall.SYS_SEMGET, 78, 2, 0o1600)
	if e != 0 {
		return e
	}
	s, err := sysv.OpenSemaphoreSet(78)
	if err != nil || s.ID() != int(id) {
		return fmt.Errorf("id %d instead of %s: %w", s.ID(), strconv.Itoa(int(id)), err)
	}
	st, err := s.Stat()
	if err != nil || !st.Operated.IsZero() {
		return fmt.Errorf("%+v, %w: sem_otime is not 0", st, err)
	}
	if err := s.SetValues(1, 1); err != nil {
		return err
	}
	if st, err = s.Stat(); err != nil || !st.Operated.IsZero() {
		return fmt.Errorf("%+v, %w: SETALL has set sem_otime", st, err)
	}
	if err := s.Initialize(32767, 2); err != nil {
		return err
	}
	if st, err = s.Stat(); err != nil || st.Operated.IsZero() {
		return fmt.Errorf("%+v, %w: semop has not set sem_otime", st, err)
	}
	if v, err := s.Values(); err != nil || fmt.Sprint(v) != "[32767 2]" {
		return fmt.Errorf("values %v, %w", v, err)
	}
	return nil
}
