//go:build linux

package posix_test

import (
	"fmt"
	"testing"
)

// assertion is one of the Open POSIX Test Suite's, by its function and number.
type assertion struct {
	id   string
	test func(t *testing.T)
}

// notApplicable says why an assertion says nothing about this package.
func notApplicable(t *testing.T, why string) { t.Helper(); t.Log("N/A: " + why) }

func na(why string) func(*testing.T) {
	return func(t *testing.T) { t.Helper(); notApplicable(t, why) }
}

// how many assertions there are of each function.
var assertions = map[string]struct {
	count   int
	missing []int // numbers that the suite does not use
	tests   []assertion
}{
	"mq_open": {30, nil, mqOpen}, "mq_close": {5, nil, mqClose}, "mq_send": {14, nil, mqSend},
	"mq_receive": {14, nil, mqReceive}, "mq_timedsend": {20, nil, mqTimedSend}, "mq_timedreceive": {19, nil, mqTimedReceive},
	"mq_getattr": {7, nil, mqGetAttr}, "mq_setattr": {5, nil, mqSetAttr}, "mq_notify": {9, nil, mqNotify}, "mq_unlink": {7, nil, mqUnlink},
	"sem_open": {15, nil, semOpen}, "sem_init": {11, []int{10}, semInit}, "sem_destroy": {8, nil, semDestroy}, "sem_close": {4, nil, semClose},
	"sem_wait": {13, []int{2, 10}, semWait}, "sem_timedwait": {11, nil, semTimedWait}, "sem_post": {8, []int{7}, semPost},
	"sem_getvalue": {5, nil, semGetValue}, "sem_unlink": {9, nil, semUnlink},
	"shm_open": {42, []int{10}, shmOpen}, "shm_unlink": {11, nil, shmUnlink},
}

// TestConformance has a subtest for each assertion of the standard: all are
// here, those that say nothing about Go too.
func TestConformance(t *testing.T) {
	for function, a := range assertions {
		want := map[string]bool{}
		for i := 1; i <= a.count; i++ {
			want[fmt.Sprint(i)] = true
		}
		for _, i := range a.missing {
			delete(want, fmt.Sprint(i))
		}
		for _, as := range a.tests {
			var number string
			for i := range len(as.id) {
				if as.id[i] == '-' {
					number = as.id[:i]
				}
			}
			delete(want, number)
			t.Run(function+"/"+as.id, as.test)
		}
		for id := range want {
			t.Errorf("%s: assertion %s is missing", function, id)
		}
	}
}
