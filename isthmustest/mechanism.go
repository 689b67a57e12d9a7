package isthmustest

import (
	"os"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/internal/proctest"
)

// Mechanism is what is to be proven, and what it claims to do.
type Mechanism struct {
	// Name is what its errors say (isthmus.Error.Mechanism).
	Name string
	// Open makes a new endpoint, which nobody else uses, and has it cleaned up
	// when t ends. Run calls it for each check.
	Open func(t testing.TB) Endpoint
	// Role is the role that Peer was registered under in TestMain. If it is ""
	// the checks run in one process only.
	Role string

	// Capacity is exactly how many messages of any size an endpoint holds. The
	// zero value means that it is bounded, by something else than a number of
	// messages.
	Capacity isthmus.Capacity
	// MaxMessage is the size of the largest message, in bytes, at least 16.
	MaxMessage int

	// Types and Priorities tell that it carries them; if not it must refuse
	// all but 0. Identity tells that it fills in From.
	Types, Priorities, Identity bool
	// TypeOf narrows Types: the type that a message arrives with if it was sent
	// with another one, and whether that one is carried at all. Nil: as it is.
	TypeOf func(sent int64) (received int64, ok bool)
	// Delivers tells that its senders are Deliverers.
	Delivers bool
	// Into tells that its receivers have ReceiveInto and TryReceiveInto.
	Into bool
	// Allocates tells that TrySend and the Into calls may allocate.
	Allocates bool
	// Solitary tells that an endpoint can have one sending and one receiving
	// handle only.
	Solitary bool
}

// Endpoint is one endpoint: where handles on it come from.
type Endpoint struct {
	// Name is what errors say (isthmus.Error.Name).
	Name string
	// Sender and Receiver open a further handle. The suite closes it.
	Sender   func() (isthmus.Sender, error)
	Receiver func() (isthmus.Receiver, error)
	// Args and Files are what the peer's Attach needs to find the endpoint.
	Args  []string
	Files []*os.File
}

// Attach finds, in another process, the endpoint that an Endpoint's Args and
// Files describe.
type Attach func(args []string, files []*os.File) (Endpoint, error)

// Main is for a TestMain that has nothing else to do: it plays the peer if the
// process was started for that, and runs the tests if not.
func Main(m *testing.M, role string, attach Attach) {
	proctest.Main(m, proctest.Roles{role: Peer(attach)})
}

// typeOf tells whether a type is carried, and as which it arrives.
func (m *Mechanism) typeOf(sent int64) (received int64, ok bool) {
	if m.TypeOf != nil {
		return m.TypeOf(sent)
	}
	return sent, m.Types || sent == 0
}

// place says in which process the ends are.
type place int

const (
	oneProcess place = iota
	senderElsewhere
	receiverElsewhere
)

func (p place) String() string {
	return [...]string{"OneProcess", "SenderElsewhere", "ReceiverElsewhere"}[p]
}

// check is one clause of the contract.
type check struct {
	name string
	run  func(*fixture)
	// when tells whether the clause concerns a mechanism; nil: always.
	when func(*Mechanism, place) bool
}

func checks() []check {
	var all []check
	for _, group := range [][]check{
		dataChecks, boundChecks, waitChecks, rendezvousChecks, cancelChecks, closeChecks, orderChecks, costChecks,
	} {
		all = append(all, group...)
	}
	return all
}

// Run proves m. Each clause of the contract is a subtest.
func Run(t *testing.T, m Mechanism) {
	if m.MaxMessage < 2*frameHeader {
		t.Fatalf("isthmustest: MaxMessage is %d, the suite needs %d", m.MaxMessage, 2*frameHeader)
	}
	places := []place{oneProcess}
	if m.Role != "" {
		places = append(places, senderElsewhere, receiverElsewhere)
	}
	for _, p := range places {
		t.Run(p.String(), func(t *testing.T) {
			for _, c := range checks() {
				if c.when == nil || c.when(&m, p) {
					t.Run(c.name, func(t *testing.T) { c.run(newFixture(t, &m, p)) })
				}
			}
		})
	}
}

// zero, limited and unlimited sort the capacities by what fills them.
func zero(m *Mechanism, _ place) bool      { return m.Capacity == isthmus.Zero }
func unlimited(m *Mechanism, _ place) bool { return m.Capacity == isthmus.Unbounded }
func limited(m *Mechanism, p place) bool   { return !zero(m, p) && !unlimited(m, p) }
func stores(m *Mechanism, p place) bool    { return !zero(m, p) }
func fills(m *Mechanism, p place) bool     { return !unlimited(m, p) }
func delivers(m *Mechanism, _ place) bool  { return m.Delivers }
func crowd(m *Mechanism, _ place) bool     { return !m.Solitary }
