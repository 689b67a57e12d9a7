package isthmustest

import (
	"bytes"
	"runtime"
	"strconv"
	"strings"
)

// goroutineID is the number of the goroutine that calls it, as in a stack trace.
func goroutineID() int64 {
	var buf [64]byte
	id, _ := parseHeader(buf[:runtime.Stack(buf[:], false)])
	return id
}

// sleepers are the goroutines that sleep, by number. One in a system call
// counts: that is where a mechanism waits. One that waits for a mutex does not:
// it will have that in a moment.
func sleepers() map[int64]bool {
	buf := make([]byte, 1<<18)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	asleep := map[int64]bool{}
	for trace := range bytes.SplitSeq(buf, []byte("\n\n")) {
		switch id, state := parseHeader(trace); state {
		case "syscall", "chan receive", "select", "IO wait", "semacquire", "sync.Cond.Wait":
			asleep[id] = true
		}
	}
	return asleep
}

// parseHeader reads "goroutine 7 [chan receive, 2 minutes]:".
func parseHeader(trace []byte) (id int64, state string) {
	rest, ok := strings.CutPrefix(string(trace[:min(len(trace), 64)]), "goroutine ")
	if !ok {
		return 0, ""
	}
	number, rest, _ := strings.Cut(rest, " ")
	id, _ = strconv.ParseInt(number, 10, 64)
	if _, rest, ok = strings.Cut(rest, "["); !ok {
		return id, ""
	}
	state = rest[:strings.IndexAny(rest+"]", ",(]")]
	return id, strings.TrimSpace(state)
}
