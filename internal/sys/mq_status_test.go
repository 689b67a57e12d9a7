package sys

import "testing"

func TestParseMQStatus(t *testing.T) {
	s, err := ParseMQStatus("QSIZE:129        NOTIFY:2     SIGNO:7     NOTIFY_PID:8260  \n")
	if err != nil || s != (MQStatus{129, 2, 7, 8260}) {
		t.Errorf("%+v, %v", s, err)
	}
	for _, bad := range []string{"", "QSIZE:1", "QSIZE:x NOTIFY:0 SIGNO:0 NOTIFY_PID:0", "QSIZE", "NOTIFY:0 SIGNO:0 NOTIFY_PID:0"} {
		if s, err := ParseMQStatus(bad); err == nil {
			t.Errorf("%q is %+v", bad, s)
		}
	}
}
