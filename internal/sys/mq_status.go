package sys

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseMQStatus reads a line such as
//
//	QSIZE:129        NOTIFY:2     SIGNO:0     NOTIFY_PID:8260
//
// (mq_overview(7); mqueue_read_file in ipc/mqueue.c).
func ParseMQStatus(line string) (s MQStatus, err error) {
	seen := 0
	for _, word := range strings.Fields(line) {
		key, text, _ := strings.Cut(word, ":")
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return MQStatus{}, fmt.Errorf("a queue's file says %q, which is no status", line)
		}
		switch key {
		case "QSIZE":
			s.Bytes = n
			seen |= 1
		case "NOTIFY":
			s.Notify = int(n)
			seen |= 2
		case "SIGNO":
			s.Signal = int(n)
		case "NOTIFY_PID":
			s.NotifyPID = int(n)
			seen |= 4
		}
	}
	if seen != 7 {
		return MQStatus{}, fmt.Errorf("a queue's file says %q, which is no status", line)
	}
	return s, nil
}
