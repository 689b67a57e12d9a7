// Package socket passes messages over sockets: between the processes of a host
// over Unix sockets, and over TCP between hosts.
//
//	network      what it is                       a message is
//	unix         a Unix stream                    a frame: any size, with a Type
//	unixpacket   a Unix connection, SEQPACKET     a packet: the bare payload
//	unixgram     Unix datagrams, no connection    a datagram: the bare payload
//	tcp          TCP, with TLS if asked for       a frame
//
// Addresses are a path, "@name" for a Unix socket in the abstract name space
// (which is the network namespace's, and has no permissions), or "host:port". A
// receiver serves all who send to its address:
//
//	r, err := socket.OpenReceiver(ctx, socket.Unix, "/run/app/in", nil)
//	m, err := r.Receive(ctx) // m.From says who sent it
//
// and a sender, in another process, dials it:
//
//	c, err := socket.Dial(ctx, socket.Unix, "/run/app/in", nil)
//	err = c.Send(ctx, isthmus.Message{Data: []byte("hello")})
//
// Connections one by one are [Listen], Accept, Dial and [Pair]; a [Conn] sends
// and receives. Descriptors go with a message by SendFiles and ReceiveFiles. The
// kernel says who sent a message over a Unix socket (SCM_CREDENTIALS, unix(7)):
// the process, and its real user and group, when it sent it. [List] shows the
// Unix sockets of the host.
//
// # Frames
//
// A frame is a header of 8 bytes (0xB7, the version 1, flags, the number of
// descriptors, and the payload's length as a little-endian uint32), the Type as
// a little-endian int64 if flag 1 is set, and the payload. A length larger than
// Config.MaxMessage ends the connection, and one that is not is no reason to give
// memory for it before the bytes come.
//
// # Limits
//
// Sockets have no priorities. Nobody learns whether a message was received:
// what was sent when a receiver dies is lost. A packet or a datagram is as
// large as a send buffer at most (net.core.wmem_max, 212,992 bytes by default),
// and at most net.unix.max_dgram_qlen datagrams, 10 by default, wait at a name: a
// Send waits. Over TCP "full" and "empty" are what this host knows of; a peer
// whose machine vanished is noticed by keep-alive only, after minutes.
//
// A message on a stream that is larger than the room in the buffers is sent in
// pieces. If its context ends in between Send returns nil, and the rest follows
// when there is room. Messages of up to 32 KiB on a Unix stream go in one piece.
package socket
