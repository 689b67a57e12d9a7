package address

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/process"
)

func (o Options) process() *process.Config {
	return &process.Config{Capacity: o.Capacity, MaxMessage: o.MaxMessage, Memory: o.Memory, Policy: o.Policy, Dir: o.Dir}
}

// sendToProcess is the process of this name, or, if the name is a number and no
// process has it, the process of that number.
func sendToProcess(a Address, o Options) (isthmus.Sender, error) {
	peer, err := process.Dial(a.Name, o.process())
	if pid, nerr := strconv.Atoi(a.Name); nerr == nil && errors.Is(err, fs.ErrNotExist) {
		if peer, err = dialPID(pid, o); errors.Is(err, fs.ErrNotExist) {
			err = fail("dial", a, fmt.Errorf("no process has joined under this name, and none of this number has joined: %w", fs.ErrNotExist))
		}
	}
	if err != nil {
		return nil, err // not a nil *Peer in an interface that is not nil
	}
	if err := o.fitsInbox(peer); err != nil {
		_ = peer.Close()
		return nil, fail("dial", a, err)
	}
	return peer, nil
}

func dialPID(pid int, o Options) (*process.Peer, error) {
	name, err := process.NameOf(pid, o.process())
	if err != nil {
		return nil, err
	}
	return process.Dial(name, o.process())
}

// fitsInbox checks what the inbox has against what was asked for. Its owner
// alone says what that is, when it joins.
func (o Options) fitsInbox(peer *process.Peer) error {
	if o.MaxMessage != 0 || o.Memory != 0 {
		return fmt.Errorf("%w: the largest message and the memory are the receiver's to say, when it joins", errors.ErrUnsupported)
	}
	if o.Capacity.IsDefault() {
		return nil
	}
	st, err := peer.Stat()
	if err == nil && st.Capacity != o.Capacity.String() {
		err = fmt.Errorf("%w, with capacity %s, not %v: ask for that or for none", fs.ErrExist, st.Capacity, o.Capacity)
	}
	return err
}

// receiveAsProcess joins under this name, to receive from anyone.
func receiveAsProcess(a Address, o Options) (isthmus.Receiver, error) {
	p, err := process.Join(a.Name, o.process())
	if err != nil {
		return nil, err
	}
	return p, nil
}

func statProcess(a Address, o Options) (Info, error) {
	st, err := process.Inspect(a.Name, o.process())
	if err != nil {
		return Info{}, err
	}
	i := Info{
		Address: a, UID: st.Owner.UID, Created: st.Created, Capacity: st.Capacity,
		Depth: st.Depth, Bytes: st.Bytes, Reserved: st.Reserved, Sent: st.Sent, Received: st.Received, Process: &st,
	}
	if st.Alive {
		i.Receivers = 1
	}
	for _, s := range st.Senders {
		if s.Sent > 0 {
			i.Senders++
		}
		if s.Waiting {
			i.Waiters++
		}
	}
	return i, nil
}
