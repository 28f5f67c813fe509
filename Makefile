# A short front for CMake (CMakePresets.json) and scripts/. What is missing is installed on the way
# by scripts/bootstrap. `make help` lists the targets.

PORT ?= 5000
SECONDS_EACH ?= 60

# `make bench-full ROUNDS=2 SECONDS_EACH=2`: how often and how long each server is asked.
BENCH = $$(scripts/python) bench/run.py $(if $(ROUNDS),--rounds $(ROUNDS)) \
	$(if $(filter command% environment,$(origin SECONDS_EACH)),--seconds $(SECONDS_EACH))

.DEFAULT_GOAL := build
.PHONY: help build demo test test-large test-kills test-restarts store-table unit sanitize tsan bench bench-full bench-profile bench-engines bench-load bench-swaps bench-uris soak soak-clients fuzz format lint clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-13s %s\n", $$1, $$2}'

build: ## build/mlrace, a release build
	@scripts/bootstrap build
	@scripts/build release mlrace

demo: build ## serve examples/iris on port 5000 (PORT=N for another)
	@scripts/demo $(PORT)

test: ## all checks and tests, with gcc, clang and sanitizers; less than 15 minutes
	@scripts/test

test-large: ## the slow tests of large bodies (100 MB)
	@scripts/bootstrap test
	@scripts/venv
	@scripts/build gcc
	.venv/bin/pytest tests/server -m large

test-kills: ## a thousand workers are killed while clients ask
	@scripts/bootstrap test
	@scripts/venv
	@scripts/build gcc
	.venv/bin/pytest tests/server -m kills -s

test-restarts: ## a hundred restarts while clients ask: no request fails
	@scripts/bootstrap test
	@scripts/venv
	@scripts/build gcc
	.venv/bin/pytest tests/server -m restarts -s

store-table: ## every form of a model's URI on every kind of MLflow backend, as a table
	@scripts/bootstrap test
	@scripts/venv
	@scripts/build gcc
	.venv/bin/pytest tests/store/test_forms.py -q

unit: ## the unit tests alone, a debug build
	@scripts/bootstrap test
	@scripts/build debug
	ctest --preset debug

sanitize: ## unit tests under the address and undefined behaviour sanitizers
	@scripts/bootstrap test
	@scripts/build asan
	ctest --preset asan

tsan: ## unit and system tests under the thread sanitizer
	@scripts/bootstrap test
	@scripts/venv
	@scripts/build tsan
	ctest --preset tsan
	MLRACE_BUILD=build-tsan .venv/bin/pytest tests/server tests/cli

bench: ## beside MLflow, MLServer, LitServe and nginx, in less than 10 minutes; writes docs/benchmarks.md
	@scripts/bootstrap bench
	@scripts/build release mlrace
	$(BENCH)

bench-full: ## the same with more models, requests, connections, and Spark; goes on where it was broken off
	@scripts/bootstrap bench-full
	@scripts/build release mlrace
	$(BENCH) --full

bench-profile: ## where the microseconds of a request go; writes docs/benchmarks-profile.md
	@scripts/bootstrap bench-full
	@scripts/build release mlrace
	@scripts/build profile mlrace tool_http_echo
	$$(scripts/python) bench/native_profile.py

bench-overload: ## what is answered and refused at twice the capacity: docs/overload.md
	@scripts/bootstrap bench
	@scripts/venv
	@scripts/build release mlrace bench_overload
	.venv/bin/python bench/overload/run.py

bench-engines: ## compare tree engines, without servers, with the libraries; FULL=1 for all; writes docs/benchmarks-engines.md
	@scripts/bootstrap test
	@scripts/build release mlrace bench_engines
	$$(scripts/python) bench/engines/run.py $(if $(FULL),--full)

bench-load: ## how long model files of 100 MB take to load, and what memory; writes docs/benchmarks-load.md
	@scripts/bootstrap test
	@scripts/venv
	@scripts/build release mlrace
	.venv/bin/python bench/load.py

bench-swaps: ## how late are answers while models of 100 MB follow one another? writes docs/benchmarks-swaps.md
	@scripts/bootstrap bench
	@scripts/venv
	@scripts/build release mlrace bench_overload
	.venv/bin/python bench/swaps.py

bench-uris: ## how soon a model's URI is served, its files being in the cache; writes docs/benchmarks-uris.md
	@scripts/bootstrap bench
	@scripts/venv
	@scripts/build release mlrace
	.venv/bin/python bench/uris.py

soak: ## a million mixed requests to Python workers: does memory stay flat?
	@scripts/bootstrap bench
	@scripts/venv
	@scripts/build release mlrace
	.venv/bin/python bench/soak.py

soak-clients: ## a million requests of clients that leave, read slowly and send noise
	@scripts/bootstrap bench
	@scripts/venv
	@scripts/build release mlrace
	.venv/bin/python bench/soak_clients.py

fuzz: ## run each fuzz target for SECONDS_EACH=60 seconds
	@scripts/bootstrap fuzz
	@scripts/build fuzz fuzzers
	@scripts/fuzz $(SECONDS_EACH)

format: ## apply .clang-format to all C files
	@scripts/bootstrap test
	@scripts/venv
	@scripts/lint --format

lint: ## formatting, include rule, banned calls, sizes, headers
	@scripts/bootstrap test
	@scripts/venv
	@scripts/lint

clean: ## remove all build folders and the Python environment
	rm -rf build build-* .venv
