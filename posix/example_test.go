//go:build linux

package posix_test

import (
	"context"
	"fmt"
	"log"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/posix"
)

// A queue gives the oldest message of the highest priority first.
func ExampleQueue() {
	q, err := posix.CreateQueue("/isthmus-example", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer posix.RemoveQueue(q.Name())

	ctx := context.Background()
	_ = q.Send(ctx, isthmus.Message{Data: []byte("tea")})
	_ = q.Send(ctx, isthmus.Message{Data: []byte("fire"), Priority: 9})
	for range 2 {
		m, err := q.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s, priority %d\n", m.Data, m.Priority)
	}
	// Output:
	// fire, priority 9
	// tea, priority 0
}

// A process asks to be told of a message, and does something else meanwhile.
func ExampleQueue_Notify() {
	q, err := posix.CreateQueue("/isthmus-example-notify", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	defer posix.RemoveQueue(q.Name())

	n, err := q.Notify()
	if err != nil {
		log.Fatal(err)
	}
	defer n.Close()
	_ = q.TrySend(isthmus.Message{Data: []byte("hello")}) // from another process
	<-n.Done()
	fmt.Println("there is a message:", n.Err() == nil)
	// Output: there is a message: true
}

// Shared memory with a semaphore that says whose turn it is.
func ExampleSharedMemory() {
	m, err := posix.CreateSharedMemory("/isthmus-example", &posix.SharedMemoryConfig{Size: 4096})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	defer posix.RemoveSharedMemory(m.Name())
	v, err := m.Map(0, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()

	// The first 32 bytes are a semaphore, for C programs a sem_t.
	turn, err := posix.NewSemaphore(v.Bytes(), &posix.SemaphoreConfig{Value: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer turn.Close()
	if err := turn.Wait(context.Background()); err != nil {
		log.Fatal(err)
	}
	if _, err := v.WriteAt([]byte("shared"), 64); err != nil {
		log.Fatal(err)
	}
	_ = turn.Post()
	fmt.Printf("%s\n", v.Bytes()[64:70])
	// Output: shared
}

// A semaphore of value 2 lets two in at a time.
func ExampleSemaphore() {
	s, err := posix.CreateSemaphore("/isthmus-example", &posix.SemaphoreConfig{Value: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	defer posix.RemoveSemaphore(s.Name(), nil)

	fmt.Println(s.TryWait(), s.TryWait())
	fmt.Println(s.TryWait())
	// Output:
	// <nil> <nil>
	// posix.Semaphore /isthmus-example: wait: empty
}
