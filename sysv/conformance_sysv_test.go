//go:build linux

package sysv_test

import (
	"fmt"
	"testing"
)

// assertion is one thing that the standard, the manual or Linux promises. The
// list is that of the Linux Test Project's and gVisor's tests of System V IPC, in
// our words. They have no numbers of their own: an id is the function and the
// place in the list.
type assertion struct {
	says string
	test func(t *testing.T)
}

func TestConformance(t *testing.T) {
	for _, f := range []struct {
		function string
		list     []assertion
	}{
		{"msgget", msggetList}, {"msgsnd", msgsndList}, {"msgrcv", msgrcvList}, {"msgctl", msgctlList},
		{"semget", semgetList}, {"semop", semopList}, {"semctl", semctlList},
		{"shmget", shmgetList}, {"shmat", shmatList}, {"shmdt", shmdtList}, {"shmctl", shmctlList},
	} {
		for i, a := range f.list {
			t.Run(fmt.Sprintf("%s/%d", f.function, i+1), func(t *testing.T) {
				t.Log(a.says)
				a.test(t)
			})
		}
	}
}

// notApplicable is for an assertion that means nothing in Go.
func notApplicable(why string) func(*testing.T) {
	return func(t *testing.T) { t.Logf("N/A: %s", why) }
}

const noPointers = "a caller passes slices and values, never an address that could be bad"
