//go:build linux

package socket_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/isthmustest"
	"github.com/isthmus-ipc/isthmus/socket"
)

var background = context.Background()

// peerRole is the role of the other process of the conformance suite.
const peerRole = "conformance"

// conformancePeer is what plays it. Its arguments are the network, the address,
// and the size of the largest message; its files the receiving socket, or, for
// a pair, the sending and the receiving one.
var conformancePeer = isthmustest.Peer(func(args []string, files []*os.File) (isthmustest.Endpoint, error) {
	size, err := strconv.Atoi(args[2])
	if err != nil {
		return isthmustest.Endpoint{}, err
	}
	if len(files) == 2 {
		return pairEndpoint(args[0], files, config(size)), nil
	}
	return endpoint(args[0], args[1], files[0], config(size)), nil
})

func config(size int) *socket.Config { return &socket.Config{MaxMessage: size} }

func endpoint(network, address string, f *os.File, cfg *socket.Config) isthmustest.Endpoint {
	return isthmustest.Endpoint{
		Name:     network + ":" + address,
		Sender:   func() (isthmus.Sender, error) { return socket.Dial(background, network, address, cfg) },
		Receiver: func() (isthmus.Receiver, error) { return socket.FileReceiver(f, cfg) },
		Args:     []string{network, address, strconv.Itoa(cfg.MaxMessage)},
		Files:    []*os.File{f},
	}
}

func pairEndpoint(network string, files []*os.File, cfg *socket.Config) isthmustest.Endpoint {
	return isthmustest.Endpoint{
		Name:     network + ":pair",
		Sender:   func() (isthmus.Sender, error) { return socket.FileConn(files[0], cfg) },
		Receiver: func() (isthmus.Receiver, error) { return socket.FileConn(files[1], cfg) },
		Args:     []string{network, "", strconv.Itoa(cfg.MaxMessage)},
		Files:    files,
	}
}

// shortDir is a directory whose path is short enough for sun_path.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// opened makes a bound socket that the checks receive at, by its descriptor.
func opened(network, address string, size int) func(t testing.TB) isthmustest.Endpoint {
	return func(t testing.TB) isthmustest.Endpoint {
		t.Helper()
		at := address
		switch at {
		case "path":
			at = filepath.Join(shortDir(t), "s")
		case "@":
			at = "@isthmus-" + filepath.Base(shortDir(t))
		}
		cfg := config(size)
		r, err := socket.OpenReceiver(background, network, at, cfg)
		if err != nil {
			t.Fatal(err)
		}
		f, err := r.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := errors.Join(r.Close(), f.Close()); err != nil {
				t.Error(err)
			}
		})
		return endpoint(network, r.Name()[len(network)+1:], f, cfg)
	}
}

func paired(network string, size int) func(t testing.TB) isthmustest.Endpoint {
	return func(t testing.TB) isthmustest.Endpoint {
		t.Helper()
		a, b, err := socket.Pair(network, config(size))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		defer b.Close()
		var files []*os.File
		for _, c := range []*socket.Conn{a, b} {
			f, err := c.File()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			files = append(files, f)
		}
		return pairEndpoint(network, files, config(size))
	}
}

func TestConformance(t *testing.T) {
	for name, row := range map[string]struct {
		open  func(t testing.TB) isthmustest.Endpoint
		size  int
		types bool
		unix  bool
	}{
		"unix":            {opened(socket.Unix, "path", 3000), 3000, true, true},
		"unix/32KiB":      {opened(socket.Unix, "@", 32<<10), 32 << 10, true, true},
		"unixgram":        {opened(socket.UnixGram, "path", 3000), 3000, false, true},
		"unixgram/64KiB":  {opened(socket.UnixGram, "@", 64<<10), 64 << 10, false, true},
		"unixpacket":      {opened(socket.UnixPacket, "path", 3000), 3000, false, true},
		"unixpacket/64K":  {opened(socket.UnixPacket, "@", 64<<10), 64 << 10, false, true},
		"tcp":             {opened(socket.TCP, "127.0.0.1:0", 3000), 3000, true, false},
		"pair/unix":       {paired(socket.Unix, 3000), 3000, true, true},
		"pair/unixgram":   {paired(socket.UnixGram, 3000), 3000, false, true},
		"pair/unixpacket": {paired(socket.UnixPacket, 3000), 3000, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			var capacity isthmus.Capacity // bounded by the buffers
			if !row.unix {
				// Between two TCP buffers of megabytes "full" is no state that lasts:
				// the kernel moves windows and probes them after the last byte that
				// it took. So what the suite sends always finds room, and
				// TestTCPFull proves what happens when there is none.
				capacity = isthmus.Unbounded
			}
			isthmustest.Run(t, isthmustest.Mechanism{
				Name: "socket", Open: row.open, Role: peerRole, MaxMessage: row.size, Capacity: capacity,
				Types: row.types, Identity: row.unix, Into: true, Solitary: true,
			})
		})
	}
}
