//go:build linux

package region

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The rest of docs/LAYOUT.md is compared in internal/ring.

// layoutRows are the rows of the table under a heading of docs/LAYOUT.md.
func layoutRows(t *testing.T, heading string) (rows [][]string) {
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
	return rows
}

func TestLayoutOfHeader(t *testing.T) {
	var doc, code []string
	for _, r := range layoutRows(t, "header") {
		doc = append(doc, fmt.Sprintf("| %s | %s | %s |", r[0], r[1], r[2]))
	}
	ty := reflect.TypeFor[header]()
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
}

func TestLayoutOfKinds(t *testing.T) {
	doc := map[string]string{}
	for _, r := range layoutRows(t, "Kinds") {
		doc[strings.Trim(r[0], "`")] = r[1] + " " + strings.Trim(strings.Split(r[2], ";")[0], "`")
	}
	for name, k := range map[string]Kind{"Mailbox": Mailbox, "Inbox": Inbox, "Registry": Registry} {
		if want := fmt.Sprintf("%d %s", k, entry(k, "NAME")); doc[name] != want {
			t.Errorf("%s is %q, docs/LAYOUT.md says %q", name, want, doc[name])
		}
		delete(doc, name)
	}
	for name := range doc {
		t.Errorf("docs/LAYOUT.md has %s, which the code has not", name)
	}
}

// TestLayoutOfTokens asks the kernel which byte of the file a token is.
func TestLayoutOfTokens(t *testing.T) {
	doc := map[string]string{}
	for _, r := range layoutRows(t, "Tokens and bytes") {
		doc[strings.Trim(r[0], "`")] = r[1]
	}
	code := map[string]string{
		"removeToken": fmt.Sprint(removeToken), "buildToken": fmt.Sprint(buildToken), "participantToken": fmt.Sprint(participantToken),
	}
	if !maps.Equal(doc, code) {
		t.Errorf("the tokens are %v, docs/LAYOUT.md says %v", code, doc)
	}
	r, err := Anonymous("layout", Spec{Kind: Mailbox, Size: HeaderSize, Reserve: HeaderSize}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if ok, err := r.Take(3); !ok || err != nil {
		t.Fatal(ok, err)
	}
	rc, err := r.File().SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var info []byte
	_ = rc.Control(func(fd uintptr) { info, err = os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd)) })
	if err != nil {
		t.Fatal(err)
	}
	at := uint64(1<<62 + 16 + 3)
	if want := fmt.Sprintf(" %d %d\n", at, at); !strings.Contains(string(info), "OFDLCK") || !strings.Contains(string(info), want) {
		t.Errorf("the kernel shows no lock of byte%s in\n%s", strings.TrimSuffix(want, "\n"), info)
	}
}

// TestLayoutOfNewRegion looks at the bytes of a header, one by one.
func TestLayoutOfNewRegion(t *testing.T) {
	r, err := Anonymous("layout", Spec{Kind: Inbox, Size: 8192, Reserve: 8192, Geometry: [14]uint64{13: 0x1122}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	mem := r.mem
	for _, c := range []struct {
		what string
		at   int
		want string
	}{
		{"magic", 0, "ISTHMUS\n"},
		{"order", 8, "\x04\x03\x02\x01"},
		{"major and minor", 12, "\x01\x00\x00\x00"},
		{"kind", 16, "\x02\x00\x00\x00"},
		{"features", 20, "\x00\x00\x00\x00"},
		{"size", 24, "\x00\x20\x00\x00\x00\x00\x00\x00"},
		{"the last geometry word", 128 + 13*8, "\x22\x11\x00\x00\x00\x00\x00\x00"},
		{"removed", 512, "\x00\x00\x00\x00"},
	} {
		if got := string(mem[c.at : c.at+len(c.want)]); got != c.want {
			t.Errorf("%s: % x, want % x", c.what, got, c.want)
		}
	}
	sum := uint64(0xcbf29ce484222325) // FNV-1a, as published
	for _, b := range mem[:248] {
		sum = (sum ^ uint64(b)) * 0x100000001b3
	}
	for i := range 8 {
		if mem[248+i] != byte(sum>>(8*i)) {
			t.Fatalf("sum: % x, want %#x", mem[248:256], sum)
		}
	}
}
