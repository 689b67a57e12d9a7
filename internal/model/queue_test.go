package model

import "testing"

func TestQueue(t *testing.T) {
	send, recv, bounce := []Op{Send, Send}, []Op{Recv, Recv}, []Op{Bounce, Recv}
	for _, c := range []struct {
		name string
		long bool
		q    Queue
	}{
		{"1 slot, 1 to 1", false, Queue{Slots: 1, Scripts: [][]Op{{Send, Send, Send}, {Recv, Recv, Recv}}, Lazy: true, Deaths: 2, Fine: true}},
		{"2 slots, 1 to 1", false, Queue{Slots: 2, Scripts: [][]Op{{Send, Send, Send}, {Recv, Recv, Recv}}, Lazy: true, Deaths: 2, Fine: true}},
		{"1 slot, 2 to 1", false, Queue{Slots: 1, Scripts: [][]Op{send, send, recv}, Deaths: 1}},
		{"2 slots, 2 to 1", false, Queue{Slots: 2, Scripts: [][]Op{send, {Send}, recv}, Lazy: true, Deaths: 1}},
		{"2 slots, 1 to 2", false, Queue{Slots: 2, Scripts: [][]Op{send, recv, recv}, Lazy: true, Deaths: 1}},
		{"2 slots, 1 to 2, fine", false, Queue{Slots: 2, Scripts: [][]Op{{Send}, recv, {Recv}}, Lazy: true, Deaths: 2, Fine: true}},
		{"3 slots, 1 to 2", false, Queue{Slots: 3, Scripts: [][]Op{{Send, Send, Send}, {Recv}, recv}, Deaths: 1}},
		{"returned", false, Queue{Slots: 2, Scripts: [][]Op{send, bounce, recv}, Lazy: true}},
		{"returned, with a death", false, Queue{Slots: 2, Scripts: [][]Op{send, {Bounce}, recv}, Lazy: true, Deaths: 1}},
		{"returned, 1 slot", false, Queue{Slots: 1, Scripts: [][]Op{send, bounce, recv}, Lazy: true, Deaths: 1}},
		{"lifted", false, Queue{Slots: 1, Scripts: [][]Op{send, {Lift, Fast}, {Recv}}, Lazy: true, Deaths: 1}},
		{"lifted, 2 slots", false, Queue{Slots: 2, Scripts: [][]Op{send, {Fast, Fast}, {Bounce, Lift}}}},
		{"abandoned", false, Queue{Slots: 2, Scripts: [][]Op{send, {Abandon}, recv}, Lazy: true}},
		{"delivered", false, Queue{Slots: 1, Scripts: [][]Op{{Deliver, Send}, recv, {Bounce}}, Lazy: true, Deaths: 1}},
		{"delivered, 2 slots", false, Queue{Slots: 2, Scripts: [][]Op{{Deliver}, {Send, Deliver}, recv}}},
		{"arena", false, Queue{Slots: 2, Units: 1, Scripts: [][]Op{send, {Send}, recv}, Deaths: 1}},
		{"arena, 2 units", false, Queue{Slots: 2, Units: 2, Scripts: [][]Op{send, {Send}, recv}}},
		{"arena, delivered", false, Queue{Slots: 2, Units: 1, Scripts: [][]Op{{Deliver}, {Send}, recv}, Deaths: 1}},
		{"zero, given", false, Queue{Slots: 2, Zero: true, Scripts: [][]Op{{Give, Give}, {Offer}, {Offer}}}},
		{"zero, given in order", false, Queue{Slots: 2, Zero: true, Scripts: [][]Op{{Give, Give}, {Offer}, {Offer, Offer}}}},
		{"zero, given, with a death", false, Queue{Slots: 2, Zero: true, Scripts: [][]Op{{Give}, {Offer}, {Offer}}, Deaths: 1}},
		{"zero, delivered", false, Queue{Slots: 2, Zero: true, Scripts: [][]Op{{Deliver, Give}, {Offer}}, Lazy: true, Deaths: 2}},
		{"two repairs at once", false, Queue{Slots: 2, Scripts: [][]Op{{Send}, {Recv}, {Recv}}, Deaths: 2, Repairs: 2}},
		{"long: two repairs at once", true, Queue{Slots: 2, Scripts: [][]Op{send, {Recv}, {Recv}}, Deaths: 2, Repairs: 2}},
		{"long: 2 slots, 2 to 1", true, Queue{Slots: 2, Scripts: [][]Op{send, send, recv}, Lazy: true, Deaths: 1}},
		{"long: 2 slots, 1 to 2", true, Queue{Slots: 2, Scripts: [][]Op{{Send, Send, Send}, recv, recv}, Lazy: true, Deaths: 1}},
		{"long: 2 slots, 1 to 2, fine", true, Queue{Slots: 2, Scripts: [][]Op{send, recv, recv}, Lazy: true, Deaths: 1, Fine: true}},
		{"long: returned", true, Queue{Slots: 2, Scripts: [][]Op{send, bounce, bounce}, Lazy: true, Deaths: 1}},
		{"long: 3 slots", true, Queue{Slots: 3, Scripts: [][]Op{send, send, recv}, Lazy: true}},
		{"long: zero, given", true, Queue{Slots: 3, Zero: true, Scripts: [][]Op{{Give, Give}, {Offer}, {Offer}}, Lazy: true, Deaths: 1}},
	} {
		if !c.long || *long {
			explore(t, c.name, &c.q)
		}
	}
}

// TestQueueBreaks shows that the checks can fail.
func TestQueueBreaks(t *testing.T) {
	two := [][]Op{{Send, Send}, {Recv, Recv}, {Recv, Recv}}
	bounce := [][]Op{{Send, Send}, {Bounce, Recv}, {Recv, Recv}}
	for _, c := range []struct {
		name string
		q    Queue
	}{
		{"epoch stays", Queue{Slots: 2, Scripts: bounce, Breaks: QueueBreaks{EpochStays: true}}},
		{"epoch wraps", Queue{Slots: 1, Scripts: [][]Op{{Send, Send}, {Bounce, Bounce, Bounce}, {Recv, Recv, Recv}}, Lazy: true, Breaks: QueueBreaks{EpochWraps: true}}},
		{"hint outlives its epoch", Queue{Slots: 2, Scripts: bounce, Lazy: true, Breaks: QueueBreaks{HintOutlives: true}}},
		{"no second look", Queue{Slots: 2, Scripts: [][]Op{{Send, Send}, {Recv, Recv}}, Breaks: QueueBreaks{NoSecondLook: true}}},
		{"tail before owner", Queue{Slots: 2, Scripts: [][]Op{{Send}, {Send}, {Recv, Recv}}, Breaks: QueueBreaks{TailFirst: true}}},
		{"ready passed over", Queue{Slots: 2, Scripts: [][]Op{{Send, Send, Send}, {Recv, Recv}}, Breaks: QueueBreaks{PassReady: true}}},
		{"nothing passed over", Queue{Slots: 2, Scripts: [][]Op{{Send, Send, Send}, {Recv, Recv}, {Recv}}, Breaks: QueueBreaks{NeverPass: true}}},
		{"repair does not go back", Queue{Slots: 2, Scripts: two, Deaths: 1, Breaks: QueueBreaks{RepairStays: true}}},
		{"repair goes back only if past", Queue{Slots: 2, Scripts: [][]Op{{Send}, {Recv}, {Recv}}, Deaths: 1, Lazy: true, Breaks: QueueBreaks{RepairIfPast: true}}},
		{"repair goes back only if past, eager", Queue{Slots: 2, Scripts: [][]Op{{Send}, {Recv}, {Recv}}, Deaths: 1, Breaks: QueueBreaks{RepairIfPast: true}}},
		{"repair forgets claims", Queue{Slots: 2, Scripts: two, Deaths: 1, Breaks: QueueBreaks{ForgetClaims: true}}},
		{"repair publishes", Queue{Slots: 2, Scripts: two, Deaths: 1, Breaks: QueueBreaks{PublishForgotten: true}}},
		{"return does not go back", Queue{Slots: 2, Scripts: bounce, Breaks: QueueBreaks{ReturnStays: true}}},
		{"withdrawn by a store", Queue{Slots: 2, Scripts: [][]Op{{Deliver}, {Recv}}, Breaks: QueueBreaks{StoreWithdraw: true}}},
		{"bound before the id", Queue{Slots: 2, Units: 1, Scripts: [][]Op{{Send}, {Send}}, Breaks: QueueBreaks{BindEarly: true}}},
		{"claimed units taken", Queue{Slots: 2, Units: 1, Scripts: [][]Op{{Send}, {Send}, {Recv}}, Breaks: QueueBreaks{UnitsByPhase: true}}},
		{"loans leak", Queue{Slots: 1, Units: 1, Scripts: [][]Op{{Send}, {Recv}}, Deaths: 1, Breaks: QueueBreaks{LoansLeak: true}}},
		{"gift out of turn", Queue{Slots: 2, Zero: true, Scripts: [][]Op{{Give, Give}, {Offer}, {Offer, Offer}}, Breaks: QueueBreaks{GiftOutOfTurn: true}}},
		{"offer by index", Queue{Slots: 2, Zero: true, Scripts: [][]Op{{Give, Give, Give}, {Offer}, {Offer, Offer}}, Lazy: true, Breaks: QueueBreaks{OfferByIndex: true}}},
		{"stale hand", Queue{Slots: 2, Zero: true, Scripts: [][]Op{{Give}, {Offer}}, Deaths: 1, Breaks: QueueBreaks{StaleHand: true}}},
		{"size before state", Queue{Slots: 1, Scripts: [][]Op{{Send, Send}, {Fast, Fast}}, Breaks: QueueBreaks{SizeFirst: true}}},
		{"word forgets", Queue{Slots: 1, Scripts: [][]Op{{Send}, {Lift}, {Bounce}}, Breaks: QueueBreaks{WordForgets: true}}},
		{"position twice", Queue{Slots: 2, Scripts: [][]Op{{Send}, {Abandon}, {Recv}}, Breaks: QueueBreaks{PositionTwice: true}}},
		{"more within a lap", Queue{Slots: 1, Scripts: [][]Op{{Send, Send}, {Recv}}, Lazy: true, Breaks: QueueBreaks{MoreOneLap: true}}},
		{"strictly full", Queue{Slots: 2, Scripts: [][]Op{{Send, Send}, {Send}, {Recv, Recv}}, Breaks: QueueBreaks{StrictlyFull: true}}},
	} {
		broken(t, c.name, &c.q)
	}
}
