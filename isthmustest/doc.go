// Package isthmustest proves that a mechanism keeps the contract of
// isthmus.Sender, Receiver and Deliverer. Every mechanism of Isthmus must pass
// it, and so can one of your own:
//
//	func TestMain(m *testing.M) { isthmustest.Main(m, "peer", attach) }
//
//	func TestConformance(t *testing.T) {
//		isthmustest.Run(t, isthmustest.Mechanism{
//			Name: "pigeon", Capacity: isthmus.Bounded(3), MaxMessage: 4096,
//			Open: loft, Role: "peer",
//		})
//	}
//
// The whole contract is proven three times: with both ends in this process,
// with the senders in another one, and with the receivers in another one. The
// other one is the test binary, which runs itself again and makes the calls
// that it is told to make.
//
// No check sleeps to be right. Where one must know that a call waits, it looks
// at the state of the goroutine that makes the call: a mechanism needs no hook
// for that. Such a look can come a moment too early, and then the check proves
// less that time; it never fails for it.
package isthmustest
