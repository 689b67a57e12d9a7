//go:build linux && interop

package sysv

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/sysv"
)

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
	return string(out)
}

// lsipc is the row of an object, and what its columns are.
func lsipc(t *testing.T, kind string, id int, columns string) map[string]string {
	t.Helper()
	out := run(t, "lsipc", kind, "-J", "-b", "--time-format", "iso", "-o", columns)
	var tables map[string][]map[string]any
	if err := json.Unmarshal([]byte(out), &tables); err != nil {
		t.Fatalf("lsipc: %v: %s", err, out)
	}
	for _, rows := range tables {
		for _, row := range rows {
			if fmt.Sprint(row["id"]) == strconv.Itoa(id) {
				fields := map[string]string{}
				for k, v := range row {
					if v != nil { // 2.38 has null for what is not there
						fields[k] = fmt.Sprint(v)
					}
				}
				return fields
			}
		}
	}
	t.Fatalf("lsipc does not list %d: %s", id, out)
	return nil
}

// same compares all columns; lsipc leaves out what is zero, or says so.
func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	for k, w := range want {
		if g := got[k]; g != w && !(g == "" && (w == "0" || w == "")) {
			t.Errorf("lsipc says %s %q, we say %q", k, g, w)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("lsipc has a column %s that was not compared", k)
		}
	}
}

func permColumns(p sysv.Perm, changed time.Time) map[string]string {
	return map[string]string{
		"key": p.Key.String(), "id": strconv.Itoa(p.ID), "owner": login(p.UID), "perms": p.Mode.String()[1:],
		"cuid": strconv.Itoa(p.CreatorUID), "cgid": strconv.Itoa(p.CreatorGID),
		"uid": strconv.Itoa(p.UID), "gid": strconv.Itoa(p.GID), "ctime": iso(changed),
	}
}

func login(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

func iso(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02T15:04:05-07:00")
}

const permNames = "KEY,ID,OWNER,PERMS,CUID,CGID,UID,GID,CTIME,"

// TestLsipc compares what we say with lsipc, column by column.
func TestLsipc(t *testing.T) {
	key := freshKey(t)
	t.Run("queue", func(t *testing.T) {
		q, err := sysv.CreateQueue(key, &sysv.QueueConfig{Mode: 0o640})
		must(t, err, q.TrySend(isthmus.Message{Data: []byte("hello")}), q.TrySend(isthmus.Message{Data: []byte("you")}))
		_, err = q.TryReceive()
		must(t, err)
		st, err := q.Stat()
		must(t, err)
		want := permColumns(st.Perm, st.Changed)
		want["usedbytes"], want["msgs"] = fmt.Sprint(st.Bytes), fmt.Sprint(st.Messages)
		want["send"], want["recv"] = iso(st.Sent), iso(st.Received)
		want["lspid"], want["lrpid"] = fmt.Sprint(st.LastSender), fmt.Sprint(st.LastReceiver)
		same(t, lsipc(t, "-q", q.ID(), permNames+"USEDBYTES,MSGS,SEND,RECV,LSPID,LRPID"), want)
		if listed := find(t, sysv.ListQueues, func(s sysv.QueueStat) bool { return s.ID == q.ID() }); listed != st {
			t.Errorf("listed %+v, want %+v", listed, st)
		}
	})
	t.Run("segment", func(t *testing.T) {
		s, err := sysv.CreateSegment(key, 5000, &sysv.SegmentConfig{Mode: 0o604})
		must(t, err)
		a, err := s.Attach()
		must(t, err)
		b, err := s.Attach()
		must(t, err, b.Detach())
		defer a.Detach()
		st, err := s.Stat()
		must(t, err)
		want := permColumns(st.Perm, st.Changed)
		want["size"], want["nattch"], want["status"] = fmt.Sprint(st.Size), fmt.Sprint(st.Attachments), ""
		want["attach"], want["detach"] = iso(st.Attached), iso(st.Detached)
		want["cpid"], want["lpid"] = fmt.Sprint(st.CreatorPID), fmt.Sprint(st.LastPID)
		columns := permNames + "SIZE,NATTCH,STATUS,ATTACH,DETACH,CPID,LPID"
		same(t, lsipc(t, "-m", s.ID(), columns), want)
		must(t, s.Lock(), s.Remove())
		want["status"], want["key"] = "dest,locked", "0x00000000"
		same(t, lsipc(t, "-m", s.ID(), columns), want)
	})
	t.Run("set", func(t *testing.T) {
		s, err := sysv.CreateSemaphoreSet(key, 3, &sysv.SemaphoreConfig{Mode: 0o666})
		must(t, err)
		st, err := s.Stat()
		must(t, err)
		want := permColumns(st.Perm, st.Changed)
		want["nsems"], want["otime"] = fmt.Sprint(st.Count), iso(st.Operated)
		same(t, lsipc(t, "-s", s.ID(), permNames+"NSEMS,OTIME"), want)
	})
}

func find[T any](t *testing.T, list func() ([]T, error), is func(T) bool) (found T) {
	t.Helper()
	all, err := list()
	must(t, err)
	for _, v := range all {
		if is(v) {
			return v
		}
	}
	t.Fatal("it is not listed")
	return found
}

// TestLsipcLimits compares the limits with lsipc's summary.
func TestLsipcLimits(t *testing.T) {
	l, err := sysv.ReadLimits()
	must(t, err)
	var tables map[string][]map[string]any
	must(t, json.Unmarshal([]byte(run(t, "lsipc", "-g", "-J", "-b")), &tables))
	want := map[string]string{
		"MSGMNI": fmt.Sprint(l.MaxQueues), "MSGMAX": fmt.Sprint(l.MaxMessage), "MSGMNB": fmt.Sprint(l.MaxQueueBytes),
		"SHMMNI": fmt.Sprint(l.MaxSegments), "SHMALL": fmt.Sprint(l.MaxPages), "SHMMAX": fmt.Sprint(l.MaxSegmentSize),
		"SEMMNI": fmt.Sprint(l.MaxSets), "SEMMNS": fmt.Sprint(l.MaxSemaphores), "SEMMSL": fmt.Sprint(l.MaxPerSet),
		"SEMOPM": fmt.Sprint(l.MaxOperations), "SEMVMX": fmt.Sprint(l.MaxValue),
	}
	for _, rows := range tables {
		for _, row := range rows {
			name := fmt.Sprint(row["resource"])
			if w, ok := want[name]; ok && fmt.Sprint(row["limit"]) != w {
				t.Errorf("%s is %v, and we say %s", name, row["limit"], w)
			}
			delete(want, name)
		}
	}
	if len(want) != 0 {
		t.Errorf("lsipc does not know %v", want)
	}
}

// made is the number in what ipcmk says.
func made(t *testing.T, args ...string) int {
	t.Helper()
	out := run(t, "ipcmk", args...)
	id, err := strconv.Atoi(regexp.MustCompile(`\d+`).FindString(out))
	if err != nil {
		t.Fatalf("ipcmk said %q", out)
	}
	return id
}

// TestIpcmk opens what ipcmk made, and TestIpcrm has ipcrm and us remove what the
// other made.
func TestIpcmk(t *testing.T) {
	q, err := sysv.QueueByID(made(t, "-Q", "-p", "0640"))
	must(t, err)
	if st, err := q.Stat(); err != nil || st.Mode != 0o640 || st.Key != q.Key() || q.Key() == sysv.Private {
		t.Errorf("%+v, %v", st, err)
	}
	must(t, q.TrySend(isthmus.Message{Data: []byte("x")}))
	if out := run(t, "ipcs", "-q", "-i", strconv.Itoa(q.ID())); !strings.Contains(out, "qnum=1") || !strings.Contains(out, "cbytes=1") {
		t.Errorf("ipcs says %s", out)
	}
	must(t, q.Remove())

	s, err := sysv.SemaphoreSetByID(made(t, "-S", "3"))
	must(t, err)
	must(t, s.Initialize(1, 2, 3))
	got, err := sysv.GetSemaphoreSet(background, s.Key(), 3, nil)
	if must(t, err); got.ID() != s.ID() {
		t.Errorf("ids %d and %d", got.ID(), s.ID())
	}
	// ipcs -s -i prints semnum, value, ncount, zcount, pid.
	out := run(t, "ipcs", "-s", "-i", strconv.Itoa(s.ID()))
	for i := range 3 {
		pid, err := s.LastPID(i)
		must(t, err)
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^%d\s+%d\s+0\s+0\s+%d\s*$`, i, i+1, pid))
		if !row.MatchString(out) {
			t.Errorf("ipcs has no row %v: %s", row, out)
		}
	}
	must(t, s.Remove())

	m, err := sysv.SegmentByID(made(t, "-M", "5000"))
	must(t, err)
	a, err := m.Attach()
	must(t, err)
	if len(a.Bytes()) != 5000 {
		t.Errorf("it has %d bytes", len(a.Bytes()))
	}
	must(t, m.Remove(), a.Detach())
}

// TestIpcrm removes what we made, under a receiver that waits for it.
func TestIpcrm(t *testing.T) {
	q, err := sysv.CreateQueue(freshKey(t), nil)
	must(t, err)
	got := make(chan error, 1)
	go func() { _, err := q.Receive(background); got <- err }()
	run(t, "ipcrm", "-Q", q.Key().String())
	err = <-got
	if e := fmt.Sprint(err); !isRemoved(err) {
		t.Fatalf("the receiver was told %s", e)
	}
	s, err := sysv.CreateSemaphoreSet(sysv.Private, 1, nil)
	must(t, err)
	m, err := sysv.CreateSegment(sysv.Private, 1, nil)
	must(t, err)
	run(t, "ipcrm", "-s", strconv.Itoa(s.ID()), "-m", strconv.Itoa(m.ID()))
	_, err1 := s.Stat()
	_, err2 := m.Stat()
	if !isRemoved(err1) || !isRemoved(err2) {
		t.Fatalf("they are still there: %v, %v", err1, err2)
	}
	if _, err := sysv.SegmentByID(m.ID()); !isNotExist(err) {
		t.Fatal(err)
	}
}

func isRemoved(err error) bool  { return errors.Is(err, isthmus.ErrRemoved) }
func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
