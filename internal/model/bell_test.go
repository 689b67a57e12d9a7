package model

import "testing"

func TestBell(t *testing.T) {
	explore(t, "one waiter", &Bell{Ringers: 2, Messages: 1, Waiters: []int{0}, Deaths: 2, Cancels: 1})
	explore(t, "two processes", &Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 1}, Deaths: 1, Cancels: 1})
	explore(t, "three processes", &Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 1, 2}})
	explore(t, "two goroutines", &Bell{Ringers: 2, Messages: 1, Waiters: []int{0, 0}})
	explore(t, "two goroutines, a death", &Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 0}, Deaths: 1})
	explore(t, "two goroutines and a process", &Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 0, 1}})
	explore(t, "leaving", &Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 1}, Deaths: 1, Leaves: true})
	explore(t, "a stop", &Bell{Ringers: 2, Messages: 1, Waiters: []int{0}, Stops: 1, Cancels: 1})
	explore(t, "a stop, two processes", &Bell{Ringers: 1, Messages: 2, Waiters: []int{0, 1}, Stops: 1})
	explore(t, "a stop, two goroutines", &Bell{Ringers: 1, Messages: 2, Waiters: []int{0, 0}, Stops: 1})
	explore(t, "a message each", &Bell{Ringers: 1, Messages: 2, Waiters: []int{0, 0}, Own: true, Cancels: 1})
	explore(t, "a gift, a death", &Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 1}, Gift: true, Deaths: 1})
	explore(t, "an inbox", &Bell{Ringers: 2, Messages: 1, Waiters: []int{0, 1}, Inbox: true})
	explore(t, "an inbox, two goroutines", &Bell{Ringers: 1, Messages: 2, Waiters: []int{0, 0, 1}, Inbox: true})
	explore(t, "one count for two ringers", &Bell{Ringers: 2, Messages: 2, Waiters: []int{0}, Shared: true})
	if *long {
		explore(t, "a gift and a message", &Bell{Ringers: 2, Messages: 1, Waiters: []int{0, 1}, Gift: true})
		explore(t, "a gift, two goroutines", &Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 0, 1}, Gift: true, Cancels: 1})
		explore(t, "an inbox, a cancel", &Bell{Ringers: 2, Messages: 1, Waiters: []int{0, 0, 1}, Inbox: true, Cancels: 1})
		explore(t, "three goroutines, a cancel", &Bell{Ringers: 1, Messages: 2, Waiters: []int{0, 0, 0}, Cancels: 1})
		explore(t, "one count for two ringers, two processes", &Bell{Ringers: 2, Messages: 1, Waiters: []int{0, 1}, Shared: true})
		explore(t, "two processes, two ringers", &Bell{Ringers: 2, Messages: 1, Waiters: []int{0, 1}})
		explore(t, "two goroutines, a cancel", &Bell{Ringers: 2, Messages: 1, Waiters: []int{0, 0}, Cancels: 1})
		explore(t, "a stop, two goroutines, two ringers", &Bell{Ringers: 2, Messages: 1, Waiters: []int{0, 0}, Stops: 1})
		explore(t, "two processes, two deaths", &Bell{Ringers: 1, Messages: 2, Waiters: []int{0, 1}, Deaths: 2, Cancels: 1})
		explore(t, "three processes, a death", &Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 1, 2}, Deaths: 1})
		explore(t, "three processes, two messages", &Bell{Ringers: 1, Messages: 2, Waiters: []int{0, 1, 2}})
		explore(t, "two goroutines, a death, two ringers", &Bell{Ringers: 2, Messages: 1, Waiters: []int{0, 0}, Deaths: 1, Cancels: 1})
		explore(t, "two goroutines and a process, a cancel", &Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 0, 1}, Cancels: 1})
		explore(t, "a stop, two of two", &Bell{Ringers: 2, Messages: 1, Waiters: []int{0, 1}, Stops: 1})
		explore(t, "two stops", &Bell{Ringers: 2, Messages: 1, Waiters: []int{0}, Stops: 2, Cancels: 1})
		explore(t, "three goroutines", &Bell{Ringers: 1, Messages: 2, Waiters: []int{0, 0, 0}})
	}
}

// TestBellBreaks shows that the checks can fail.
func TestBellBreaks(t *testing.T) {
	for _, c := range []struct {
		name string
		b    Bell
	}{
		{"no second look", Bell{Ringers: 1, Messages: 1, Waiters: []int{0}, Breaks: BellBreaks{NoSecondLook: true}}},
		{"cell loaded late", Bell{Ringers: 1, Messages: 1, Waiters: []int{0}, Breaks: BellBreaks{CellAfterLook: true}}},
		{"cell stays", Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 0}, Own: true, Breaks: BellBreaks{WakeOnly: true}}},
		{"no pass-on", Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 1}, Cancels: 1, Breaks: BellBreaks{NoPassOn: true}}},
		{"repair by bits", Bell{Ringers: 1, Messages: 1, Waiters: []int{0}, Deaths: 1, Breaks: BellBreaks{RepairRingEach: true}}},
		{"silent repair", Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 1}, Deaths: 1, Breaks: BellBreaks{RepairSilent: true}}},
		{"leaves before it rings", Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 1}, Deaths: 1, Leaves: true, Breaks: BellBreaks{LeaveFirst: true}}},
		{"no help", Bell{Ringers: 2, Messages: 1, Waiters: []int{0}, Stops: 1, Breaks: BellBreaks{NoHelp: true}}},
		{"no count", Bell{Ringers: 1, Messages: 2, Waiters: []int{0, 1}, Breaks: BellBreaks{NoCount: true}}},
		{"one only", Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 1}, Stops: 1, Breaks: BellBreaks{OneOnly: true}}},
		{"gift to one who has left", Bell{Ringers: 2, Messages: 1, Waiters: []int{0, 1}, Gift: true, Breaks: BellBreaks{GiftToGone: true}}},
		{"inbox rung for anyone", Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 1}, Inbox: true, Breaks: BellBreaks{InboxRing: true}}},
		{"late follower", Bell{Ringers: 1, Messages: 1, Waiters: []int{0, 0}, Own: true, Breaks: BellBreaks{LateFollower: true}}},
		{"no handing over", Bell{Ringers: 1, Messages: 2, Waiters: []int{0, 0}, Breaks: BellBreaks{NoHandOver: true, KeepLead: true, NoPassOn: true}}},
		{"lead kept", Bell{Ringers: 1, Messages: 2, Waiters: []int{0, 0}, Cancels: 1, Breaks: BellBreaks{KeepLead: true, NoHandOver: true}}},
	} {
		broken(t, c.name, &c.b)
	}
}
