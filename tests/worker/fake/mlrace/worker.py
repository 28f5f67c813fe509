"""A host and workers that speak the worker protocol badly on purpose.

A tiny implementation of its own, so that what it does wrong is in plain sight. MODEL is a folder
with host.json: what loading does, and members of LOADED. A call's body is JSON that says what the
worker is to do: {"do": name, ...}, one of the functions below.
"""

import argparse
import array
import errno
import fcntl
import json
import mmap
import os
import pathlib
import select
import signal
import socket
import struct
import sys
import threading
import time

HEADER = struct.Struct("=IHHQQII")
MAGIC = 0x3157524D
PREDICT, CANCEL, PAUSE, RESUME, FORK = 1, 2, 3, 4, 5
LOADED, FAILED, FORKED, EXITED, RESULT, CHUNK, END = 16, 17, 18, 19, 20, 21, 22
RESULT_HEADER = struct.Struct("=IIIIQQQQ")
JSON, ERROR = 2, 3
SEALS = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


# --- messages -------------------------------------------------------------------------------------


def header(kind, call_id, payload_size, flags=0, n_fds=0, magic=MAGIC):
    return HEADER.pack(magic, kind, flags, call_id, payload_size, n_fds, 0)


def send(link, kind, call_id, payload=b""):
    if HEADER.size + len(payload) <= 65536:
        link.send(header(kind, call_id, len(payload)) + payload)
        return
    fd = new_memfd(payload)
    send_fds(link, header(kind, call_id, len(payload), flags=1, n_fds=1), [fd])
    os.close(fd)


def send_fds(link, data, fds):
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
    link.sendmsg([data], [rights])


def new_memfd(payload, seals=SEALS):
    fd = os.memfd_create("payload", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, payload)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def result(value, kind=JSON, http_status=0):
    text = json.dumps(value).encode("ascii")
    return RESULT_HEADER.pack(kind, 0, 0, http_status, 0, 0, RESULT_HEADER.size, len(text)) + text


def answer(link, call_id, value):
    send(link, RESULT, call_id, result(value))


def receive(link):
    """kind, id, payload and descriptors of a message; None when the server has gone."""
    data, ancillary, _, _ = link.recvmsg(65536, socket.CMSG_SPACE(8))
    if not data:
        return None
    _, kind, flags, call_id, size, _, _ = HEADER.unpack_from(data)
    fds = array.array("i")
    for _, _, rights in ancillary:
        fds.frombytes(rights)
    if flags & 1:
        with mmap.mmap(fds[0], size, prot=mmap.PROT_READ) as mapped:
            payload = bytes(mapped)
        os.close(fds[0])
        return kind, call_id, payload, []
    return kind, call_id, data[HEADER.size :], list(fds)


def body_of(request):
    offset, size = struct.unpack_from("=QQ", request, 32)
    return json.loads(request[offset : offset + size])


# --- what a worker can be told to do: functions of its socket, the call's id and body ---------------


def echo(link, call_id, body):
    time.sleep(body.get("seconds", 0))
    answer(link, call_id, body.get("text", os.getpid()))


def model_error(link, call_id, body):
    error = {"error_code": "BAD_REQUEST", "message": "no"}
    send(link, RESULT, call_id, result(error, ERROR, 400))


def exit(link, call_id, body):
    os._exit(body["code"])


def kill(link, call_id, body):
    os.kill(os.getpid(), getattr(signal, body["signal"]))


def answer_and_die(link, call_id, body):
    answer(link, call_id, "last words")
    os._exit(1)


def hang(link, call_id, body):
    print("hangs", file=sys.stderr)
    while True:
        time.sleep(1000)


def close_socket(link, call_id, body):
    link.close()
    time.sleep(1000)


def twice(link, call_id, body):
    answer(link, call_id, "first")
    answer(link, call_id, "second")


def unknown(link, call_id, body):
    answer(link, call_id + 1000000, "whose?")
    send(link, CHUNK, call_id + 1000000, b'"x"')
    send(link, END, call_id + 1000000)
    answer(link, call_id, "mine")


def flood(link, call_id, body):
    line = "x" * 5000 + "\n"
    for _ in range(body["megabytes"] * 200):
        sys.stdout.write(line)
    sys.stdout.flush()
    answer(link, call_id, "flooded")


def print_line(link, call_id, body):
    print("hello from stdout")
    print("hello from stderr", file=sys.stderr)
    answer(link, call_id, "printed")


def heir(link, call_id, body):
    """Die while a child holds socket and output."""
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(7)


def flooding_heir(link, call_id, body):
    """The same, and the child goes on answering, out of reach of the process group."""
    if os.fork() == 0:
        os.setsid()
        try:
            while True:
                answer(link, call_id + 1, "from the grave")
        except OSError:
            os._exit(0)
    os._exit(7)


def daemon(link, call_id, body):
    """Leave a process that ends later, as an orphan of a process group of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(body["seconds"])
        os._exit(0)
    os.wait()
    answer(link, call_id, "left")


def large(link, call_id, body):
    answer(link, call_id, "x" * body["size"])


def stream(link, call_id, body):
    """Chunks 0, 1, ... as fast as wanted; ends at once when it is cancelled."""
    is_paused = False
    link.setblocking(False)
    for number in range(body["n"]):
        end = time.monotonic() + body.get("seconds", 0)
        while is_paused or time.monotonic() < end:
            wait = None if is_paused else max(0, end - time.monotonic())
            if not select.select([link], [], [], wait)[0]:
                continue
            message = receive(link)
            if message is None or message[0] == CANCEL:
                link.setblocking(True)
                send(link, END, call_id)
                return
            is_paused = message[0] == PAUSE
        link.setblocking(True)
        send(link, CHUNK, call_id, json.dumps(number).encode())
        link.setblocking(False)
    link.setblocking(True)
    send(link, END, call_id)


def stream_then_fail(link, call_id, body):
    send(link, CHUNK, call_id, b"1")
    model_error(link, call_id, body)


def stream_then_die(link, call_id, body):
    send(link, CHUNK, call_id, b"1")
    os._exit(1)


def refused_chunk(link, call_id, body):
    send(link, CHUNK, call_id, b'"refuse"')
    time.sleep(0.2)
    send(link, END, call_id)


def large_chunk(link, call_id, body):
    send(link, CHUNK, call_id, json.dumps("x" * body["size"]).encode())
    send(link, END, call_id)


# --- what no server should believe: bytes and descriptors of one message ----------------------------

RUBBISH = {
    "garbage": lambda i: (bytes(range(256)) * 4, []),
    "half_header": lambda i: (header(RESULT, i, 0)[:16], []),
    "only_header": lambda i: (header(RESULT, i, 0), []),
    "wrong_magic": lambda i: (header(RESULT, i, 0, magic=1), []),
    "wrong_type": lambda i: (header(99, i, 0), []),
    "for_workers": lambda i: (header(PREDICT, i, 0), []),
    "loaded_again": lambda i: (header(LOADED, i, 2) + b"{}", []),
    "forked": lambda i: (header(FORKED, 0, 4) + b"\1\0\0\0", []),
    "too_short": lambda i: (header(RESULT, i, 1000) + b"x" * 999, []),
    "too_long": lambda i: (header(RESULT, i, 1000) + b"x" * 1001, []),
    "huge_size": lambda i: (header(RESULT, i, 2**64 - 1) + b"x", []),
    "oversize": lambda i: (header(RESULT, i, 65600 - 32) + b"x" * (65600 - 32), []),
    "no_memfd": lambda i: (header(RESULT, i, 5000, flags=1, n_fds=1), []),
    "not_sealed": lambda i: (header(RESULT, i, 5000, 1, 1), [new_memfd(b"x" * 5000, 0)]),
    "half_sealed": lambda i: (
        header(RESULT, i, 5000, 1, 1),
        [new_memfd(b"x" * 5000, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)],
    ),
    "short_memfd": lambda i: (header(RESULT, i, 5000, 1, 1), [new_memfd(b"x" * 4999)]),
    "endless_memfd": lambda i: (header(RESULT, i, 2**62, 1, 1), [new_memfd(b"x")]),
    "no_file": lambda i: (header(RESULT, i, 5000, 1, 1), [os.open("/dev/zero", os.O_RDWR)]),
    "many_fds": lambda i: (header(RESULT, i, 5000, 1, 1), [new_memfd(b"x") for _ in range(20)]),
    "odd_fds": lambda i: (header(RESULT, i, 0), [new_memfd(b"x")]),
    "bad_result": lambda i: (header(RESULT, i, 48) + b"\xff" * 48, []),
    "bad_text": lambda i: (
        header(RESULT, i, 50) + RESULT_HEADER.pack(JSON, 0, 0, 0, 0, 0, 48, 3) + b"xx",
        [],
    ),
    "chunk_of_plain_call": lambda i: (header(CHUNK, i, 3) + b'"x"', []),
    "end_of_plain_call": lambda i: (header(END, i, 0), []),
    "chunk_with_newline": lambda i: (header(CHUNK, i, 3) + b"1\n2", []),
    "chunk_with_utf8": lambda i: (header(CHUNK, i, 4) + '"é"'.encode(), []),
    "empty_chunk": lambda i: (header(CHUNK, i, 0), []),
    "end_with_payload": lambda i: (header(END, i, 1) + b"x", []),
    "nothing": lambda i: (b"", []),
}


def rubbish(link, call_id, body):
    data, fds = RUBBISH[body["what"]](call_id)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 200000)
    send_fds(link, data, fds) if fds else link.send(data)
    for fd in fds:
        os.close(fd)
    time.sleep(1000)


# --- processes ------------------------------------------------------------------------------------


def work(link, is_async):
    """A worker's life."""
    while True:
        message = receive(link)
        if message is None:
            os._exit(0)
        kind, call_id, payload, _ = message
        if kind != PREDICT:
            continue
        body = body_of(payload)
        action = globals()[body["do"]]
        if is_async:
            threading.Thread(target=action, args=(link, call_id, body)).start()
        else:
            action(link, call_id, body)


def fork_workers(link, conduct, is_async):
    """A template's life. conduct: what to do with FORKs, the last one for all that follow."""
    workers = set()
    wakeup, waker = socket.socketpair()
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.fileno())
    while True:
        ready = select.select([link, wakeup], [], [])[0]
        if wakeup in ready:
            wakeup.recv(100)
            for pid in list(workers):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    workers.remove(pid)
                    send(link, EXITED, pid, struct.pack("=i", status))
        if link in ready:
            message = receive(link)
            if message is None:
                os._exit(0)
            how = conduct.pop(0) if len(conduct) > 1 else conduct[0]
            workers |= fork_worker(link, how, message, is_async)


def fork_worker(link, how, message, is_async):
    """Answers a FORK.  returns  the worker that was forked, if any"""
    _, number, _, (worker_socket, log) = message
    if how in ("error", "wrong_pid", "unknown_number"):
        os.close(worker_socket)
        os.close(log)
        pid = {"error": -errno.EAGAIN, "wrong_pid": 1, "unknown_number": os.getpid()}[how]
        send(link, FORKED, number + (how == "unknown_number") * 1000, struct.pack("=i", pid))
        return set()
    if how == "die":
        os._exit(3)
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        link.close()
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        if how == "stillborn":
            os._exit(5)
        work(socket.socket(fileno=worker_socket), is_async)
    os.setpgid(pid, pid)
    os.close(worker_socket)
    os.close(log)
    send(link, FORKED, number, struct.pack("=i", pid))
    return {pid}


def load(link, how):
    """What is wrong with loading."""
    if how == "fail":
        send(link, FAILED, 0, b'{"message": "ImportError: no such module"}')
        os._exit(1)
    if how == "exit":
        os._exit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "garbage":
        link.send(b"garbage")
    if how == "no_json":
        send(link, LOADED, 0, b"[]")
    if how == "close":
        link.close()
    if how != "ok":
        time.sleep(1000)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int)
    parser.add_argument("--model", type=pathlib.Path)
    arguments = parser.parse_args()
    link = socket.socket(fileno=arguments.socket)
    conduct = json.loads((arguments.model / "host.json").read_text())
    starts = arguments.model / "starts"  # a line for each host that was started
    with starts.open("a") as file:
        file.write(f"{os.getpid()}\n")
    n_starts = len(starts.read_text().splitlines())
    time.sleep(conduct.get("seconds", 0))
    loads = conduct.get("load", ["ok"])
    load(link, loads[min(n_starts, len(loads)) - 1])
    is_async = conduct.get("is_async", False)
    loaded = {
        "protocol": 1,
        "python": "3.0",
        "mlflow": "3.0",
        "can_fork": conduct.get("can_fork", True),
        "reason": "the test says so",
        "is_async": is_async,
        "is_rowwise": False,
        "is_stream": True,
        "load_ms": 1,
        "warm_up": "nothing",
        "is_warm": None,
    }
    send(link, LOADED, 0, json.dumps(loaded).encode())
    if loaded["can_fork"]:
        fork_workers(link, conduct.get("fork", ["ok"]), is_async)
    work(link, is_async)


if __name__ == "__main__":
    main()
