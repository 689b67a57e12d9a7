package sysv

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	msgTable = `       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime
-559038737          3   640         300          2  4711     0  1000   100     0     0 1700000001          0 1700000000
`
	shmTable = `       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap
         0          8  3600  18446744073709551615    17     0      3     0     0     0     0          0          0 1700000000                  8192                     0
`
	semTable = `       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime
        42          0   600          5 4294967295     0     0     0          0 1700000000
`
)

func TestParseTables(t *testing.T) {
	at := time.Unix(1700000000, 0)
	queues, err := parseTable([]byte(msgTable), queueRow)
	if want := []QueueStat{{
		Perm:  Perm{Key: -559038737, ID: 3, Mode: 0o640, UID: 1000, GID: 100},
		Bytes: 300, Messages: 2, LastSender: 4711, Sent: at.Add(time.Second), Changed: at,
	}}; err != nil || !reflect.DeepEqual(queues, want) {
		t.Errorf("%+v, %v; want %+v", queues, err, want)
	}
	segments, err := parseTable([]byte(shmTable), segmentRow)
	if want := []SegmentStat{{
		Perm: Perm{ID: 8, Mode: 0o600}, Size: 1<<64 - 1, Attachments: 3, Removed: true, Locked: true,
		CreatorPID: 17, Changed: at, Resident: 8192,
	}}; err != nil || !reflect.DeepEqual(segments, want) {
		t.Errorf("%+v, %v; want %+v", segments, err, want)
	}
	sets, err := parseTable([]byte(semTable), setRow)
	if want := []SemaphoreSetStat{{
		Perm: Perm{Key: 42, Mode: 0o600, UID: 4294967295}, Count: 5, Changed: at,
	}}; err != nil || !reflect.DeepEqual(sets, want) {
		t.Errorf("%+v, %v; want %+v", sets, err, want)
	}
}

func TestParseTableRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":        "",
		"no names":       "\n",
		"many names":     strings.Repeat("a ", maxColumns+1),
		"missing column": strings.Replace(msgTable, "lrpid", "other", 1),
		"short line":     strings.Replace(msgTable, "4711", "", 1),
		"long line":      strings.Replace(msgTable, "4711", "4711 1", 1),
		"no number":      strings.Replace(msgTable, "4711", "4711x", 1),
		"large key":      strings.Replace(msgTable, "-559038737", "99999999999", 1),
		"bad mode":       strings.Replace(msgTable, "640", "680", 1),
		"negative count": strings.Replace(msgTable, "300", "-30", 1),
	} {
		if got, err := parseTable([]byte(text), queueRow); err == nil {
			t.Errorf("%s: %+v, want an error", name, got)
		}
	}
}

// FuzzTables proves that no text makes a parser panic, and that a row never
// comes from a line with another number of fields.
func FuzzTables(f *testing.F) {
	for _, s := range []string{msgTable, shmTable, semTable, "", "\n", "a b\n1 2"} {
		f.Add([]byte(s))
	}
	for _, kind := range []string{"msg", "shm", "sem"} {
		if text, err := os.ReadFile("/proc/sysvipc/" + kind); err == nil {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := strings.Count(string(text), "\n") + 1
		if q, err := parseTable(text, queueRow); err == nil && len(q) > lines {
			t.Fatalf("%d queues of %d lines", len(q), lines)
		}
		if s, err := parseTable(text, segmentRow); err == nil && len(s) > lines {
			t.Fatalf("%d segments of %d lines", len(s), lines)
		}
		if s, err := parseTable(text, setRow); err == nil && len(s) > lines {
			t.Fatalf("%d sets of %d lines", len(s), lines)
		}
	})
}
