"""docs/benchmarks.md and its charts, made of the results."""

import statistics

from measure import ROOT, median
from serving import batch, environments, figures, matrix, sizes, targets
from serving.models import MODELS, TITLES
from serving.results import MIN_REQUESTS, OURS, Results
from serving.servers import N_WORKERS, SERVERS
from serving.session import N_STARTS, WARM_UP_SECONDS

PAGE = ROOT / "docs/benchmarks.md"
FAR_AHEAD = 3  # times the next; what is less is named first


# --- words --------------------------------------------------------------------------------------


def milliseconds(us):
    return "-" if us is None else f"{us / 1000:,.3g}" if us < 1e6 else f"{us / 1000:,.0f}"


def rate(row):
    return figure(row.value("rate"))


def figure(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def factor(value):
    return (
        f"{value:,.0f} x"
        if value >= 10
        else f"{value:.1f} x"
        if value >= 0.995
        else f"{value:.2f} x"
    )


def asked(cell):
    """How a cell asks, in words."""
    rows = "1 row" if cell.rows == 1 else f"{cell.rows:,} rows"
    return f"{rows}, {cell.format}, {targets.connections(cell.connections)}"


def table(header, rows, left=1):
    """A table whose first columns are texts, the others numbers."""
    names = header.split(" | ")
    rules = ["---"] * left + ["---:"] * (len(names) - left)
    lines = [names, rules, *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines] + [""]


# --- the parts of the page ----------------------------------------------------------------------


def weaknesses(results):
    yield f"## Where mlrace is less than {FAR_AHEAD} x the next"
    yield ""
    yield from close_cells(results)
    yield from slow_tails(results)
    broken = [row for row in results.rows.values() if row.invalid and row.server in OURS]
    for row in broken:
        yield f"- INVALID: {TITLES[row.cell.model]}, {asked(row.cell)}, {row.label}:"
        yield f"  {said(row.invalid)}"
    yield from [""] * bool(broken)
    missed = [one for one in targets.measured(results) if not targets.holds(*one[1:])]
    if missed:
        yield "Promises that are missed here:"
        yield ""
        yield from (
            f"- {figure(value)} where {sign} {figure(bound)} {what}"
            for what, sign, bound, value in missed
        )
        yield ""


def close_cells(results):
    """Cells whose fastest other server is not far behind, the closest first."""
    compared = sorted(results.compared(), key=lambda one: one[2])
    close = [one for one in compared if one[2] < FAR_AHEAD]
    far = [times for *_, times in compared[len(close) :]]
    yield f"{len(close)} of {len(compared)} cells, beside the fastest of the other servers in each."
    if far:
        yield f"In the other {len(far)} it is {factor(statistics.median(far))} in the median."
    yield ""
    if close:
        yield from table(
            "model | asked | the next | its requests/s | mlrace's | mlrace is | with --batch",
            [
                [
                    TITLES[ours.cell.model], asked(ours.cell), next_.label,
                    rate(next_), rate(ours), weak(times), weak(batched(results, next_)),
                ]
                for ours, next_, times in close
            ],
            left=3,
        )  # fmt: skip


def batched(results, other):
    """By how much mlrace with --batch is faster than another server; None: not measured."""
    cell = other.cell
    ours = results.get("mlrace-batch", cell.model, cell.rows, cell.format, cell.connections)
    return ratio_of(ours, other) if ours else None


def weak(times):
    if times is None:
        return ""
    return f"**{factor(times)}**" if times < 1 else factor(times)


def slow_tails(results):
    """Cells where one in a hundred waits longer than with another server."""
    slower = []
    for cell in results.cells():
        ours = results.rows.get((cell, "mlrace"))
        if ours is None or ours.invalid or ours.p99() is None:
            continue
        rest = [row for row in results.others(cell) if row.p99() is not None]
        best = min(rest, key=lambda row: row.p99(), default=None)
        if best and best.p99() < ours.p99():
            slower.append((ours, best))
    if slower:
        yield "The p99 of another server is shorter here:"
        yield ""
        for ours, best in slower:
            yield (
                f"- {TITLES[ours.cell.model]}, {asked(ours.cell)}: {best.label} "
                f"{milliseconds(best.p99())} ms, mlrace {milliseconds(ours.p99())} ms"
            )
        yield ""


def promises(results):
    yield "## What was promised"
    yield ""
    yield from table(
        "target | measured | ",
        [
            [
                f"{sign} {figure(bound)} {what}",
                figure(value),
                "holds" if targets.holds(sign, bound, value) else "**missed**",
            ]
            for what, sign, bound, value in targets.measured(results)
        ],
    )


def model_tables(results):
    for model in results.models:
        yield f"## {TITLES[model]}"
        yield ""
        yield f"{MODELS[model][1][0].upper()}{MODELS[model][1][1:]}."
        yield ""
        for cell in results.cells(model):
            rows = sorted(results.in_cell(cell), key=lambda row: list(SERVERS).index(row.server))
            yield f"**{asked(cell)}**"
            yield ""
            yield from table(
                "server | requests/s | p50 ms | p99 ms | CPU us a request | MB | mlrace is",
                [server_row(results, row) for row in rows],
            )
            yield from remarks(rows)


def server_row(results, row):
    if row.invalid:
        return [row.label, "INVALID", "", "", "", "", ""]
    ours = results.get(
        "mlrace", row.cell.model, row.cell.rows, row.cell.format, row.cell.connections
    )
    is_other = row.server not in OURS and ours is not None
    times = factor(ratio_of(ours, row)) if is_other else ""
    return [
        f"**{row.label}**" if row.server in OURS else row.label,
        f"{rate(row)} ±{row.spread():.0%}",
        milliseconds(row.value("p50")), milliseconds(row.p99()),
        f"{row.cpu_us():,.1f}" if row.cpu_us() < 100 else f"{row.cpu_us():,.0f}",
        f"{row.data['rss_mb']:,.0f}", times,
    ]  # fmt: skip


def ratio_of(ours, row):
    return statistics.median(a["rate"] / b["rate"] for a, b in zip(ours.runs, row.runs))


def remarks(rows):
    """Why rows are invalid, and which answers are not MLflow's to the last digit."""
    found = [f"- {row.label}: {said(row.invalid)}" for row in rows if row.invalid]
    found += [
        f"- Answers of {row.label} are within {row.data['difference']:.0e} of MLflow's."
        for row in rows
        if not row.invalid and row.data["difference"] > 0
    ]
    yield from found
    if found:
        yield ""


def said(failure):
    """A failure's text, one short line that markdown leaves alone."""
    line = " ".join(str(failure).split())
    return f"`{(line if len(line) < 300 else '... ' + line[-300:]).replace('`', '')}`"


def footprints(results):
    yield "## Starting, and what is installed"
    yield ""
    yield (
        "Seconds from exec to the answer to the first request, with the files in the page cache; a "
        f"server that starts within a second is started {N_STARTS} times. What is installed is, of "
        "mlrace, the program and the libraries that it loads; of the others, site-packages, "
        "without Python itself. A model that Python evaluates needs MLflow's under mlrace too."
    )
    yield ""
    names = [name for name in SERVERS if any(name in facts for facts in results.facts.values())]
    yield from table(
        "server | " + " | ".join(TITLES[model] for model in results.models) + " | installed MB",
        [
            [SERVERS[name].label, *(start_of(results, model, name) for model in results.models)]
            + [f"{sizes.installed_mb(name):,.0f}" if sizes.installed_mb(name) else ""]
            for name in names
        ],
    )


def start_of(results, model, name):
    starts = results.facts[model].get(name, {}).get("starts")
    if not starts:
        return ""
    return f"{statistics.median(starts):,.3f}" if max(starts) < 1 else f"{max(starts):,.1f}"


def files(results):
    yield "## Files"
    yield ""
    yield (
        "A CSV file scored from the command line, on all cores: seconds from exec to exit, "
        "processor time and resident memory of all processes. All write what MLflow "
        "writes."
    )
    yield ""
    for model, contenders in results.files.items():
        if not contenders:
            continue
        n_rows = next(iter(contenders.values()))["n_rows"]
        yield f"**{TITLES[model]}, {n_rows:,} rows**"
        yield ""
        ours = contenders["mlrace"]
        rows = []
        for name, result in contenders.items():
            label = batch.CONTENDERS[name][0]
            if "invalid" in result:
                rows.append([label, "INVALID", "", "", said(result["invalid"])])
                continue
            runs = result["runs"]
            comparable = name != "mlrace" and "invalid" not in ours
            times = (
                median(runs, "seconds") / median(ours["runs"], "seconds") if comparable else None
            )
            rows.append(
                [
                    f"**{label}**" if name == "mlrace" else label,
                    f"{median(runs, 'seconds'):,.2f}", f"{median(runs, 'cpu_seconds'):,.2f}",
                    f"{median(runs, 'rss_mb'):,.0f}", factor(times) if times else "",
                ]
            )  # fmt: skip
        yield from table("program | seconds | CPU seconds | MB | mlrace is", rows)


def method(context):
    yield "## How it is measured"
    yield ""
    yield from METHOD.format(
        rounds=context["rounds"],
        seconds=context["seconds"],
        workers=N_WORKERS,
        min=MIN_REQUESTS,
        warm=WARM_UP_SECONDS,
    ).splitlines()
    yield ""
    yield "What is left out:"
    yield ""
    yield from matrix.LEFT_OUT.splitlines()
    yield ""


METHOD = """\
- Every server is pinned to the same cores, the lower half of the machine's; wrk runs on the others.
  All servers of a model run at the same time and are asked in turns, {rounds} x {seconds} s for
  each cell; where answers are slow a run is longer, until each connection can have had three. A
  server is warmed up for {warm} s when it has started, and by the comparison of answers.
  A figure is the median over the rounds, ± is half of the distance between the slowest round and
  the fastest; "mlrace is" is the median of the ratios within a round.
- One row: 32 different requests in turns; 100 rows: 4; 10,000 rows: one. Before and after the runs
  of a cell all its requests are asked and the answers compared with those of MLflow with one
  worker, one row also by 16 clients at once. mlrace and MLflow must give the same to 1e-12 of its
  value, the others, which write float32 in their own ways, to 1e-5; a difference is named below the
  table. A row with another answer, any status but 200 or a failed connection is invalid.
- mlrace has as many threads (for models in Python: processes) as the servers have cores. MLflow
  runs with 1 worker and with {workers}; MLServer and LitServe with {workers} and adaptive batching
  of up to 64 requests within 5 ms. MLServer is asked by the V2 protocol, which it batches; the
  others get MLflow's JSON. LitServe runs the model by MLflow's pyfunc
  (bench/serving/litserve_app.py). nginx answers a constant and does not look at the request: the
  ceiling of the machine's network stack. LitServe, which takes a tenth of a core while nobody asks,
  is stopped (SIGSTOP) while others have their turn.
- CPU time is utime and stime of the server's process tree over the run, by request; MB is the
  resident memory of the tree after the cell, shared pages counted for each process. p99 is left out
  where a run had less than {min} requests.
- The environments are bench/envs/*.txt; XGBoost is installed without NVIDIA's NCCL. Environment
  variables that choose the kernels of OpenBLAS are not passed on."""


def write(store):
    """The page; 1 if mlrace gave an answer that was not MLflow's, or failed a request, else 0."""
    results, context, machine = Results(store), store.get("context"), store.get("machine")
    command = "make bench-full" if context["full"] else "make bench"
    versions = environments.versions("mlserver") | environments.versions("litserve")
    others = [f"{name} {versions[name]}" for name in ("mlserver", "litserve") if name in versions]
    drawn = figures.draw(results)
    text = [
        "# Benchmarks",
        "",
        "mlrace beside what else serves the models that MLflow saves, on one machine, in one run,",
        f"with all answers compared. Made by `{command}` on {machine['date']}; nothing here is",
        "written by hand. Other pages: [where the microseconds go](benchmarks-profile.md), [trees",
        "beside the libraries that they come from](benchmarks-engines.md).",
        "",
        *(f"- {line}" for line in machine["lines"]),
        "- " + "; ".join([*others, sizes.nginx_version()]),
        "",
        *weaknesses(results),
        *promises(results),
        "## At a glance",
        "",
        *(f"![{name}](benchmarks/{name}.svg)\n" for name in drawn),
        *model_tables(results),
        *files(results),
        *footprints(results),
        *method(context),
    ]
    PAGE.write_text("\n".join(text).rstrip() + "\n")
    print(f"bench: {PAGE.relative_to(ROOT)} is written", flush=True)
    return int(any(row.invalid for row in results.rows.values() if row.server in OURS))
