package model

import "fmt"

// The names are those of ring's turn.go. Positions are small and do not wrap.
type phase uint8

const (
	free phase = 1 + iota
	writing
	ready
	claimed
	offered
)

// word is a slot's state word.
type word struct {
	pos   uint8
	owner uint8
	phase phase
}

// mark is the head: a position, good for one epoch.
type mark struct{ epoch, pos uint8 }

const (
	maxActors = 3
	maxSlots  = 4
	maxUnits  = 2
	perSender = 3

	maxRepairs = 2
	nobody     = maxActors // who repairs when all are dead
)

const (
	flagDeliver = 1 << iota
	flagGift
)

// slot has besides its state word what its holder writes into it.
type slot struct {
	word
	id    uint8 // of the message: see idOf
	flags uint8
	unit  uint8 // 1 + the unit that the message has
	had   uint8 // by so many receivers before
}

// again is in the owner's place of a Ready word: receivers had the message.
const again = 100

// readyAgain makes a message Ready that one more receiver had.
func (q *Queue) readyAgain(sl *slot) {
	sl.had++
	sl.word = word{sl.pos, again + sl.had, ready}
	if q.Breaks.WordForgets {
		sl.owner = 0
	}
}

// Op is a call.
type Op uint8

const (
	Send    Op = 1 + iota // TrySend: a thorough try
	Deliver               // Deliver, whose sender gives up at any time or never
	Give                  // TrySend at capacity zero
	Recv                  // TryClaim, then Ack
	Bounce                // TryClaim, then Return
	Lift                  // TryReceive of a small message: copied, then taken
	Fast                  // liftFast, and Lift if that finds nothing
	Abandon               // postFast that finds its handle closed
	Offer                 // Receive at capacity zero, which ends at any time
)

func (o Op) sends() bool { return o == Send || o == Deliver || o == Give }
func (o Op) lifts() bool { return o == Lift || o == Fast }

// Queue is the model of the ring.
type Queue struct {
	Slots   int
	Scripts [][]Op // what each actor calls, one after the other
	Deaths  int
	Repairs int // that may be under way at once; 0: one
	Units   int // of an arena, of which each message takes one
	Zero    bool
	// Segment is how many slots get memory together, of an unbounded queue; 0: all
	// slots are there from the beginning.
	Segment int
	// Lazy makes the writing of the shared tail and head a choice, where the
	// code goes by a counter and by how crowded it is. Else they are written
	// always, which has fewer states.
	Lazy bool
	// Fine makes each load and each compare-and-swap a step of its own.
	Fine   bool
	Breaks QueueBreaks
}

// What a message is known to be, for the checks.
const (
	unsent = iota
	published
	touched // a receiver had it once
	received
	withdrawn
)

// unit words
type unitWord struct {
	kind  uint8 // 0 free, 1 loan, 2 slot
	owner uint8 // actor, or slot
	id    uint8
}

const (
	unitFree = iota
	unitLoan
	unitSlot
)

// local is what an actor knows only as long as a call lasts.
type local struct {
	begun   bool
	walked  bool
	loaded  bool // seen has been loaded, and a compare-and-swap comes next
	full    bool // for the checks: all slots were held at some time
	stale   bool // its offer was used by another
	last    bool // the call ends when what it does now is done
	must    uint16
	t       uint8
	shared  uint8
	passed  uint8
	start   uint8
	h       uint8
	pos     uint8
	k       uint8
	copy    uint8 // the message that was copied out
	had     uint8 // what it says of receivers before
	hold    uint8 // the slot in its hands
	hand    uint8 // 1 + the slot that it offered
	unit    uint8 // 1 + the unit that it borrowed
	hw      mark
	next    mark
	seen    word
	unitWas unitWord
	cont    pc
	seg     segment // as the actor saw it
	sh      shrinker
}

type actor struct {
	life    uint8
	op      uint8
	pc      pc
	tail    uint8
	head    mark
	at      local
	growing uint8  // 1 + the place at which it installs a segment
	back    uint16 // messages made Ready again by it, or for it, that are not back yet
	late    [maxActors]uint8
}

// repairer is whoever repairs: a goroutine of some survivor, beside its calls.
type repairer struct {
	on   bool
	pc   uint8
	by   uint8
	dead uint8
	i    uint8
	low  uint8 // 1 + the lowest position that was seen Ready
	seen word
	load bool
	sh   shrinker
}

type queueState struct {
	slots  [maxSlots]slot
	segs   [maxSlots]segment
	units  [maxUnits]unitWord
	tail   uint8
	head   mark
	actors [maxActors]actor
	fate   [maxActors * perSender]uint8
	reps   [maxRepairs]repairer
	deaths uint8
}

// Names are made once: every step has one.
var (
	actorNames  = [...]string{"actor 0", "actor 1", "actor 2"}
	repairNames = func() (names [maxActors][maxActors + 1]string) {
		for d := range names {
			for by := range maxActors {
				names[d][by] = fmt.Sprintf("repair of %d by %d", d, by)
			}
			names[d][nobody] = fmt.Sprintf("repair of %d by a newcomer", d)
		}
		return names
	}()
)

// idOf names the kth message of an actor; 0 is none.
func idOf(sender, k int) uint8 { return uint8(1 + sender*perSender + k) }

func senderOf(id uint8) int   { return int(id-1) / perSender }
func numberOf(id uint8) uint8 { return (id-1)%perSender + 1 }
func bit(id uint8) uint16     { return 1 << (id - 1) }
func ahead(a, b uint8) int    { return int(a) - int(b) }

// Start is an empty queue.
func (q *Queue) Start() (s queueState) {
	for i := range q.Slots {
		if q.Segment == 0 {
			s.slots[i].word = word{uint8(i), 0, free}
		}
	}
	for i := range s.actors {
		if i >= len(q.Scripts) {
			s.actors[i].life = gone
			continue
		}
		q.begin(&s, i)
	}
	return s
}

// begin sets an actor to the first step of its next call.
func (q *Queue) begin(s *queueState, i int) {
	a := &s.actors[i]
	a.at, a.pc = local{}, done
	if int(a.op) == len(q.Scripts[i]) {
		return
	}
	switch o := q.Scripts[i][a.op]; {
	case q.Units > 0 && o.sends():
		a.pc = takeUnit
	case o == Give:
		a.pc = accept
	case o.sends() || o == Abandon:
		a.pc = loadTail
	case o == Fast:
		a.pc = fastHead
	default:
		a.pc = loadHead
	}
}

// op is the call that an actor is in.
func (q *Queue) op(s *queueState, i int) Op { return q.Scripts[i][s.actors[i].op] }

// id is the message that an actor is sending.
func (q *Queue) id(s *queueState, i int) uint8 {
	k := 0
	for _, o := range q.Scripts[i][:s.actors[i].op] {
		if o.sends() {
			k++
		}
	}
	return idOf(i, k)
}

// Steps yields every step of every actor.
func (q *Queue) Steps(s queueState, yield func(l Label, to queueState, broken error)) {
	for i := range q.Scripts {
		a := &s.actors[i]
		if a.life == alive && a.pc != done {
			t := turn{q: q, s: s, i: i, yield: yield}
			t.step()
		}
		if a.life == alive && int(s.deaths) < q.Deaths {
			to := s
			to.deaths++
			q.die(&to, i)
			yield(Label{actorNames[i], "dies", true}, to, nil)
		}
	}
	for n := range max(1, q.Repairs) {
		q.repair(s, n, yield)
	}
}

// die forgets all that an actor knew. What it held is in the slots.
func (q *Queue) die(s *queueState, i int) {
	a := &s.actors[i]
	*a = actor{life: dead, pc: done, back: a.back, growing: a.growing}
	for n := range s.reps {
		if r := &s.reps[n]; r.on && int(r.by) == i {
			*r = repairer{}
		}
	}
}

// turn is one step of actor i in the making.
type turn struct {
	q     *Queue
	s     queueState
	i     int
	yield func(l Label, to queueState, broken error)
}

func (t *turn) a() *actor { return &t.s.actors[t.i] }

// at is the slot of a position.
func (t *turn) at(pos uint8) *slot { return &t.s.slots[t.q.index(pos)] }

func (q *Queue) index(pos uint8) uint8 { return pos % uint8(q.Slots) }

// out yields the step.
func (t *turn) out(what string) { t.outWith(what, nil) }

func (t *turn) outWith(what string, broken error) {
	t.q.witness(&t.s)
	t.yield(Label{Who: actorNames[t.i], What: what}, t.s, broken)
}

// bad yields a step that breaks a promise.
func (t *turn) bad(format string, args ...any) {
	t.outWith("breaks a promise", fmt.Errorf("actor %d: %s", t.i, fmt.Sprintf(format, args...)))
}

// end ends the call, and yields.
func (t *turn) end(what string) {
	a := t.a()
	a.op++
	t.q.begin(&t.s, t.i)
	t.out(what)
}

// own changes a word that only this actor decides about, or that is changed in
// a loop until it works. Fine, it is a load and a compare-and-swap.
func (t *turn) own(now word, what string, change func()) {
	a := t.a()
	switch {
	case !t.q.Fine:
		change()
	case !a.at.loaded:
		a.at.loaded, a.at.seen = true, now
		t.out(what + ": loads")
	case a.at.seen != now:
		a.at.loaded = false
		t.out(what + ": must try again")
	default:
		a.at.loaded, a.at.seen = false, word{}
		change()
	}
}
