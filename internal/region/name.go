package region

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// MaxName is the longest name, in bytes.
const MaxName = 100

// ErrName is returned for a name that breaks the rule.
var ErrName = errors.New("invalid name")

// CheckName checks the rule for names: 1 to 100 bytes of UTF-8, all of them
// printable, without a space or a slash, and not beginning with a dot or a dash.
func CheckName(name string) error {
	bad := func(why string) error {
		return fmt.Errorf("%w %q: it %s (a name is 1 to %d bytes of printable UTF-8 without space or slash, and does not begin with . or -)",
			ErrName, clip(name), why, MaxName)
	}
	switch {
	case name == "":
		return bad("is empty")
	case len(name) > MaxName:
		return bad(fmt.Sprintf("has %d bytes", len(name)))
	case name[0] == '.' || name[0] == '-':
		return bad(fmt.Sprintf("begins with %q", name[0]))
	case !utf8.ValidString(name):
		return bad("is not UTF-8")
	}
	for _, r := range name {
		if r == '/' || r == ' ' || !unicode.IsPrint(r) {
			return bad(fmt.Sprintf("contains %q", r))
		}
	}
	return nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
