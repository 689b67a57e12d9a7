package model

// QueueBreaks are ways to break the queue's protocol. A protocol that can be
// broken without being noticed is not being checked, so there is a test for each.
type QueueBreaks struct {
	EpochStays       bool // going back does not move the epoch on
	EpochWraps       bool // the epoch is one bit: two returns later it is the same again
	HintOutlives     bool // a private hint is used although the epoch has changed
	NoSecondLook     bool // a receiver that looked past a slot does not look at it again
	TailFirst        bool // a sender moves the tail before the slot has an owner
	PassReady        bool // senders pass over slots that are Ready, too
	NeverPass        bool // senders do not pass over slots that others hold
	RepairStays      bool // repair does not move the head back
	RepairIfPast     bool // repair moves the head and the epoch only if the shared head is past the message
	ForgetClaims     bool // repair leaves what the dead one had claimed
	ReturnStays      bool // a return does not move the head back
	StoreWithdraw    bool // a message is withdrawn by a store
	BindEarly        bool // units are bound to a slot that does not have the id yet
	UnitsByPhase     bool // a unit is taken to be free when its slot is Claimed
	LoansLeak        bool // repair does not free the dead one's loans
	GiftOutOfTurn    bool // a receiver takes what lies in the slot that it offered, whatever came before
	OfferByIndex     bool // a gift goes to the first offer in the order of slots, wherever the sender's last one went
	StrictlyFull     bool // not a break of the protocol but a stronger promise: see Full in queue_check.go
	StaleHand        bool // a receiver whose offer was used by another makes no new one
	SizeFirst        bool // liftFast loads what it copies before it has seen the state Ready
	MoreOneLap       bool // who looks whether there is more looks at one lap from the shared head only
	PositionTwice    bool // a sender gives a slot back at the position that it had
	WordForgets      bool // the word of a message that comes back does not tell how many receivers had it
	PublishForgotten bool // a dead sender's unfinished message is made Ready by repair
	PunchUnasked     bool // who retires a segment does not look whether somebody installs at its place
	PunchAgainBlind  bool // nor does who gives back what has come back
	AnnounceLate     bool // who installs loads the segment's word before it announces itself
	ForgetRetire     bool // who is done installing does not retire what others could not
	RetireByLast     bool // a segment is retired when its last slot is Free for the next lap
	PassMoves        bool // to pass over a segment moves on all that is held there
	NoRecheck        bool // a receiver takes a slot whose memory has gone for the end of the row
	RecheckLoosely   bool // it is content to see that there is memory again
	NeverSkip        bool // a sender waits for who gives a segment's memory back
	HoleByStore      bool // who has given it back does not notice that senders skipped the place
	LeavingStays     bool // repair does not end what the dead one was giving back
	AnnouncedStays   bool // repair leaves the dead one's announcement
}

// BellBreaks are ways to break the waiting.
type BellBreaks struct {
	NoSecondLook   bool // a waiter does not look again after it has set its bit
	CellAfterLook  bool // a waiter loads its cell after its second look
	WakeOnly       bool // a ringer wakes but leaves the cell as it is
	NoPassOn       bool // a waiter that was chosen and leaves does not ring on
	RepairRingEach bool // whoever repairs wakes only those whose cells are asleep
	RepairSilent   bool // whoever repairs rings nobody
	LeaveFirst     bool // whoever repairs, or leaves, is rid of the place before it rings
	NoHandOver     bool // a leader that was woken does not let the next goroutine look
	KeepLead       bool // a goroutine that leaves does not signal the next one
	NoCount        bool // a waiter does not count when it is armed
	NoHelp         bool // a ringer leaves it to the other one to wake whom that one chose
	OneOnly        bool // a ringer is content with the one it chose, although the kernel finds nobody to wake
	GiftToGone     bool // whose gift is for one who has left rings nobody
	InboxRing      bool // a message in an inbox wakes anyone who waits there
	LateFollower   bool // a goroutine follows a leader although the bell has rung since it was armed
}
