"""Clients that ask all the time."""

import threading


class Clients:
    """Threads, one for each of `jobs`: from entering to leaving it, each runs `run(job)`, which asks
    until `is_ending` and gives every answer to `count`. What was wrong is in `faults`."""

    def __init__(self, jobs):
        self.faults, self.n_answers, self.is_ending = [], 0, False
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self.run, args=(job,)) for job in jobs]

    def run(self, job):
        raise NotImplementedError

    def count(self, fault=None):
        with self._lock:
            self.n_answers += 1
            if fault:
                self.faults.append(fault)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_ending = True
        for thread in self._threads:
            thread.join()
