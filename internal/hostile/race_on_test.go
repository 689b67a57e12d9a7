//go:build linux && race

package hostile

// raced says that the race detector is built in. Its own code looks at every
// word before the program does, and a fault there ends the process.
const raced = true
