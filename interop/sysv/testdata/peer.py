"""A peer that knows System V IPC from the module sysv_ipc."""

import sys

import sysv_ipc


def say(*words):
    print(*words, flush=True)


def main(verb, key, *args):
    if verb == "ftok":
        words = (key,) + args
        for path, number in zip(words[::2], words[1::2]):
            say(sysv_ipc.ftok(path, int(number), silence_warning=True))
        return
    key = int(key, 0)
    if verb == "msgsnd":
        q = sysv_ipc.MessageQueue(key, sysv_ipc.IPC_CREAT)
        q.send(args[1].encode(), type=int(args[0]))
        say(q.current_messages, "messages, limit", q.max_size)
    elif verb == "msgrcv":
        q = sysv_ipc.MessageQueue(key, sysv_ipc.IPC_CREAT)
        say("ready")
        data, typ = q.receive(type=int(args[0]))
        say(typ, data.decode())
    elif verb == "sem":
        s = sysv_ipc.Semaphore(key, sysv_ipc.IPC_CREX if args[0] == "create" else 0, initial_value=int(args[1]))
        s.undo = True
        say("value", s.value, s.o_time != 0)
        s.acquire()
        say("done")
        sys.stdin.readline()
    elif verb == "shm":
        s = sysv_ipc.SharedMemory(key, sysv_ipc.IPC_CREAT, size=int(args[0]))
        say(s.read(64).split(b"\0")[0].decode())
        s.write(args[1].encode() + b"\0")
        say("written")
        sys.stdin.readline()


main(*sys.argv[1:])
