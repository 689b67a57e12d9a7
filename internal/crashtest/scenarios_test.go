//go:build linux

package crashtest

import "slices"

// fate is what must become of the message that the victim had in its hands.
type fate int

const (
	nowhere fate = iota // no survivor may receive it
	there               // a survivor must receive it
	either              // the victim's call had not returned: it may go either way
)

// step is a point at which a victim dies, "name" or "name:nth passing".
type step struct {
	at    string
	fate  fate
	zero  fate                         // at capacity zero
	where []func(sh shape, n int) bool // at which capacities and sizes it is passed
	sizes []int                        // nil: small and large
}

// scenario is a victim's script in certain surroundings.
type scenario struct {
	name, script string
	steps        []step
	before       func(w *world) // before the victim starts; opens the survivors
	armed        func(w *world) // when it is ready
	inFlight     uint64         // the message that the fates are about; 0: none
	deaf         bool           // no survivor listens until the victim is dead or stopped
	unready      bool           // the script does not wait for a word
}

func at(name string, f fate) step { return step{at: name, fate: f, zero: f} }

// of limits a step to a size of message.
func (s step) of(sizes ...int) step { s.sizes = sizes; return s }

func (s step) on(shapes ...string) step {
	s.where = append(s.where, func(sh shape, _ int) bool { return slices.Contains(shapes, sh.name) })
	return s
}

// straight is the path of small messages that nobody gets in the way of; at
// capacity zero there is none.
func straight(sh shape, n int) bool { return n == small && !sh.zero() }

func (s step) straight() step { s.where = append(s.where, straight); return s }

func (s step) around() step {
	s.where = append(s.where, func(sh shape, n int) bool { return !straight(sh, n) })
	return s
}

// unsent makes the fate at capacity zero that of a message whose sender waits
// for its receipt: when the sender dies it may have been received, or not.
func (s step) unsent() step { s.zero = either; return s }

// sending are the steps of a message's way into the mailbox.
func sending() []step {
	return []step{
		at("loan.unit", nowhere).of(large),
		at("loan.unit:3", nowhere).of(large),
		at("send.claimed", nowhere),
		at("send.bound", nowhere).of(large),
		at("send.bound:3", nowhere).of(large),
		at("send.filled", nowhere),
		at("send.published", there).unsent(),
	}
}

// joining are the steps of becoming a participant.
var joining = []step{
	at("attach.token", nowhere),
	at("attach.filled", nowhere),
	at("attach.live", nowhere),
}

// corpse is a step in clearing up after a corpse, which had claimed message 1,
// unless the capacity is zero.
func corpse(name string) step {
	return step{at: name, fate: there, zero: either, sizes: []int{large}}
}

// repairing are the steps of clearing up after a corpse.
var repairing = []step{corpse("repair.slot"), corpse("repair.slots"), corpse("repair.units"), corpse("repair.ring")}

var scenarios = []scenario{
	{name: "create", script: "create", unready: true, inFlight: victimID, before: (*world).absent,
		steps: append([]step{
			at("create.begin", nowhere), at("create.file", nowhere), at("create.reserved", nowhere),
			at("create.built", nowhere), at("create.linked", nowhere),
		}, joining...)},
	{name: "attach", script: "attach", unready: true, inFlight: victimID, before: (*world).listening,
		steps: append([]step{at("attach.greeted", nowhere)}, joining...)},
	{name: "send", script: "send", inFlight: victimID, before: (*world).listening, armed: (*world).parked,
		steps: []step{
			at("fast.claimed", nowhere).of(small).straight(), at("fast.filled", nowhere).of(small).straight(),
			at("fast.published", there).of(small).straight(),
			at("send.stored", nowhere).of(large), at("send.claimed", nowhere).around(),
			at("send.published", there).unsent().around(), at("ring.chosen", there).unsent(), at("ring.woken", there).unsent(),
		}},
	{name: "loan", script: "loan", inFlight: victimID, before: (*world).listening, armed: (*world).parked,
		steps: append(sending(), at("ring.chosen", there).unsent(), at("ring.woken", there).unsent())},
	{name: "send when full", script: "send", inFlight: victimID, deaf: true, before: (*world).full,
		steps: []step{at("wait.armed", nowhere).on("bounded")}},
	{name: "pass over", script: "send", inFlight: victimID, deaf: true, before: (*world).overtaken,
		steps: []step{
			at("send.passed", nowhere).on("zero", "bounded"), at("send.claimed", nowhere).on("zero", "bounded"),
			at("send.published", there).unsent().on("zero", "bounded"),
			at("grow.passed", nowhere).on("unbounded").of(small), at("send.passed", nowhere).on("unbounded").of(small),
		}},
	{name: "grow", script: "send", inFlight: victimID, deaf: true, before: (*world).open,
		steps: []step{
			at("grow.announced", nowhere).on("unbounded"), at("grow.reserved", nowhere).on("unbounded"),
			at("grow.filled", nowhere).on("unbounded"), at("grow.ready", nowhere).on("unbounded"), at("grow.chunk", nowhere).on("unbounded").of(large),
		}},
	{name: "deliver", script: "deliver", inFlight: victimID, deaf: true, before: (*world).open,
		steps: append(sending(), at("wait.armed", there).unsent(), at("deliver.withdrawn", nowhere))},
	{name: "give", script: "trysend", inFlight: victimID, before: (*world).listening, armed: (*world).parked,
		steps: []step{
			at("give.accepted", nowhere).on("zero"), at("send.filled", nowhere).on("zero"),
			at("send.published", there).on("zero"), at("ring.chosen", there).on("zero"), at("ring.woken", there).on("zero"),
		}},
	{name: "receive", script: "receive", inFlight: 1, deaf: true, before: (*world).loaded,
		steps: []step{
			at("fast.lifted", nowhere).of(small).straight(),
			at("receive.lifted", nowhere).of(small, medium).around(),
			at("receive.claimed", there).of(large), at("receive.copied", there).of(large),
			at("receive.acknowledging", there).of(large), at("receive.acknowledged", nowhere).of(large),
		}},
	{name: "receive and ring", script: "receive", inFlight: 1, deaf: true, before: (*world).crowded, armed: (*world).waited,
		steps: []step{
			at("receive.acknowledged", nowhere).of(large).on("zero", "bounded"),
			at("fast.lifted", nowhere).of(small).on("bounded"), at("receive.lifted", nowhere).of(small).on("zero"),
			at("ring.chosen", nowhere).on("zero", "bounded"), at("ring.woken", nowhere).on("zero", "bounded"),
		}},
	{name: "claim", script: "claim", inFlight: 1, deaf: true, before: (*world).loaded,
		steps: []step{
			at("receive.claimed", there), at("ack.settled", there),
			at("receive.acknowledging", there), at("receive.acknowledged", nowhere),
		}},
	{name: "return", script: "return", inFlight: 1, deaf: true, before: (*world).loaded,
		steps: []step{at("receive.claimed", there), at("return.ready", there)}},
	{name: "close", script: "hold", inFlight: 1, deaf: true, before: (*world).loaded,
		steps: []step{
			at("detach.begin", there), at("repair.slot", there), at("repair.slots", there),
			at("repair.units", there), at("repair.ring", there), at("detach.repaired", there),
		}},
	{name: "wait", script: "receive", before: (*world).listening,
		steps: []step{at("wait.asleep", nowhere), at("wait.armed", nowhere), at("receive.offered", nowhere).on("zero")}},
	{name: "drain a segment", script: "receive", inFlight: segmentSlots, deaf: true, before: (*world).lastOfFirst,
		steps: []step{
			at("shrink.leaving", nowhere).of(small).on("unbounded"),
			at("shrink.punched", nowhere).of(small).on("unbounded"),
		}},
	{name: "drain a second segment", script: "receive", inFlight: 2 * segmentSlots, deaf: true, before: (*world).lastOfSecond,
		steps: []step{at("shrink.again", nowhere).of(small).on("unbounded")}},
	{name: "drain the arena", script: "try", deaf: true, before: (*world).drained,
		steps: []step{at("shrink.chunk", nowhere).of(large).on("unbounded")}},
	{name: "sweep", script: "try", inFlight: 1, deaf: true, before: (*world).one, armed: (*world).bury,
		steps: append([]step{corpse("repair.begin")}, repairing...)},
	{name: "succeed", script: "attach", unready: true, inFlight: 1, deaf: true, before: (*world).withCorpseAndCrowd,
		steps: append([]step{corpse("attach.token"), corpse("attach.filled"), corpse("attach.live")}, repairing...)},
}

// unreachable are the points that this package cannot reach, and why.
var unreachable = map[string]string{}
