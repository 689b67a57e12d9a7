//go:build linux

package sysv_test

import (
	"context"
	"fmt"
	"log"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/sysv"
)

const key, size = 0x15713001, 4096

// Shared memory of two processes, line for line as in C.
func Example_sharedMemory() {
	// Process A creates shared memory
	segment, err := sysv.GetSegment(key, size, &sysv.SegmentConfig{Mode: 0o666}) // shmget(KEY, SIZE, IPC_CREAT | 0666)
	if err != nil {
		log.Fatal(err)
	}
	defer segment.Remove()
	a, err := segment.Attach() // shmat(shm_id, NULL, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Detach()
	shared := a.Bytes()

	// Process B attaches to same memory
	same, err := sysv.OpenSegment(key) // shmget(KEY, SIZE, 0)
	if err != nil {
		log.Fatal(err)
	}
	b, err := same.Attach() // shmat(shm_id, NULL, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Detach()

	// Both can now read/write 'shared', BUT must coordinate access!
	copy(shared, "hello")
	fmt.Printf("%s\n", b.Bytes()[:5])
	// Output: hello
}

// A queue carries messages with types, and a receiver chooses among them.
func Example() {
	ctx := context.Background()
	q, err := sysv.GetQueue(key, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Remove()

	for typ, what := range []string{"", "a letter", "a parcel", "a postcard"} {
		if typ > 0 {
			if err := q.Send(ctx, isthmus.Message{Type: int64(typ), Data: []byte(what)}); err != nil {
				log.Fatal(err)
			}
		}
	}
	m, err := q.ReceiveSelected(ctx, sysv.Selection{Type: 2}, nil) // the first of type 2
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d: %s\n", m.Type, m.Data)
	m, err = q.Receive(ctx) // the first of all
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d: %s\n", m.Type, m.Data)
	// Output:
	// 2: a parcel
	// 1: a letter
}

// Several processes take one lock, and whoever dies with it gives it back.
func ExampleSemaphoreSet() {
	ctx := context.Background()
	set, err := sysv.GetSemaphoreSet(ctx, key, 1, &sysv.SemaphoreConfig{Values: []int{1}})
	if err != nil {
		log.Fatal(err)
	}
	defer set.Remove()

	if err := set.Operate(ctx, sysv.Operation{Delta: -1, Undo: true}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(set.TryOperate(sysv.Operation{Delta: -1, Undo: true}))
	if err := set.Operate(ctx, sysv.Operation{Delta: 1, Undo: true}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(set.Value(0))
	// Output:
	// sysv 0x15713001: operate: would have to wait
	// 1 <nil>
}
