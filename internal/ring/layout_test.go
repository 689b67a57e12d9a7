package ring

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/isthmus-ipc/isthmus/internal/region"
	"github.com/isthmus-ipc/isthmus/internal/wait"
)

// docs/LAYOUT.md is what other programs rely on. These tests read its tables:
// a change of the layout fails them until the document says the same.

// tableRows are the rows of the first table under a heading, without its head.
func tableRows(t *testing.T, heading string) (rows [][]string) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/LAYOUT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(doc), "\n### "+heading+"\n")
	if !ok {
		t.Fatalf("docs/LAYOUT.md has no heading %q", heading)
	}
	rest, _, _ = strings.Cut(rest, "\n#")
	_, table, _ := strings.Cut(rest, "\n|--")
	for line := range strings.Lines(table) {
		if cells := strings.Split(strings.TrimSpace(line), "|"); len(cells) > 3 && cells[0] == "" {
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells[1:])
		} else if len(rows) > 0 {
			break
		}
	}
	if len(rows) == 0 {
		t.Fatalf("docs/LAYOUT.md has no table under %q", heading)
	}
	return rows
}

func TestLayoutOfStructures(t *testing.T) {
	for heading, v := range map[string]any{
		"slot": slot{}, "control": control{}, "participant": participant{}, "Cell": wait.Cell{}, "bellBits": bellBits{},
	} {
		t.Run(heading, func(t *testing.T) {
			var doc, code []string
			for _, r := range tableRows(t, heading) {
				doc = append(doc, fmt.Sprintf("| %s | %s | %s |", r[0], r[1], r[2]))
			}
			ty := reflect.TypeOf(v)
			for i := range ty.NumField() {
				f := ty.Field(i)
				switch {
				case f.Type.Size() == 0: // structs.HostLayout
				case f.Name == "_":
					code = append(code, fmt.Sprintf("| %d | %d | - |", f.Offset, f.Type.Size()))
				default:
					code = append(code, fmt.Sprintf("| %d | %d | `%s` |", f.Offset, f.Type.Size(), f.Name))
				}
			}
			if !slices.Equal(doc, code) {
				t.Errorf("docs/LAYOUT.md says\n%s\nthe code is\n%s", strings.Join(doc, "\n"), strings.Join(code, "\n"))
			}
			if end := ty.Field(ty.NumField() - 1); end.Offset+end.Type.Size() != ty.Size() {
				t.Errorf("%v has %d bytes, its fields end at %d", ty, ty.Size(), end.Offset+end.Type.Size())
			}
		})
	}
}

func TestLayoutOfNumbers(t *testing.T) {
	def, err := Config{}.shape("")
	if err != nil {
		t.Fatal(err)
	}
	for heading, code := range map[string]map[string]uint64{
		"Sizes": {
			"HeaderSize": region.HeaderSize, "controlAt": controlAt, "bellsAt": bellsAt, "slotSize": slotSize,
			"inlineBytes": inlineBytes, "pageSize": pageSize,
			"MaxParticipants": MaxParticipants, "MaxSlots": MaxSlots, "MaxMessage": MaxMessage,
		},
		"Example": {
			"mode": uint64(def.mode), "slots": def.slots, "maxMessage": def.maxMessage, "participants": def.participants,
			"units": def.units, "unit": def.unit, "participantsAt": def.participantsAt, "cellsAt": def.cellsAt,
			"slotsAt": def.slotsAt, "unitsAt": def.unitsAt, "arenaAt": def.arenaAt, "size": def.size,
		},
		"Modes":          {"modeZero": uint64(modeZero), "modeBounded": uint64(modeBounded), "modeUnbounded": uint64(modeUnbounded)},
		"Roles":          {"roleSender": roleSender, "roleReceiver": roleReceiver},
		"Bells":          {"bellMessage": bellMessage, "bellRoom": bellRoom, "bellReceipt": bellReceipt, "bells": bells},
		"Flags":          {"flagExternal": flagExternal, "flagDeliver": flagDeliver, "flagGift": flagGift},
		"Phases":         {"free": uint64(free), "writing": uint64(writing), "ready": uint64(ready), "claimed": uint64(claimed), "offered": uint64(offered)},
		"Segment states": {"segHole": uint64(segHole), "segReady": uint64(segReady), "segLeaving": uint64(segLeaving)},
		"Chunk bits":     {"chunkWords": chunkWords, "chunkMemory": chunkMemory},
		"Growth":         {"minSegment": minSegment, "maxSegments": maxSegments, "chunkUnits": chunkUnits},
		"Bits":           {"phaseBits": phaseBits, "ownerBits": ownerBits, "posShift": posShift, "posBits": posBits, "again": again, "checkBits": checkBits},
	} {
		t.Run(heading, func(t *testing.T) {
			doc := map[string]string{}
			for _, r := range tableRows(t, heading) {
				doc[strings.Trim(r[0], "`")] = r[1]
			}
			for name, n := range code {
				if want := fmt.Sprint(n); doc[name] != want {
					t.Errorf("%s is %s, docs/LAYOUT.md says %q", name, want, doc[name])
				}
				delete(doc, name)
			}
			for name := range doc {
				t.Errorf("docs/LAYOUT.md has %s, which the code has not", name)
			}
		})
	}
}

// TestLayoutOfWords pins what the document says in words.
func TestLayoutOfWords(t *testing.T) {
	for _, c := range []struct {
		what      string
		got, want uint64
	}{
		{"state word", word(5, 3, claimed), 5<<14 | 3<<3 | 4},
		{"message id", uint64(makeSender(7, 0x12345)), 0x2345<<48 | 7<<32 | 1<<31},
		{"loan", loanWord(9), 1<<63 | 9},
		{"slot's unit", slotWord(6, 1), 1<<62 | 6<<28 | 0x9e3779b97f4a7c15>>36},
	} {
		if c.got != c.want {
			t.Errorf("%s: %#x, want %#x", c.what, c.got, c.want)
		}
	}
	s := shape{mode: 1, slots: 2, maxMessage: 3, participants: 4, units: 5, unit: 6, segment: 7, limit: 8}
	if w := s.words(); w != [14]uint64{1, 2, 3, 4, 5, 6, 7, 8} {
		t.Errorf("geometry words: %v", w)
	}
	u := shape{mode: modeUnbounded, slots: 1024, maxMessage: 100, participants: 2, units: 1024, unit: 1024, segment: 256, limit: 1 << 20}
	if err := u.place(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what      string
		got, want uint64
	}{
		{"cells", u.cellsAt, 4096 + 2*256},
		{"segment words", u.segsAt, u.cellsAt + 3*2*64},
		{"chunk words", u.chunksAt, u.segsAt + 1024/256*8},
		{"slots", u.slotsAt, 8192},
		{"unit words", u.unitsAt, 8192 + 1024*128},
		{"arena", u.arenaAt, u.unitsAt + 1024*8},
		{"memory from the beginning", u.reserve, u.slotsAt},
	} {
		if c.got != c.want {
			t.Errorf("an unbounded queue: %s at %d, want %d", c.what, c.got, c.want)
		}
	}
}

// TestLayoutVersion reminds whoever changes the version to write the document anew.
func TestLayoutVersion(t *testing.T) {
	doc, err := os.ReadFile("../../docs/LAYOUT.md")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("layout **%d.%d**", region.Major, region.Minor)
	if got := regexp.MustCompile(`layout \*\*[0-9.]+\*\*`).FindString(string(doc)); got != want {
		t.Errorf("docs/LAYOUT.md describes %q, the code has %q", got, want)
	}
}
