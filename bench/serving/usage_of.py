#!/usr/bin/env python3
"""Runs a command and writes its seconds, processor time, largest resident memory and exit code, as
JSON: usage_of.py FILE COMMAND... A process' memory counts what its parent had when it started it,
so that this one stays small: python -I -S.
"""

import os
import sys
import time

started = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "w") as file:
    file.write(
        f'{{"seconds": {time.perf_counter() - started}, '
        f'"cpu_seconds": {usage.ru_utime + usage.ru_stime}, '
        f'"rss_mb": {usage.ru_maxrss / 1e3}, '
        f'"exit_code": {os.waitstatus_to_exitcode(status)}}}'
    )
