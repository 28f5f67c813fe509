#!/usr/bin/env python3
"""Makes docs/benchmarks.md again of the results in build/bench: bench/report.py [short|full]"""

import sys

from measure import Failed
from serving import report
from serving.store import Store

if __name__ == "__main__":
    store = Store(sys.argv[1] if len(sys.argv) > 1 else "full")
    if store.get("context") is None:
        raise Failed(f"bench: nothing is in {store.folder}: run `make bench` or `make bench-full`")
    sys.exit(report.write(store))
