package model

import "testing"

func TestSegments(t *testing.T) {
	send, recv := []Op{Send, Send}, []Op{Recv, Recv}
	for _, c := range []struct {
		name string
		long bool
		q    Queue
	}{
		{"2 of 1, 1 to 1", false, Queue{Slots: 2, Segment: 1, Scripts: [][]Op{{Send, Send, Send}, {Recv, Recv, Recv}}, Deaths: 1}},
		{"2 of 1, 2 to 1", false, Queue{Slots: 2, Segment: 1, Scripts: [][]Op{send, {Send}, recv}}},
		{"2 of 1, 1 to 2", false, Queue{Slots: 2, Segment: 1, Scripts: [][]Op{send, {Recv}, {Fast}}}},
		{"2 of 1, 2 to 1, with a death", false, Queue{Slots: 2, Segment: 1, Scripts: [][]Op{{Send}, {Send}, {Recv}}, Deaths: 1}},
		{"2 of 1, 1 to 2, with a death", false, Queue{Slots: 2, Segment: 1, Scripts: [][]Op{{Send}, {Recv}, {Fast}}, Deaths: 1}},
		{"2 of 1, two deaths", false, Queue{Slots: 2, Segment: 1, Scripts: [][]Op{send, recv}, Deaths: 2}},
		{"2 of 1, two repairs at once", false, Queue{Slots: 2, Segment: 1, Scripts: [][]Op{{Send}, {Recv}}, Deaths: 2, Repairs: 2}},
		{"3 of 1, 2 to 1", false, Queue{Slots: 3, Segment: 1, Scripts: [][]Op{send, {Send}, recv}}},
		{"long: 2 of 1, 2 to 1, with a death", true, Queue{Slots: 2, Segment: 1, Scripts: [][]Op{send, {Send}, {Recv}}, Deaths: 1}},
		{"long: 2 of 1, 1 to 2, with a death", true, Queue{Slots: 2, Segment: 1, Scripts: [][]Op{send, {Recv}, {Fast}}, Deaths: 1}},
		{"long: 2 of 1, 2 to 1", true, Queue{Slots: 2, Segment: 1, Scripts: [][]Op{send, send, recv}}},
		{"long: 3 of 1, 2 to 1", true, Queue{Slots: 3, Segment: 1, Scripts: [][]Op{{Send, Send, Send}, send, recv}}},
		{"long: 2 of 2, 1 to 2, with a death", true, Queue{Slots: 4, Segment: 2, Scripts: [][]Op{{Send, Send, Send}, {Recv}, recv}, Deaths: 1}},
		{"2 of 1, returned", false, Queue{Slots: 2, Segment: 1, Scripts: [][]Op{send, {Bounce}, recv}}},
		{"2 of 2, returned", false, Queue{Slots: 4, Segment: 2, Scripts: [][]Op{{Send, Send, Send, Send, Send}, {Bounce, Recv, Recv, Recv, Recv, Recv}}}},
		{"2 of 2, 1 to 2", false, Queue{Slots: 4, Segment: 2, Scripts: [][]Op{{Send, Send, Send}, {Recv}, recv}}},
		{"2 of 1, delivered", false, Queue{Slots: 2, Segment: 1, Scripts: [][]Op{{Deliver, Send}, recv}, Deaths: 1}},
		{"2 of 2, 1 to 1", false, Queue{Slots: 4, Segment: 2, Scripts: [][]Op{{Send, Send, Send}, {Recv, Recv, Recv}}, Deaths: 1}},
	} {
		if !c.long || *long {
			explore(t, c.name, &c.q)
		}
	}
}

// TestSegmentBreaks shows that the checks can fail.
func TestSegmentBreaks(t *testing.T) {
	send, recv := []Op{Send, Send}, []Op{Recv, Recv}
	one := Queue{Slots: 2, Segment: 1, Scripts: [][]Op{send, {Send}, recv}}
	two := Queue{Slots: 2, Segment: 1, Scripts: [][]Op{{Send, Send, Send}, {Recv}, {Recv}}}
	death := Queue{Slots: 2, Segment: 1, Scripts: [][]Op{{Send}, {Recv}}, Deaths: 1}
	laps := Queue{Slots: 4, Segment: 2, Scripts: [][]Op{{Send, Send, Send, Send, Send}, {Bounce, Recv, Recv, Recv, Recv, Recv}}}
	thrice := Queue{Slots: 2, Segment: 1, Scripts: [][]Op{{Send, Send, Send}, {Recv}, {Recv, Recv}}}
	for _, c := range []struct {
		name string
		q    Queue
		b    QueueBreaks
	}{
		{"punches unasked", one, QueueBreaks{PunchUnasked: true}},
		{"punches again unasked", one, QueueBreaks{PunchAgainBlind: true}},
		{"announces late", one, QueueBreaks{AnnounceLate: true}},
		{"does not retire for others", one, QueueBreaks{ForgetRetire: true}},
		{"retires by the last slot", laps, QueueBreaks{RetireByLast: true}},
		{"passing over moves", laps, QueueBreaks{PassMoves: true}},
		{"no second look at the segment", two, QueueBreaks{NoRecheck: true}},
		{"a loose second look", two, QueueBreaks{RecheckLoosely: true}},
		{"nothing skipped", thrice, QueueBreaks{NeverSkip: true}},
		{"hole by a store", thrice, QueueBreaks{HoleByStore: true}},
		{"leaving stays", death, QueueBreaks{LeavingStays: true}},
		{"announcement stays", Queue{Slots: 2, Segment: 1, Scripts: [][]Op{{Send}, {Send}, {Recv}}, Deaths: 1}, QueueBreaks{AnnouncedStays: true}},
	} {
		c.q.Breaks = c.b
		broken(t, c.name, &c.q)
	}
}
