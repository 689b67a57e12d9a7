# Does with Python's own means what it is told, a command a line, and answers
# each with a line: "ok …", or "err …".
import ctypes
import sys
import _multiprocessing
from multiprocessing import shared_memory

held = {}
libc = ctypes.CDLL(None, use_errno=True)


def act(words):
    verb, name = words[0], words[1]
    if verb == "version":
        return "%d %d" % sys.version_info[:2]
    if verb == "mcreate":
        held[name] = shared_memory.SharedMemory(name=name[1:], create=True, size=int(words[2]))
    elif verb == "mopen":
        held[name] = shared_memory.SharedMemory(name=name[1:])
    elif verb == "muntracked":
        held[name] = shared_memory.SharedMemory(name=name[1:], track=False)
    elif verb == "mwrite":
        data = words[2].encode()
        held[name].buf[: len(data)] = data
    elif verb == "mread":
        return bytes(held[name].buf[: int(words[2])]).decode()
    elif verb == "msize":
        return str(held[name].size)
    elif verb == "mclose":
        held.pop(name).close()
    elif verb == "mremove":
        shm = held.pop(name)
        shm.close()
        shm.unlink()
    elif verb == "screate":  # of multiprocessing, kind 1: a semaphore
        held[name] = _multiprocessing.SemLock(1, int(words[2]), 2**31 - 1, name, False)
    elif verb == "sopen":
        held[name] = _multiprocessing.SemLock._rebuild(0, 1, 2**31 - 1, name)
    elif verb == "swait":
        held[name].acquire()
    elif verb == "stry":
        return str(held[name].acquire(False))
    elif verb == "stimed":
        return str(held[name].acquire(True, float(words[2])))
    elif verb == "spost":
        held[name].release()
    elif verb == "svalue":
        return str(held[name]._get_value())
    elif verb == "qopen":
        held[name] = libc.mq_open(name.encode(), 2)
        if held[name] < 0:
            raise OSError(ctypes.get_errno(), "mq_open")
    elif verb == "qsend":
        if libc.mq_send(held[name], words[2].encode(), len(words[2]), int(words[3])):
            raise OSError(ctypes.get_errno(), "mq_send")
    elif verb == "qreceive":
        buf, prio = ctypes.create_string_buffer(8192), ctypes.c_uint()
        n = libc.mq_receive(held[name], buf, 8192, ctypes.byref(prio))
        if n < 0:
            raise OSError(ctypes.get_errno(), "mq_receive")
        return "%s %d" % (buf.raw[:n].decode(), prio.value)
    elif verb == "names":  # what the C library says of names: shm, sem, mq
        kind, name = words[1], " ".join(words[2:])[1:-1].encode()
        libc.sem_open.restype = ctypes.c_void_p
        if kind == "shm":
            bad, unlink = libc.shm_open(name, 0o102, 0o600) < 0, libc.shm_unlink
        elif kind == "sem":
            bad, unlink = not libc.sem_open(name, 0o102, 0o600, 1), libc.sem_unlink
        else:
            bad, unlink = libc.mq_open(name, 0o102, 0o600, None) < 0, libc.mq_unlink
        opened = ctypes.get_errno() if bad else 0
        removed = ctypes.get_errno() if unlink(name) else 0
        return "%d %d" % (opened, removed)
    return ""


for line in sys.stdin:
    words = line.split()
    try:
        said = act(words)
        print(("ok " + said).strip(), flush=True)
    except Exception as e:
        print("err %r" % e, flush=True)
