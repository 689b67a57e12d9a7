package sys

import "io/fs"

// ShmOpening says how to open a file of shared memory (shm_open(3)).
type ShmOpening struct {
	ReadOnly, Create, Exclusive, Truncate bool
	Mode                                  fs.FileMode
}
