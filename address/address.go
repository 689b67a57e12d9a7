// Package address turns a string that names an endpoint into a Sender or a
// Receiver, so that a program can leave the choice of the mechanism to its
// configuration.
//
//	a, err := address.Parse("mailbox:orders")
//	s, err := address.Sender(a, address.Options{})
//	err = s.Send(ctx, isthmus.Message{Data: []byte("hello")})
//
// An address is SCHEME:NAME. Without a scheme it names a mailbox.
//
//	orders, mailbox:orders   a mailbox
//	process:NAME             a process that joined under this name; to send to
//	                         it, also its number
//
// # Limits
//
// What one mechanism alone can do (claims, loans, a choice of the source) is not
// reached from here, except by asserting the concrete type: *mailbox.Mailbox,
// *process.Peer for a Sender, *process.Process for a Receiver. Further schemes are reserved:
// Parse answers errors.ErrUnsupported to them, so that no name can come to mean
// something else later.
package address

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/region"
)

// Scheme is the mechanism that an address is of.
type Scheme string

// The schemes that Parse knows.
const (
	Mailbox Scheme = "mailbox"
	Process Scheme = "process"
)

// Schemes are the schemes that Parse knows, in the order in which they are listed.
func Schemes() []Scheme { return []Scheme{Mailbox, Process} }

var reserved = []string{"fifo", "mq", "sysv", "unix", "unixgram", "unixpacket", "tcp", "signal", "nats"}

// ErrSyntax is returned for a string that is no address. It is an fs.ErrInvalid.
var ErrSyntax error = syntaxError{}

type syntaxError struct{}

func (syntaxError) Error() string        { return "not an address" }
func (syntaxError) Is(target error) bool { return target == fs.ErrInvalid }

// Address names an endpoint.
type Address struct {
	Scheme Scheme
	Name   string
}

// String is the address with its scheme; Parse reads it back.
func (a Address) String() string { return string(a.Scheme) + ":" + a.Name }

// Parse reads an address. It is an ErrSyntax if s is none, and an
// errors.ErrUnsupported if its scheme is reserved.
func Parse(s string) (Address, error) {
	fail := func(err error) (Address, error) {
		return Address{}, &isthmus.Error{Op: "parse", Mechanism: "address", Name: fmt.Sprintf("%q", s), Err: err}
	}
	scheme, name, found := strings.Cut(s, ":")
	if !found {
		scheme, name = string(Mailbox), s
	}
	if found && slices.Contains(reserved, scheme) {
		return fail(fmt.Errorf("%w: this version does not have %s: write mailbox:NAME or process:NAME", errors.ErrUnsupported, scheme))
	}
	if !slices.Contains(Schemes(), Scheme(scheme)) {
		return fail(fmt.Errorf("%w: unknown scheme %q: write NAME, mailbox:NAME or process:NAME (a mailbox with a colon in its name is mailbox:%s)", ErrSyntax, scheme, s))
	}
	if err := region.CheckName(name); err != nil {
		return fail(fmt.Errorf("%w: %w", ErrSyntax, err))
	}
	return Address{Scheme(scheme), name}, nil
}
