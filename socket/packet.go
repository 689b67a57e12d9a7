package socket

import (
	"fmt"
	"io"
	"syscall"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// packets is the receiving direction of a socket that keeps boundaries. All of
// it is under the turn of whoever reads.
type packets struct {
	set   *settings
	count *counters
	guard *Allow // who may send, nil for everybody; for datagrams
	// spill takes what the caller's buffer has no room for. Connections of one
	// receiver share it.
	spill *[]byte

	msg     sys.SocketMessage
	control []byte
	name    []byte
	to      []byte // the sender's address
	held    *held  // a message that no buffer was large enough for
}

type held struct {
	data []byte
	from isthmus.Identity
	to   []byte
	rights
}

// take receives a message, without waiting.
func (p *packets) take(fd int, d *delivery) error {
	if p.held != nil {
		return p.handOver(d)
	}
	// Each message of somebody who may not send costs him one: 64 of them cost
	// this call no more than a moment.
	for range 64 {
		n, err := p.receive(fd, d)
		if err != nil {
			return err
		}
		if done, err := p.sort(n, d); done || err != nil {
			return err
		}
	}
	return errAgainNow
}

func (p *packets) receive(fd int, d *delivery) (int, error) {
	if len(*p.spill) == 0 {
		*p.spill = make([]byte, p.set.MaxMessage+1)
	}
	if p.control == nil {
		p.control = make([]byte, sys.ControlSize(p.set.Files))
		if p.set.kind == sys.DatagramSocket {
			p.name = make([]byte, sys.NameSize)
		}
	}
	p.msg.Control, p.msg.Name = p.control, p.name
	p.msg.Data = [2][]byte{*p.spill}
	if d.isInto {
		direct := d.into[:min(len(d.into), p.set.MaxMessage)]
		p.msg.Data = [2][]byte{direct, (*p.spill)[:p.set.MaxMessage+1-len(direct)]}
	}
	for {
		n, err := p.msg.Receive(fd)
		if err == syscall.ECONNRESET {
			continue // the peer left messages of ours unread; its own may be there still
		}
		if err != nil && err != syscall.EAGAIN {
			err = explain(err)
		}
		return n, err
	}
}

// sort looks at what was received. It is not done with a message that nobody
// is to have.
func (p *packets) sort(n int, d *delivery) (done bool, err error) {
	defer p.msg.Forget()
	cred, known := p.msg.Credentials()
	if n == 0 && !known && p.set.kind == sys.SeqPacketSocket {
		return true, io.EOF // an empty message would bring credentials
	}
	fds := p.msg.Descriptors()
	r := rights{fds, p.msg.ControlTruncated()}
	if p.guard != nil && !p.guard.permits(cred) {
		p.count.refused.Add(1)
		closeAll(fds)
		return false, nil
	}
	if n > p.set.MaxMessage {
		p.count.tooLarge.Add(1)
		closeAll(fds)
		return true, fmt.Errorf("%w: it had %d bytes, the maximum is %d", ErrTruncated, n, p.set.MaxMessage)
	}
	from := p.msg.From()
	if d.isInto && n > len(d.into) {
		data := append(append(make([]byte, 0, n), d.into...), p.msg.Data[1][:n-len(d.into)]...)
		p.held = &held{data, identity(cred), append([]byte(nil), from...), r}
		return true, tooSmall(n, len(d.into))
	}
	d.msg = isthmus.Message{From: identity(cred)}
	if d.isInto {
		d.msg.Data = d.into[:n]
	} else {
		d.msg.Data = append(make([]byte, 0, n), (*p.spill)[:n]...)
	}
	d.fds, d.cut, p.to = r.fds, r.cut, from
	return true, nil
}

// handOver gives the message out that was held back.
func (p *packets) handOver(d *delivery) error {
	h := p.held
	if d.isInto && len(h.data) > len(d.into) {
		return tooSmall(len(h.data), len(d.into))
	}
	d.msg = isthmus.Message{Data: h.data, From: h.from}
	if d.isInto {
		d.msg.Data = d.into[:copy(d.into, h.data)]
	}
	d.fds, d.cut, p.to = h.fds, h.cut, h.to
	p.held = nil
	return nil
}

func (p *packets) drop() {
	if p.held != nil {
		closeAll(p.held.fds)
		p.held = nil
	}
}
