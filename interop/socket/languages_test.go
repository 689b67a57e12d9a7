//go:build linux && interop

package socket_test

import (
	"errors"
	"io"
	"os"
	"testing"

	isthmus "github.com/isthmus-ipc/isthmus"
	"github.com/isthmus-ipc/isthmus/socket"
)

// python frames a message, and reads one.
const python = `
import os, socket, struct, sys, array, signal
def frame(b, files=0): return struct.pack('<BBBBI', 0xB7, 1, 0, files, len(b)) + b
def exactly(s, n):
    b = b''
    while len(b) < n:
        k = s.recv(n - len(b))
        if not k: raise EOFError
        b += k
    return b
def unframe(s):
    magic, version, flags, files, n = struct.unpack('<BBBBI', exactly(s, 8))
    assert (magic, version) == (0xB7, 1)
    typ = struct.unpack('<q', exactly(s, 8))[0] if flags & 1 else 0
    return typ, exactly(s, n)
def say(*a): print(*a, flush=True)
at = sys.argv[1]
name = '\0' + at[1:] if at[0] == '@' else at
`

func TestC(t *testing.T) {
	for kind, network := range map[string]string{"stream": socket.Unix, "seqpacket": socket.UnixPacket, "dgram": socket.UnixGram} {
		for _, at := range []string{dir(t) + "/s", "@interop-c-" + kind} {
			r := receiver(t, network, at, &socket.Config{Files: 1})
			p := start(t, cPeer(t), "send", kind, at, "hello from C")
			q, err := r.ReceiveRequest(background)
			if err != nil || string(q.Data) != "hello from C" || q.From.PID != p.cmd.Process.Pid {
				t.Fatalf("%s: %+v, %v", kind, q, err)
			}
			if kind != "dgram" {
				check(t, q.Reply(background, text("hello from Go")))
				p.expect("hello from Go")
				start(t, cPeer(t), "sendfd", kind, at, "testdata/peer.c")
				q, err = r.ReceiveRequest(background)
				if err != nil || string(q.Data) != "with a file" || len(q.Files) != 1 {
					t.Fatalf("%s: %+v, %v", kind, q, err)
				}
				want, _ := os.ReadFile("testdata/peer.c")
				if got, err := io.ReadAll(q.Files[0]); string(got) != string(want) {
					t.Errorf("the file has %d bytes, %v", len(got), err)
				}
				q.Files[0].Close()
			}
		}
		at := dir(t) + "/c"
		p := start(t, cPeer(t), "serve", kind, at)
		p.expect("listening")
		c := dial(t, network, at, nil)
		check(t, c.Send(background, text("hello from Go")))
		p.expect("hello from Go")
		if kind != "dgram" {
			received(t, c, "answer from C", p)
		}
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		if err := c.Send(background, text("x")); !errors.Is(err, isthmus.ErrPeerDied) {
			t.Errorf("%s: a send to a killed C program: %v", kind, err)
		}
		// The killed program's socket is stale, and ours to take over.
		receiver(t, network, at, nil)
	}
}

func TestPython(t *testing.T) {
	need(t, "python3", "python3")
	at := dir(t) + "/s"
	r := receiver(t, socket.Unix, at, &socket.Config{Files: 3})
	p := start(t, "python3", "-c", python+`
s = socket.socket(socket.AF_UNIX); s.connect(name)
s.sendall(frame(b'one') + frame(b'') + frame(b'x' * 100000))
r, w = os.pipe()
os.write(w, b'through the pipe')
s.sendmsg([frame(b'pipe', 1)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [r]))])
say(unframe(s))
signal.pause()
`, at)
	received(t, r, "one", p)
	received(t, r, "", p)
	if m, err := r.Receive(background); err != nil || len(m.Data) != 100000 {
		t.Fatalf("%d bytes, %v", len(m.Data), err)
	}
	q, err := r.ReceiveRequest(background)
	if err != nil || len(q.Files) != 1 {
		t.Fatalf("%+v, %v", q, err)
	}
	defer q.Files[0].Close()
	b := make([]byte, 100)
	if n, err := q.Files[0].Read(b); string(b[:n]) != "through the pipe" {
		t.Errorf("%q, %v", b[:n], err)
	}
	check(t, q.Reply(background, isthmus.Message{Data: []byte("typed"), Type: -5}))
	p.expect("(-5, b'typed')")
}

// TestPythonReceives has Python listen, and take a descriptor.
func TestPythonReceives(t *testing.T) {
	need(t, "python3", "python3")
	at := "@interop-python"
	p := start(t, "python3", "-c", python+`
l = socket.socket(socket.AF_UNIX); l.bind(name); l.listen(); say('listening')
s, _ = l.accept()
msg, anc, flags, _ = s.recvmsg(8 + 4, socket.CMSG_SPACE(64), 0)
fds = array.array('i'); fds.frombytes(anc[0][2][:4])
say(msg[3], msg[8:], os.pread(fds[0], 100, 0))
signal.pause()
`, at)
	p.expect("listening")
	c := dial(t, socket.Unix, at, nil)
	f, err := os.CreateTemp(t.TempDir(), "f")
	check(t, err)
	defer f.Close()
	_, _ = f.WriteString("contents")
	check(t, c.SendFiles(background, text("file"), f))
	p.expect("1 b'file' b'contents'")
}

func TestPythonDatagrams(t *testing.T) {
	need(t, "python3", "python3")
	at := dir(t) + "/s"
	r := receiver(t, socket.UnixGram, at, nil)
	p := start(t, "python3", "-c", python+`
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(at + '.me')
s.sendto(b'hello', name)
say(s.recv(100))
b, who = s.recvfrom(100)
s.sendto(b'answer to ' + b, who)
signal.pause()
`, at)
	q, err := r.ReceiveRequest(background)
	if err != nil || string(q.Data) != "hello" || q.From.PID != p.cmd.Process.Pid {
		t.Fatalf("%+v, %v", q, err)
	}
	check(t, q.Reply(background, text("hello, Python")))
	p.expect("b'hello, Python'")
	c := dial(t, socket.UnixGram, at+".me", nil)
	check(t, c.Send(background, text("Go")))
	received(t, c, "answer to Go", p)
}

func TestPerl(t *testing.T) {
	need(t, "perl", "perl")
	at := dir(t) + "/s"
	r := receiver(t, socket.Unix, at, nil)
	p := start(t, "perl", "-MIO::Socket::UNIX", "-e", `
$| = 1;
my $s = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $ARGV[0]) or die $!;
$s->syswrite(pack('CCCCVa*', 0xB7, 1, 0, 0, 5, 'hello'));
$s->sysread(my $b, 100);
my ($m, $v, $f, $n, $len, $data) = unpack('CCCCVa*', $b);
print "$m $v $len $data\n"; sleep 100`, at)
	q, err := r.ReceiveRequest(background)
	if err != nil || string(q.Data) != "hello" || q.From.PID != p.cmd.Process.Pid {
		t.Fatalf("%+v, %v", q, err)
	}
	check(t, q.Reply(background, text("hello, Perl")))
	p.expect("183 1 11 hello, Perl")
	served := dir(t) + "/p"
	p = start(t, "perl", "-MIO::Socket::UNIX", "-e", `
$| = 1;
my $l = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $ARGV[0], Listen => 1) or die $!;
print "listening\n";
my $s = $l->accept; $s->sysread(my $b, 100); print substr($b, 8), "\n"; sleep 100`, served)
	p.expect("listening")
	check(t, dial(t, socket.Unix, served, nil).Send(background, text("to Perl")))
	p.expect("to Perl")
}
