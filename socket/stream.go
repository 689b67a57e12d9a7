package socket

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/frame"
	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// readAhead is how many bytes a stream's reader takes before it knows what they
// are: a small message comes in one system call.
const readAhead = 4096

// delivery is what a receiving call wants, and what it gets.
type delivery struct {
	into   []byte // receive into this
	isInto bool
	files  bool // hand the descriptors out

	msg isthmus.Message
	fds []int
	cut bool
}

// rights are the descriptors that came with one system call.
type rights struct {
	fds []int
	cut bool
}

// inflow is the receiving direction of a stream: frames out of bytes. All of it
// is under the turn of whoever reads.
type inflow struct {
	set   *settings
	count *counters
	tls   *tlsSide
	peer  isthmus.Identity // who connected; the message's own sender is better

	msg     sys.SocketMessage
	control []byte
	buf     []byte
	r, w    int // buf[r:w] has arrived and is not used
	// now sent what arrived last, before what is before at in buf.
	now, before isthmus.Identity
	at          int
	sets        []rights

	have bool // a header was read, and its frame is not complete
	head frame.Header
	from isthmus.Identity
	mine rights
	part []byte // the beginning of its payload
	err  error  // nothing more comes
}

// take receives a frame, without waiting. What has arrived of one that is not
// complete stays here.
func (s *inflow) take(fd int, d *delivery) error {
	for !s.have {
		if s.err != nil {
			return s.err
		}
		h, size, err := frame.Parse(s.buf[s.r:s.w], s.set.MaxMessage)
		if err != nil {
			return s.broken(err)
		}
		if size > 0 {
			s.begin(h, size)
		} else if err := s.fill(fd); err != nil {
			return err
		}
	}
	if d.isInto && s.head.Length > len(d.into) {
		return tooSmall(s.head.Length, len(d.into))
	}
	data, err := s.payload(fd, d)
	if err != nil {
		return err
	}
	d.msg = isthmus.Message{Data: data, Type: s.head.Type, From: s.from}
	d.fds, d.cut = s.mine.fds, s.mine.cut
	s.have, s.part, s.mine = false, nil, rights{}
	return nil
}

func tooSmall(size, room int) error {
	return fmt.Errorf("%w: the message has %d bytes, the buffer %d", isthmus.ErrTooLarge, size, room)
}

// begin takes a header, and the descriptors that came with its first byte.
func (s *inflow) begin(h frame.Header, size int) {
	s.head, s.have, s.from = h, true, s.now
	if s.r < s.at {
		s.from = s.before
	}
	s.r += size
	if h.Files == 0 {
		return
	}
	s.mine = rights{cut: true}
	if len(s.sets) > 0 {
		s.mine, s.sets = s.sets[0], s.sets[1:]
	}
	s.mine.cut = s.mine.cut || len(s.mine.fds) != h.Files
}

// payload assembles the frame's payload: into the caller's buffer, or in one
// that grows as it arrives.
func (s *inflow) payload(fd int, d *delivery) ([]byte, error) {
	need := s.head.Length
	got := s.part
	if d.isInto {
		got = append(d.into[:0], s.part...)
	}
	for len(got) < need {
		if !d.isInto {
			got = frame.Grow(got, need)
		}
		room := got[len(got):min(cap(got), need)]
		if s.r < s.w {
			n := copy(room, s.buf[s.r:s.w])
			s.r += n
			got = got[:len(got)+n]
			continue
		}
		n, err := s.receive(fd, room, s.ahead())
		if n > len(room) {
			s.w, n = n-len(room), len(room)
		}
		got = got[:len(got)+n]
		if err == nil && n == 0 {
			err = s.ended()
		}
		if err != nil {
			s.keep(got, d.isInto)
			return nil, err
		}
	}
	if got == nil {
		got = []byte{}
	}
	return got, nil
}

// keep keeps what has arrived for the next call.
func (s *inflow) keep(got []byte, borrowed bool) {
	if borrowed {
		got = append(s.part[:0], got...)
	}
	s.part = got
}

// ahead is the empty buffer for what follows a frame.
func (s *inflow) ahead() []byte {
	s.allocate()
	s.r, s.w, s.at = 0, 0, 0
	return s.buf
}

func (s *inflow) allocate() {
	if s.buf == nil {
		s.buf = make([]byte, readAhead)
	}
}

// fill reads more of a header.
func (s *inflow) fill(fd int) error {
	s.allocate()
	rest := s.w - s.r
	if rest > 0 {
		if s.r >= s.at {
			s.before = s.now
		}
		copy(s.buf, s.buf[s.r:s.w])
	}
	s.r, s.w, s.at = 0, rest, rest
	n, err := s.receive(fd, s.buf[s.w:], nil)
	if err != nil {
		return err
	}
	if n == 0 {
		return s.ended()
	}
	s.w += n
	return nil
}

// receive reads bytes, and keeps what comes with them.
func (s *inflow) receive(fd int, a, b []byte) (int, error) {
	s.orphans()
	if s.tls != nil {
		n, err := s.tls.read(fd, a)
		if err != nil && err != syscall.EAGAIN && err != io.EOF {
			return 0, s.broken(err)
		}
		if err == io.EOF {
			err = nil
		}
		return n, err
	}
	if s.control == nil && s.set.unix {
		s.control = make([]byte, sys.ControlSize(s.set.Files))
	}
	s.msg.Data, s.msg.Control = [2][]byte{a, b}, s.control
	n, err := s.msg.ReceiveStream(fd)
	s.msg.Forget()
	switch {
	case err == syscall.EAGAIN:
		return 0, err
	case err != nil:
		return 0, s.broken(err)
	}
	if !s.set.unix {
		s.now = s.peer
		return n, nil
	}
	if c, ok := s.msg.Credentials(); ok && n > 0 {
		s.now = identity(c)
	}
	if fds, cut := s.msg.Descriptors(), s.msg.ControlTruncated(); fds != nil || cut {
		s.sets = append(s.sets, rights{fds, cut})
	}
	return n, nil
}

// orphans closes descriptors that no frame has announced: a frame's come with
// its first byte, so where no unused byte is left none can follow.
func (s *inflow) orphans() {
	keep := 0
	if s.r < s.w {
		keep = 1
	}
	for len(s.sets) > keep {
		closeAll(s.sets[0].fds)
		s.count.filesClosed.Add(1)
		s.sets = s.sets[1:]
	}
}

// ended notes the end of the stream: io.EOF between two frames.
func (s *inflow) ended() error {
	if !s.have && s.r == s.w {
		s.err = io.EOF
		return s.err
	}
	s.count.incomplete.Add(1)
	s.have = false
	s.err = fmt.Errorf("%w in the middle of a message: %w", isthmus.ErrPeerDied, io.ErrUnexpectedEOF)
	return s.err
}

// broken notes that what follows cannot be read.
func (s *inflow) broken(err error) error {
	switch {
	case errors.Is(err, frame.ErrTooLong):
		s.count.tooLarge.Add(1)
		err = fmt.Errorf("%w: %w; the connection is of no further use", isthmus.ErrTooLarge, err)
	case errors.Is(err, frame.ErrMalformed):
		s.count.malformed.Add(1)
		err = fmt.Errorf("%w: %w", ErrMalformed, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("%w: %w", isthmus.ErrPeerDied, err)
	default:
		err = explain(err)
	}
	s.have = false
	s.err = err
	return err
}

// drop closes the descriptors that nobody took.
func (s *inflow) drop() {
	closeAll(s.mine.fds)
	for _, set := range s.sets {
		closeAll(set.fds)
	}
	s.mine, s.sets = rights{}, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		sys.CloseSocket(fd)
	}
}

// identity is what the kernel says of a sender. A number that has no meaning in
// this PID namespace is 0.
func identity(c sys.Cred) isthmus.Identity {
	return isthmus.Identity{PID: c.PID, UID: c.UID, GID: c.GID, Verified: c.PID > 0}
}
