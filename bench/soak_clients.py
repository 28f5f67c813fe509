#!/usr/bin/env python3
"""A million requests of clients that misbehave: make soak-clients

Beside clients that ask properly, alone or in pipelines, some leave before the answer, stop in the
middle of a head or a body, read slowly, or send noise. Each row has an answer of its own, so that
one that is lost, wrong or another's shows. After each part of the run the server must have closed
what the clients left open, and have no more memory than after the first part but a tenth. First a
model that C evaluates, then, with a tenth of the requests, the same in Python workers.
"""

import argparse
import collections
import multiprocessing
import pathlib
import random
import socket
import struct
import sys
import tempfile
import threading
import time

from soak import usage

from measure import ROOT, free_port, mlrace_command, process_tree, running

MODEL = ROOT / "examples/iris/model"
COLUMNS = '["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]'
N_PROCESSES, N_THREADS, N_PARTS = 2, 8, 10
MAX_GROWTH, MORE_BYTES = 1.1, 4_000_000
SETTLE_SECONDS = 30  # until what lingers is closed


def request_of(rows):
    body = f'{{"dataframe_split": {{"columns": {COLUMNS}, "data": {rows}}}}}'.encode()
    head = "POST /invocations HTTP/1.1\r\nHost: soak\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def requests():
    """One row each, and some of many rows."""
    noise = random.Random(0)

    def row():
        return [round(noise.uniform(0, 8), 2) for _ in range(4)]

    small = [request_of([row()]) for _ in range(200)]
    return small + [request_of([row() for _ in range(n)]) for n in (10, 100, 3000, 3000)]


class Wrong(Exception):
    pass


class Client:
    """One connection."""

    def __init__(self, port, slowly=False):
        self.socket = socket.socket()
        if slowly:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", port))
        self._buffer = b""

    def answer(self, n_bytes=1 << 16, pause=0):
        """Status and body of the next response."""
        while b"\r\n\r\n" not in self._buffer:
            self._receive(n_bytes, pause)
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        size = int(head.lower().partition(b"content-length:")[2].split()[0])
        while len(self._buffer) < size:
            self._receive(n_bytes, pause)
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return int(head.split()[1]), body

    def _receive(self, n_bytes, pause):
        time.sleep(pause)
        data = self.socket.recv(n_bytes)
        if not data:
            raise Wrong(f"closed after {self._buffer[:200]!r}")
        self._buffer += data

    def leave(self, noise):
        """Close; as if killed, half of the time."""
        if noise.random() < 0.5:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def check(client, numbers, bank, **manner):
    for number in numbers:
        answer = client.answer(**manner)
        if answer != bank.answers[number]:
            raise Wrong(f"request {number}: {answer} is not {bank.answers[number]}")


class Bank:
    """Requests and what is answered to them."""

    def __init__(self, port):
        self.port, self.requests = port, requests()
        client = Client(port)
        self.answers = []
        for request in self.requests:
            client.socket.sendall(request)
            self.answers.append(client.answer())
        client.socket.close()
        assert all(status == 200 for status, _ in self.answers), self.answers

    def some(self, noise, n):
        return [noise.randrange(len(self.requests)) for _ in range(n)]

    def text(self, numbers):
        return b"".join(self.requests[number] for number in numbers)


# Each way to behave returns how many whole requests it has sent.


def ask_properly(bank, noise):
    client, n = Client(bank.port), 0
    for _ in range(noise.randrange(1, 12)):
        numbers = bank.some(noise, noise.choice([1, 1, 1, 8, 20]))
        client.socket.sendall(bank.text(numbers))
        check(client, numbers, bank)
        n += len(numbers)
    client.leave(noise)
    return n


def leave_before_the_answer(bank, noise):
    numbers = bank.some(noise, noise.randrange(1, 9))
    client = Client(bank.port)
    client.socket.sendall(bank.text(numbers))
    n_read = noise.randrange(len(numbers))
    check(client, numbers[:n_read], bank)
    time.sleep(noise.choice([0, 0, 0.001]))
    client.leave(noise)
    return len(numbers)


def stop_in_the_middle(bank, noise):
    numbers = bank.some(noise, noise.randrange(1, 4))
    text = bank.text(numbers)
    last = bank.requests[numbers[-1]]
    client = Client(bank.port)
    client.socket.sendall(text[: len(text) - noise.randrange(1, len(last))])
    check(client, numbers[:-1], bank)
    time.sleep(noise.choice([0, 0.001, 0.1]))
    client.leave(noise)
    return len(numbers) - 1


def read_slowly(bank, noise):
    numbers = bank.some(noise, 5) + [noise.randrange(len(bank.requests) - 2, len(bank.requests))]
    client = Client(bank.port, slowly=True)
    client.socket.sendall(bank.text(numbers))
    check(client, numbers, bank, n_bytes=noise.choice([500, 5000]), pause=0.0005)
    client.leave(noise)
    return len(numbers)


def send_noise(bank, noise):
    client = Client(bank.port)
    text = bytearray(bank.requests[noise.randrange(100)])
    for _ in range(noise.randrange(1, 6)):
        text[noise.randrange(len(text))] = noise.randrange(256)
    try:
        client.socket.sendall(text)
        client.socket.settimeout(0.02)
        client.socket.recv(1 << 16)
    except OSError:
        pass
    client.leave(noise)
    return 0


WAYS = [ask_properly] * 10 + [leave_before_the_answer] * 6 + [stop_in_the_middle] * 5
WAYS += [read_slowly, send_noise, send_noise]


def work(bank, seed, wanted, results):
    """A process: threads that behave in turns, until their share of the requests is sent."""
    counts, faults = collections.Counter(), []

    def behave(number):
        noise, n = random.Random(f"{seed} {number}"), 0
        while n < wanted / N_THREADS and len(faults) < 10:
            way = noise.choice(WAYS)
            try:
                n_sent = way(bank, noise)
                n += n_sent
                counts[way.__name__] += 1
                counts["requests"] += n_sent
            except (OSError, Wrong, ValueError, IndexError) as error:
                faults.append(f"{way.__name__}: {error!r}")

    threads = [threading.Thread(target=behave, args=(i,)) for i in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put((counts, faults))


def run_part(bank, seed, wanted):
    results = multiprocessing.Queue()
    workers = [
        multiprocessing.Process(
            target=work, args=(bank, f"{seed} {i}", wanted / N_PROCESSES, results)
        )
        for i in range(N_PROCESSES)
    ]
    for worker in workers:
        worker.start()
    counts, faults = collections.Counter(), []
    for _ in workers:
        more_counts, more_faults = results.get()
        counts += more_counts
        faults += more_faults
    for worker in workers:
        worker.join()
    return counts, faults


def settle(pid, first):
    """The usage of all processes when files are as few as at first; or after some time."""
    end = time.monotonic() + SETTLE_SECONDS
    while True:
        now = {one: usage(one) for one in process_tree(pid)}
        if all(files <= first.get(one, (0, files))[1] for one, (_, files) in now.items()):
            return now
        if time.monotonic() > end:
            return now
        time.sleep(0.2)


def soak(name, command, port, folder, wanted):
    """Returns the faults that were found, as texts."""
    body = pathlib.Path(folder) / "body"
    body.write_bytes(requests()[0].split(b"\r\n\r\n", 1)[1])
    faults, total = [], collections.Counter()
    with running(command, port, folder, body, core="0-63") as (process, *_):
        bank = Bank(port)
        files_before = settle(process.pid, {})
        first = None
        for part in range(N_PARTS):
            counts, more = run_part(bank, f"{name} {part}", wanted / N_PARTS)
            total, faults = total + counts, faults + more
            now = settle(process.pid, files_before)
            first = first or now
            text = ", ".join(f"{rss / 1e6:.1f} MB {files} files" for rss, files in now.values())
            print(f"{name}: {total['requests']:>9,} requests; {text}", flush=True)
            if more:
                break
        for one, (rss, files) in now.items():
            if one not in first or one not in files_before:
                faults.append(f"process {one} is another one")
            elif rss > MAX_GROWTH * first[one][0] + MORE_BYTES:
                faults.append(f"process {one} has grown from {first[one][0]:,} to {rss:,} bytes")
            elif files > files_before[one][1]:
                faults.append(f"process {one} keeps {files} files, {files_before[one][1]} at first")
    print(f"{name}: {dict(total)}; {len(faults)} faults", *faults, sep="\n  ")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=1_000_000)
    options = parser.parse_args()
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        for engine, share in (("native", 0.9), ("python", 0.1)):
            port = free_port()
            flags = ["--engine", engine, "--no-access-log"]
            command = mlrace_command(MODEL, port, *flags)
            faults += soak(engine, command, port, folder, options.requests * share)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
