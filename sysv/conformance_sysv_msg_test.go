//go:build linux

package sysv_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/sysv"
)

var msggetList = []assertion{
	{"a new queue carries messages", func(t *testing.T) {
		q, err := sysv.GetQueue(newKey(t), nil)
		must(t, err)
		defer q.Remove()
		must(t, q.TrySend(text(1, "hello")))
		wants(t, q, sysv.Selection{}, text(1, "hello"))
	}},
	{"IPC_CREAT|IPC_EXCL of an existing key: EEXIST", func(t *testing.T) {
		key := newKey(t)
		q, err := sysv.CreateQueue(key, nil)
		must(t, err)
		defer q.Remove()
		_, err = sysv.CreateQueue(key, nil)
		is(t, err, fs.ErrExist, syscall.EEXIST)
	}},
	{"no queue and no IPC_CREAT: ENOENT", func(t *testing.T) {
		_, err := sysv.OpenQueue(newKey(t))
		is(t, err, fs.ErrNotExist, syscall.ENOENT)
	}},
	{"no permission: EACCES", func(t *testing.T) {
		key := newKey(t)
		q, err := sysv.CreateQueue(key, nil)
		must(t, err)
		defer q.Remove()
		act(t, stranger(t), "msg denied", q.ID(), int32(key)).Wait()
	}},
	{"more than msgmni: ENOSPC", func(t *testing.T) { act(t, island(), "msgmni").Wait() }},
	{"msg_next_id chooses the next id, once; one in use is passed over", func(t *testing.T) {
		act(t, island(), "msg_next_id").Wait()
	}},
	{"IPC_PRIVATE is new each time", func(t *testing.T) {
		if a, b := privateQueue(t, 100), privateQueue(t, 100); a.ID() == b.ID() {
			t.Fatal("two private queues are one")
		}
	}},
	{"the same key is the same id", func(t *testing.T) {
		a, err := sysv.GetQueue(newKey(t), nil)
		must(t, err)
		defer a.Remove()
		b, err := sysv.GetQueue(a.Key(), nil)
		must(t, err)
		c, err := sysv.OpenQueue(a.Key())
		must(t, err)
		if a.ID() != b.ID() || a.ID() != c.ID() {
			t.Fatalf("ids %d, %d, %d", a.ID(), b.ID(), c.ID())
		}
	}},
}

var msgsndList = []assertion{
	{"the message is enqueued", func(t *testing.T) {
		q := privateQueue(t, 100)
		must(t, q.TrySend(text(3, "a")), q.TrySend(text(2, "b")))
		wants(t, q, sysv.Selection{}, text(3, "a"))
		wants(t, q, sysv.Selection{}, text(2, "b"))
	}},
	{"IPC_STAT tells msg_qnum, msg_cbytes, msg_lspid, msg_stime", func(t *testing.T) {
		q := privateQueue(t, 100)
		before := time.Now().Truncate(time.Second)
		must(t, q.TrySend(text(1, "abc")), q.TrySend(text(1, "de")))
		st, err := q.Stat()
		must(t, err)
		if st.Messages != 2 || st.Bytes != 5 || st.LastSender != os.Getpid() || st.Sent.Before(before) || !st.Received.IsZero() {
			t.Fatalf("%+v", st)
		}
	}},
	{"no permission: EACCES", func(t *testing.T) {
		act(t, stranger(t), "msg denied", privateQueue(t, 100).ID(), 0).Wait()
	}},
	{"a bad address: EFAULT", notApplicable(noPointers)},
	{"a bad id, type or size: EINVAL", func(t *testing.T) {
		q := privateQueue(t, 100)
		is(t, q.TrySend(text(-1, "a")), errors.ErrUnsupported)
		max, _ := strconv.Atoi(kernel("msgmax"))
		err := q.TrySend(isthmus.Message{Data: make([]byte, max+1)})
		is(t, err, isthmus.ErrTooLarge, syscall.EINVAL)
		if !strings.Contains(err.Error(), "kernel.msgmax") {
			t.Fatalf("%v does not name the limit", err)
		}
		must(t, q.Remove())
		is(t, q.TrySend(text(1, "a")), isthmus.ErrRemoved)
	}},
	{"full, with IPC_NOWAIT: EAGAIN", func(t *testing.T) {
		q := privateQueue(t, 10)
		must(t, q.TrySend(text(1, "0123456789")))
		is(t, q.TrySend(text(1, "x")), isthmus.ErrFull)
	}},
	{"a signal while it waits: EINTR, never restarted", notApplicable("the package makes the call again: see TestInterrupted")},
	{"removed while it waits: EIDRM", func(t *testing.T) {
		q := privateQueue(t, 1)
		must(t, q.TrySend(text(1, "x")))
		errs := call(func() error { return q.Send(background, text(1, "y")) })
		inKernel(t, os.Getpid(), syscall.SYS_MSGSND, 1)
		must(t, q.Remove())
		is(t, await(t, errs), isthmus.ErrRemoved, syscall.EIDRM)
	}},
	{"a message of no bytes", func(t *testing.T) {
		q := privateQueue(t, 100)
		must(t, q.TrySend(text(4, "")))
		wants(t, q, sysv.Selection{}, text(4, ""))
	}},
	{"msg_qbytes bounds the number of messages, too", func(t *testing.T) {
		q := privateQueue(t, 4)
		for range 4 {
			must(t, q.TrySend(isthmus.Message{}))
		}
		is(t, q.TrySend(isthmus.Message{}), isthmus.ErrFull)
	}},
	{"all that wait for room are served when there is enough, in whatever order (ss_wakeup in ipc/msg.c wakes all that fit)", func(t *testing.T) {
		q := privateQueue(t, 10)
		must(t, q.TrySend(text(1, "0123456789")))
		var errs []<-chan error
		for i := range 5 {
			errs = append(errs, call(func() error { return q.Send(background, text(1, fmt.Sprintf("number %d", i))) }))
			inKernel(t, os.Getpid(), syscall.SYS_MSGSND, i+1)
		}
		wants(t, q, sysv.Selection{}, text(1, "0123456789"))
		seen := map[string]bool{}
		for range 5 {
			m, err := q.Receive(background)
			must(t, err)
			seen[string(m.Data)] = true
		}
		if len(seen) != 5 {
			t.Fatalf("received %v", seen)
		}
		for _, e := range errs {
			must(t, await(t, e))
		}
	}},
}

var msgrcvList = []assertion{
	{"the right message comes", func(t *testing.T) {
		q := privateQueue(t, 100)
		must(t, q.TrySend(text(7, "seven")))
		wants(t, q, sysv.Selection{}, text(7, "seven"))
		st, err := q.Stat()
		must(t, err)
		if st.Messages != 0 || st.LastReceiver != os.Getpid() || st.Received.IsZero() {
			t.Fatalf("%+v", st)
		}
	}},
	{"larger than the buffer, without MSG_NOERROR: E2BIG, and it stays", func(t *testing.T) {
		q := privateQueue(t, 100)
		must(t, q.TrySend(text(1, "0123456789")))
		_, err := q.TryReceiveInto(make([]byte, 9))
		is(t, err, isthmus.ErrTooLarge, syscall.E2BIG)
		wants(t, q, sysv.Selection{}, text(1, "0123456789"))
	}},
	{"no permission: EACCES", func(t *testing.T) {
		act(t, stranger(t), "msg denied", privateQueue(t, 100).ID(), 0).Wait()
	}},
	{"a bad address: EFAULT", notApplicable(noPointers)},
	{"a bad id or size: EINVAL", func(t *testing.T) {
		q := privateQueue(t, 100)
		must(t, q.Remove())
		_, err := q.TryReceive()
		is(t, err, isthmus.ErrRemoved)
		_, err = sysv.QueueByID(-1)
		is(t, err, fs.ErrNotExist)
	}},
	{"nothing there, with IPC_NOWAIT: ENOMSG", func(t *testing.T) {
		q := privateQueue(t, 100)
		_, err := q.TryReceive()
		is(t, err, isthmus.ErrEmpty)
		must(t, q.TrySend(text(1, "")))
		_, err = q.TryReceiveSelected(sysv.Selection{Type: 2}, nil)
		is(t, err, isthmus.ErrEmpty)
	}},
	{"type 0: the first", func(t *testing.T) { wants(t, three(t), sysv.Selection{}, text(3, "c")) }},
	{"type > 0: the first of that type", func(t *testing.T) { wants(t, three(t), sysv.Selection{Type: 2}, text(2, "b")) }},
	{"type < 0: the lowest type up to |type|", func(t *testing.T) {
		q := three(t)
		wants(t, q, sysv.Selection{Type: -2}, text(1, "a"))
		wants(t, q, sysv.Selection{Type: -2}, text(2, "b"))
		_, err := q.TryReceiveSelected(sysv.Selection{Type: -2}, nil)
		is(t, err, isthmus.ErrEmpty)
	}},
	{"MSG_EXCEPT: the first of another type", func(t *testing.T) {
		wants(t, three(t), sysv.Selection{Type: 3, Except: true}, text(2, "b"))
		_, err := three(t).TryReceiveSelected(sysv.Selection{Type: -3, Except: true}, nil)
		is(t, err, syscall.EINVAL)
	}},
	{"MSG_NOERROR: cut, and the rest lost", func(t *testing.T) {
		q := privateQueue(t, 100)
		must(t, q.TrySend(text(1, "0123456789")))
		m, err := q.TryReceiveSelected(sysv.Selection{Truncate: true}, make([]byte, 4))
		if must(t, err); string(m.Data) != "0123" {
			t.Fatalf("received %q", m.Data)
		}
		_, err = q.TryReceive()
		is(t, err, isthmus.ErrEmpty)
	}},
	{"MSG_COPY needs IPC_NOWAIT, else EINVAL", notApplicable("Peek never waits")},
	{"MSG_COPY with MSG_EXCEPT: EINVAL", notApplicable("Peek takes no Selection")},
	{"MSG_COPY beyond the last: ENOMSG", func(t *testing.T) {
		_, err := three(t).Peek(3)
		is(t, err, isthmus.ErrEmpty)
	}},
	{"MSG_COPY without CONFIG_CHECKPOINT_RESTORE: ENOSYS", func(t *testing.T) {
		if _, err := three(t).Peek(0); err != nil {
			is(t, err, errors.ErrUnsupported, syscall.ENOSYS)
		}
	}},
	{"MSG_COPY leaves the message", func(t *testing.T) {
		q := three(t)
		for range 2 {
			for i, want := range []isthmus.Message{text(3, "c"), text(2, "b"), text(1, "a")} {
				if m, err := q.Peek(i); err != nil || m.Type != want.Type || string(m.Data) != string(want.Data) {
					t.Fatalf("%d: %+v, %v", i, m, err)
				}
			}
		}
		if st, err := q.Stat(); err != nil || st.Messages != 3 {
			t.Fatalf("%+v, %v", st, err)
		}
	}},
	{"a signal while it waits: EINTR, never restarted", notApplicable("the package makes the call again: see TestInterrupted")},
	{"removed while it waits: EIDRM", func(t *testing.T) {
		q := privateQueue(t, 100)
		errs := call(func() error { _, err := q.Receive(background); return err })
		inKernel(t, os.Getpid(), syscall.SYS_MSGRCV, 1)
		must(t, q.Remove())
		is(t, await(t, errs), isthmus.ErrRemoved, syscall.EIDRM)
	}},
	{"of several that wait for different types, each gets its own", func(t *testing.T) {
		q := privateQueue(t, 100)
		var errs []<-chan error
		for i := range int64(5) {
			errs = append(errs, call(func() error {
				m, err := q.ReceiveSelected(background, sysv.Selection{Type: i + 1}, nil)
				if err == nil && m.Type != i+1 {
					err = fmt.Errorf("type %d instead of %d", m.Type, i+1)
				}
				return err
			}))
		}
		inKernel(t, os.Getpid(), syscall.SYS_MSGRCV, 5)
		for i := range int64(5) {
			must(t, q.TrySend(text(5-i, "")))
		}
		for _, e := range errs {
			must(t, await(t, e))
		}
	}},
}

var msgctlList = []assertion{
	{"IPC_STAT tells what is", func(t *testing.T) {
		q := privateQueue(t, 123)
		st, err := q.Stat()
		must(t, err)
		uid, gid := os.Geteuid(), os.Getegid()
		if st.Key != 0 || st.ID != q.ID() || st.UID != uid || st.GID != gid || st.CreatorUID != uid || st.CreatorGID != gid || st.Mode != 0o600 ||
			st.MaxBytes != 123 || st.Messages != 0 || st.LastSender != 0 || !st.Sent.IsZero() || time.Since(st.Changed) > time.Minute {
			t.Fatalf("%+v", st)
		}
	}},
	{"IPC_SET sets mode, owner and msg_qbytes, and msg_ctime", func(t *testing.T) {
		q := privateQueue(t, 123)
		must(t, q.SetMaxBytes(77), q.Chmod(0o640))
		if st, err := q.Stat(); err != nil || st.MaxBytes != 77 || st.Mode != 0o640 {
			t.Fatalf("%+v, %v", st, err)
		}
		must(t, q.Chown(os.Geteuid(), -1))
	}},
	{"IPC_SET above msgmnb without CAP_SYS_RESOURCE: EPERM", func(t *testing.T) {
		act(t, stranger(t), "msgmnb").Wait()
	}},
	{"IPC_RMID: the id is no longer one", func(t *testing.T) {
		q := privateQueue(t, 100)
		must(t, q.Remove())
		is(t, q.Remove(), isthmus.ErrRemoved)
		_, err := q.Stat()
		is(t, err, isthmus.ErrRemoved)
	}},
	{"IPC_STAT without the permission to read: EACCES", func(t *testing.T) {
		act(t, stranger(t), "msg denied", privateQueue(t, 100).ID(), 0).Wait()
	}},
	{"a bad address: EFAULT", notApplicable(noPointers)},
	{"a bad id or command: EINVAL", func(t *testing.T) {
		_, err := sysv.QueueByID(1 << 30)
		is(t, err, fs.ErrNotExist)
	}},
	{"IPC_SET and IPC_RMID by a stranger: EPERM", func(t *testing.T) {
		q := privateQueue(t, 100)
		must(t, q.Chmod(0o666))
		act(t, stranger(t), "msg stranger", q.ID()).Wait()
	}},
	{"the high halves of times are 0", notApplicable("on 64-bit machines a time is one number")},
	{"MSG_INFO and /proc/sysvipc/msg agree", func(t *testing.T) { act(t, island(), "msg info").Wait() }},
	{"IPC_INFO and /proc/sys/kernel/msg* agree", func(t *testing.T) {
		l, err := sysv.ReadLimits()
		must(t, err)
		for name, n := range map[string]int{"msgmax": l.MaxMessage, "msgmnb": l.MaxQueueBytes, "msgmni": l.MaxQueues} {
			if kernel(name) != strconv.Itoa(n) {
				t.Errorf("%s is %s, and IPC_INFO says %d", name, kernel(name), n)
			}
		}
	}},
}

func text(typ int64, s string) isthmus.Message { return isthmus.Message{Type: typ, Data: []byte(s)} }

func wants(t *testing.T, q *sysv.Queue, s sysv.Selection, want isthmus.Message) {
	t.Helper()
	if m, err := q.TryReceiveSelected(s, nil); err != nil || m.Type != want.Type || string(m.Data) != string(want.Data) {
		t.Fatalf("received %d %q, %v; want %d %q", m.Type, m.Data, err, want.Type, want.Data)
	}
}

// three has messages of types 3, 2, 1.
func three(t *testing.T) *sysv.Queue {
	q := privateQueue(t, 100)
	must(t, q.TrySend(text(3, "c")), q.TrySend(text(2, "b")), q.TrySend(text(1, "a")))
	return q
}

// demand is an error if err is not target.
func demand(what string, err, target error) error {
	if !errors.Is(err, target) {
		return fmt.Errorf("%s: %v, want %v", what, err, target)
	}
	return nil
}

func init() {
	acts["msg denied"] = func(args []string) error {
		q, err := queueArg(args) // it is there, and no more is known
		if err != nil {
			return err
		}
		get := error(fs.ErrPermission)
		if key := keyArg(args[1]); key != sysv.Private {
			_, get = sysv.GetQueue(key, &sysv.QueueConfig{Mode: 0o600})
		}
		_, stat := q.Stat()
		_, receive := q.TryReceive()
		ctx, cancel := context.WithTimeout(background, patience)
		defer cancel()
		_, wait := q.Receive(ctx)
		return errors.Join(
			demand("get", get, fs.ErrPermission), demand("stat", stat, syscall.EACCES),
			demand("receive", receive, syscall.EACCES), demand("wait", wait, fs.ErrPermission),
			demand("send", q.TrySend(text(1, "")), syscall.EACCES))
	}
	acts["msg stranger"] = func(args []string) error {
		q, err := queueArg(args)
		if err != nil {
			return err
		}
		return errors.Join(demand("remove", q.Remove(), syscall.EPERM), demand("set", q.Chmod(0o600), fs.ErrPermission),
			q.TrySend(text(1, "")))
	}
	acts["msgmnb"] = func([]string) error {
		q, err := sysv.CreateQueue(sysv.Private, nil)
		if err != nil {
			return err
		}
		defer q.Remove()
		max, _ := strconv.Atoi(kernel("msgmnb"))
		err = q.SetMaxBytes(max + 1)
		if err == nil || !strings.Contains(err.Error(), "kernel.msgmnb") {
			return fmt.Errorf("%w does not name the limit", err)
		}
		_, create := sysv.CreateQueue(sysv.Private, &sysv.QueueConfig{MaxBytes: max + 1})
		return errors.Join(demand("set", err, syscall.EPERM), demand("create", create, syscall.EPERM), q.SetMaxBytes(max))
	}
	acts["msgmni"] = func([]string) error {
		if err := setKernel("msgmni", "3"); err != nil {
			return err
		}
		for range 3 {
			if _, err := sysv.CreateQueue(sysv.Private, nil); err != nil {
				return err
			}
		}
		_, err := sysv.CreateQueue(sysv.Private, nil)
		if err == nil || !strings.Contains(err.Error(), "kernel.msgmni is 3") {
			return fmt.Errorf("%w does not name the limit", err)
		}
		return demand("create", err, syscall.ENOSPC)
	}
	acts["msg_next_id"] = msgNextID
	acts["msg info"] = func([]string) error {
		for i := range 3 {
			q, err := sysv.CreateQueue(sysv.Key(100+i), &sysv.QueueConfig{Mode: 0o640, MaxBytes: 100 + i})
			if err != nil {
				return err
			}
			if err := q.TrySend(text(1, "hello")); err != nil {
				return err
			}
			st, err := q.Stat()
			if err != nil {
				return err
			}
			all, err := sysv.ListQueues()
			if err != nil || len(all) != i+1 || all[i] != st {
				return fmt.Errorf("%+v, %w; want %+v at %d", all, err, st, i)
			}
			if l, err := sysv.ReadLimits(); err != nil || l.Queues != i+1 {
				return fmt.Errorf("%d queues, %w", l.Queues, err)
			}
		}
		return nil
	}
}

func msgNextID([]string) error {
	first, err := sysv.CreateQueue(sysv.Private, nil)
	if err != nil {
		return err
	}
	want := first.ID() + 1<<15*7 + 1 // index and sequence of its own
	if err := setKernel("msg_next_id", strconv.Itoa(want)); err != nil {
		return err
	}
	q, err := sysv.CreateQueue(sysv.Private, nil)
	if err != nil || q.ID() != want {
		return fmt.Errorf("the id is %d, %w; want %d", q.ID(), err, want)
	}
	if s := kernel("msg_next_id"); s != "-1" {
		return fmt.Errorf("msg_next_id is %s afterwards", s)
	}
	if err := setKernel("msg_next_id", strconv.Itoa(want)); err != nil {
		return err
	}
	other, err := sysv.CreateQueue(sysv.Private, nil)
	if err != nil || other.ID() == want {
		return fmt.Errorf("the id in use was given again: %d, %w", other.ID(), err)
	}
	return nil
}
