package model

// borrow takes one unit: takeUnit and unitInUse.
func (t *turn) borrow() {
	a := t.a()
	at := &a.at
	if int(at.k) == t.q.Units {
		t.end("ErrFull: no unit is free")
		return
	}
	u := &t.s.units[at.k]
	next := func(what string) {
		at.k, at.unitWas, a.pc = at.k+1, unitWord{}, takeUnit
		t.out(what)
	}
	switch a.pc {
	case takeUnit:
		at.unitWas = *u
		switch u.kind {
		case unitFree:
			a.pc = unitSwap
		case unitLoan:
			next("sees a unit on loan")
			return
		case unitSlot:
			a.pc = unitID
		}
		t.out("loads a unit")
	case unitID:
		if a.pc = unitPhase; t.s.slots[at.unitWas.owner].id != at.unitWas.id {
			a.pc = unitSwap
		}
		t.out("loads the id in the unit's slot")
	case unitPhase:
		p := t.s.slots[at.unitWas.owner].phase
		if p == free || p == claimed && t.q.Breaks.UnitsByPhase {
			a.pc = unitSwap
			t.out("sees that the unit's slot is Free")
			return
		}
		next("sees a unit in use")
	case unitSwap:
		if *u != at.unitWas {
			next("loses the unit")
			return
		}
		t.takeUnit(u)
	}
}

func (t *turn) takeUnit(u *unitWord) {
	a := t.a()
	*u = unitWord{unitLoan, uint8(t.i), 0}
	a.at = local{begun: true, unit: a.at.k + 1}
	for i := range t.q.Slots {
		if sl := t.s.slots[i]; sl.phase != free && sl.unit == a.at.unit {
			t.bad("unit %d is taken from message %d, which is still there", a.at.unit-1, sl.id)
			return
		}
	}
	if a.pc = loadTail; t.q.op(&t.s, t.i) == Give {
		a.pc = accept
	}
	t.out("takes a unit")
}
