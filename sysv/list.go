package sysv

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// ListQueues describes all queues of this IPC namespace, also those that this
// process may not use (/proc/sysvipc/msg).
func ListQueues() ([]QueueStat, error) {
	list, err := list("msg", queueRow)
	for i := range list {
		st := &list[i]
		if ds, err := sys.MsgStat(st.ID); err == nil && Key(ds.Perm.Key) == st.Key {
			st.MaxBytes = ds.Room
		}
	}
	return list, err
}

// ListSegments describes all segments, as ListQueues does queues
// (/proc/sysvipc/shm).
func ListSegments() ([]SegmentStat, error) { return list("shm", segmentRow) }

// ListSemaphoreSets describes all semaphore sets, as ListQueues does queues
// (/proc/sysvipc/sem).
func ListSemaphoreSets() ([]SemaphoreSetStat, error) { return list("sem", setRow) }

func list[T any](kind string, parse func(*row) T) ([]T, error) {
	path := "/proc/sysvipc/" + kind
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w: no /proc, or a kernel without System V IPC", errors.ErrUnsupported, err)
	}
	var all []T
	if err == nil {
		all, err = parseTable(text, parse)
	}
	if err != nil {
		return nil, &isthmus.Error{Op: "list", Mechanism: mechanism, Name: path, Err: err}
	}
	return all, nil
}

// row reads the fields of a line by the names in the table's first line. The
// first that is missing or no number makes the row bad.
type row struct {
	columns map[string]int
	fields  [][]byte
	err     error
}

// maxColumns is more than any kernel's table has.
const maxColumns = 64

func parseTable[T any](text []byte, parse func(*row) T) ([]T, error) {
	head, text, _ := bytes.Cut(text, []byte("\n"))
	names := bytes.Fields(head)
	if len(names) == 0 || len(names) > maxColumns {
		return nil, fmt.Errorf("%w: the first line has %d names", errTable, len(names))
	}
	r := row{columns: make(map[string]int, len(names))}
	for i, name := range names {
		r.columns[string(name)] = i
	}
	all := []T{}
	for n := 2; len(text) > 0; n++ {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte("\n"))
		if r.fields = bytes.Fields(line); len(r.fields) == 0 {
			continue
		}
		if len(r.fields) != len(names) {
			return nil, fmt.Errorf("%w: line %d has %d fields, not %d", errTable, n, len(r.fields), len(names))
		}
		v := parse(&r)
		if r.err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", errTable, n, r.err)
		}
		all = append(all, v)
	}
	return all, nil
}

// errTable says that /proc does not say what a kernel says.
var errTable = errors.New("not the table that it should be")

func (r *row) field(name string) string {
	i, ok := r.columns[name]
	if !ok {
		r.bad(fmt.Errorf("no column %s", name))
		return "0"
	}
	return string(r.fields[i])
}

func (r *row) bad(err error) {
	if err != nil && r.err == nil {
		r.err = err
	}
}

func (r *row) signed(name string, width int) int64 {
	n, err := strconv.ParseInt(r.field(name), 10, width)
	r.bad(err)
	return n
}

func (r *row) unsigned(name string, base, width int) uint64 {
	n, err := strconv.ParseUint(r.field(name), base, width)
	r.bad(err)
	return n
}

// optional is a column that older kernels do not have.
func (r *row) optional(name string) uint64 {
	if _, ok := r.columns[name]; !ok {
		return 0
	}
	return r.unsigned(name, 10, 64)
}

func (r *row) number(name string) int { return int(r.signed(name, 32)) }

func (r *row) perm(id string) (Perm, uint64) {
	mode := r.unsigned("perms", 8, 32)
	return Perm{
		Key: Key(r.signed("key", 32)), ID: r.number(id), Mode: fs.FileMode(mode) & fs.ModePerm,
		UID: int(r.unsigned("uid", 10, 32)), GID: int(r.unsigned("gid", 10, 32)),
		CreatorUID: int(r.unsigned("cuid", 10, 32)), CreatorGID: int(r.unsigned("cgid", 10, 32)),
	}, mode
}

func queueRow(r *row) QueueStat {
	p, _ := r.perm("msqid")
	return QueueStat{
		Perm: p, Bytes: r.unsigned("cbytes", 10, 64), Messages: r.unsigned("qnum", 10, 64),
		LastSender: r.number("lspid"), LastReceiver: r.number("lrpid"),
		Sent: seconds(r.signed("stime", 64)), Received: seconds(r.signed("rtime", 64)), Changed: seconds(r.signed("ctime", 64)),
	}
}

func segmentRow(r *row) SegmentStat {
	p, mode := r.perm("shmid")
	return SegmentStat{
		Perm: p, Size: r.unsigned("size", 10, 64), Attachments: r.unsigned("nattch", 10, 64),
		Removed: mode&sys.ShmDestroyed != 0, Locked: mode&sys.ShmLocked != 0,
		CreatorPID: r.number("cpid"), LastPID: r.number("lpid"),
		Attached: seconds(r.signed("atime", 64)), Detached: seconds(r.signed("dtime", 64)), Changed: seconds(r.signed("ctime", 64)),
		Resident: r.optional("rss"), Swapped: r.optional("swap"),
	}
}

func setRow(r *row) SemaphoreSetStat {
	p, _ := r.perm("semid")
	return SemaphoreSetStat{
		Perm: p, Count: r.number("nsems"),
		Operated: seconds(r.signed("otime", 64)), Changed: seconds(r.signed("ctime", 64)),
	}
}
