"""The side-by-side of servers: `make bench` (bench/run.py)."""
