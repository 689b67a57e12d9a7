// Command isthmus sends and receives messages between the processes of a
// machine, and shows what lies between them. See isthmus help.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], system())) }
