package posix

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/isthmus-ipc/isthmus/internal/sys"
)

// mqueueLimit reads a limit of mq_overview(7); otherwise is what it is unless
// somebody changed it.
func mqueueLimit(name string, otherwise int64) int64 {
	b, err := os.ReadFile("/proc/sys/fs/mqueue/" + name)
	if err != nil {
		return otherwise
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}

// What nobody exceeds (include/linux/ipc_namespace.h).
const (
	hardMaxMessages = 65536
	hardMaxMessage  = 16 << 20
)

// queueBytes is what the kernel counts for a queue against RLIMIT_MSGQUEUE
// (mqueue_get_inode in ipc/mqueue.c): the messages, a struct msg_msg (48 bytes)
// for each, and a tree node (48) for each priority that can be in use.
func queueBytes(messages, size int64) int64 {
	return messages*(size+48) + min(messages, MaxPriority+1)*48
}

// explainOpen says which limit an mq_open met, and how to raise it.
func explainOpen(err error, asked *sys.MQAttr) error {
	messages, size := mqueueLimit("msg_default", 10), mqueueLimit("msgsize_default", 8192)
	if asked != nil {
		messages, size = int64(asked.MaxMessages), int64(asked.MessageSize)
	}
	e := &explained{errno: err}
	switch err {
	case syscall.EMFILE:
		e.text = tooMany(messages, size)
	case syscall.ENFILE:
		e.text = "the machine has no descriptor left (fs.file-max)"
	case syscall.ENOSPC:
		e.text = fmt.Sprintf("there are %d queues in this IPC namespace, as many as fs.mqueue.queues_max allows: remove some, or raise it (sysctl)", mqueueLimit("queues_max", 256))
	case syscall.EINVAL:
		return badSize(e, messages, size)
	case syscall.EOVERFLOW:
		e.text = fmt.Sprintf("%d messages of %d bytes are more than can be counted, or this user has no number in its user namespace", messages, size)
	case syscall.ENOMEM:
		e.text = fmt.Sprintf("there is no memory for %d messages of %d bytes", messages, size)
	case syscall.EACCES:
		e.text = "the queue is there, and its mode, owner or group does not allow that"
	case syscall.ENOSYS:
		e.is, e.text = errors.ErrUnsupported, "this kernel has no POSIX queues (CONFIG_POSIX_MQUEUE)"
	default:
		return err
	}
	return e
}

// tooMany tells the two meanings of EMFILE apart.
func tooMany(messages, size int64) string {
	if limit, reached := sys.FilesLimit(); reached {
		return fmt.Sprintf("this process has no descriptor left of %d: raise RLIMIT_NOFILE (ulimit -n, LimitNOFILE=)", limit)
	}
	return fmt.Sprintf("a queue of %d messages of %d bytes takes %d bytes of the %d that all queues of this user may take: "+
		"remove some, ask for less, or raise RLIMIT_MSGQUEUE (ulimit -q, LimitMSGQUEUE=)", messages, size, queueBytes(messages, size), sys.MQBytesLimit())
}

func badSize(e *explained, messages, size int64) error {
	most, largest := mqueueLimit("msg_max", 10), mqueueLimit("msgsize_max", 8192)
	switch {
	case messages > hardMaxMessages:
		e.text = fmt.Sprintf("%d messages: Linux knows no queue of more than %d", messages, hardMaxMessages)
	case size > hardMaxMessage:
		e.text = fmt.Sprintf("messages of %d bytes: Linux knows none of more than %d in a queue", size, hardMaxMessage)
	case messages > most:
		e.text = fmt.Sprintf("%d messages are more than the %d of fs.mqueue.msg_max: ask for fewer, or raise it (sysctl)", messages, most)
	case size > largest:
		e.text = fmt.Sprintf("messages of %d bytes are larger than the %d of fs.mqueue.msgsize_max: ask for less, or raise it (sysctl)", size, largest)
	default:
		return e.errno
	}
	return e
}
