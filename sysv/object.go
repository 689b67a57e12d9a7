package sysv

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"syscall"
	"time"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// Perm is what the kernel keeps for every object (struct ipc_perm, sysvipc(7)).
type Perm struct {
	Key Key `json:"key"`
	ID  int `json:"id"`
	// UID and GID own the object, CreatorUID and CreatorGID made it.
	UID        int `json:"uid"`
	GID        int `json:"gid"`
	CreatorUID int `json:"cuid"`
	CreatorGID int `json:"cgid"`
	// Mode has the nine permission bits; those to execute mean nothing.
	Mode fs.FileMode `json:"mode"`
}

func perm(id int, p *sys.IPCPerm) Perm {
	return Perm{
		Key: Key(p.Key), ID: id, UID: int(p.UID), GID: int(p.GID),
		CreatorUID: int(p.CUID), CreatorGID: int(p.CGID), Mode: fs.FileMode(p.Mode) & fs.ModePerm,
	}
}

// object is what a handle knows about its object. It never changes.
type object struct {
	key  Key
	id   int
	name string // for errors
}

func named(key Key, id int) object {
	o := object{key: key, id: id, name: key.String()}
	if key == Private {
		o.name = "id " + strconv.Itoa(id)
	}
	return o
}

func (o *object) fail(op string, err error) error {
	return &isthmus.Error{Op: op, Mechanism: mechanism, Name: o.name, Err: err}
}

// wrap is fail for an error that may be nil, and errnos that mean the same
// whatever the call.
func (o *object) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return o.fail(op, common(err))
}

func failure(op string, key Key, err error) error {
	o := named(key, 0)
	if key == Private {
		o.name = "private"
	}
	return o.fail(op, common(err))
}

// removed is ErrRemoved that remembers the errno. An ID that the kernel does not
// know (EINVAL) was one once, if a handle has it.
func removed(e error) error { return fmt.Errorf("%w (%w)", isthmus.ErrRemoved, e) }

func common(err error) error {
	switch err {
	case syscall.EIDRM:
		return removed(err)
	case syscall.EACCES:
		return fmt.Errorf("%w: the object's mode does not allow it: see ipcs", err)
	case syscall.EPERM:
		return fmt.Errorf("%w: only the owner, the creator and root may", err)
	case syscall.ENOSYS:
		return fmt.Errorf("%w: %w (the kernel has no System V IPC)", errors.ErrUnsupported, err)
	}
	return err
}

// control is common, for calls that take an ID and nothing else that could be invalid.
func control(err error) error {
	if err == syscall.EINVAL {
		return removed(err)
	}
	return err
}

// permission is the permission bits for a get call.
func permission(m fs.FileMode) (int, error) {
	if m == 0 {
		m = 0o600
	}
	if m&^fs.ModePerm != 0 {
		return 0, fmt.Errorf("%w: mode %v has more than permission bits", syscall.EINVAL, m)
	}
	return int(m), nil
}

// seconds is a time of the kernel's, zero if it never was.
func seconds(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0)
}

// owner sets what of uid and gid is not -1, as chown(2) does.
func owner(p *sys.IPCPerm, uid, gid int) {
	if uid >= 0 {
		p.UID = uint32(uid)
	}
	if gid >= 0 {
		p.GID = uint32(gid)
	}
}
