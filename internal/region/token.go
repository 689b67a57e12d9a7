package region

import "github.com/isthmus-ipc/isthmus/internal/sys"

// A participant's token is a byte of the region's file that its handle keeps
// locked (an open-file-description lock). The kernel gives it up when the
// handle is closed or its process ends in any way; a stopped process keeps it.
// It works across PID namespaces, and no reuse of a PID can fool it.

// Take takes participant i's token, and tells whether it could: if another
// handle has it, that participant is alive.
func (r *Region) Take(i int) (bool, error) { return sys.LockToken(r.f, participantToken+int64(i)) }

// Give gives participant i's token back.
func (r *Region) Give(i int) { _ = sys.UnlockToken(r.f, participantToken+int64(i)) }

// Held tells whether another handle has participant i's token.
func (r *Region) Held(i int) bool {
	held, err := sys.TokenHeld(r.f, participantToken+int64(i))
	return held || err != nil
}

// HeldBy tells whether the kernel confirms that process pid, of this user and
// group, has participant i's token in its descriptor fd.
func (r *Region) HeldBy(i, pid, fd, uid, gid int) bool {
	u, g, ok := sys.TokenHolder(pid, fd, r.id, participantToken+int64(i))
	return ok && u == uid && g == gid
}

// Descriptor is the number of the region's descriptor in this process.
func (r *Region) Descriptor() int { return sys.Descriptor(r.f) }
