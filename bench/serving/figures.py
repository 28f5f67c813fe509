"""The charts of the page, in docs/benchmarks."""

import statistics

from measure import ROOT, median
from serving import batch, charts, matrix, sizes
from serving.models import MODELS, TITLES
from serving.servers import SERVERS

FOLDER = ROOT / "docs/benchmarks"
CHARTS = ("throughput", "latency", "cpu", "connections", "footprint", "files")
COLOURS = {
    "mlrace": "#d6336c",
    "mlrace --batch": "#f28fb1",
    "MLServer": "#2f9e77",
    "LitServe": "#7b61c9",
    SERVERS["mlflow-n"].label: "#7ab3e8",
    "MLflow, 1 worker": "#2374c6",
    "nginx, a constant": "#b3bcc5",
}
FILE_COLOURS = {
    label: colour
    for (label, *_), colour in zip(
        map(batch.CONTENDERS.get, ("mlrace", "script", "mlflow", "spark")),
        ("#d6336c", "#2f9e77", "#2374c6", "#7b61c9"),
    )
}


def by_model(results, value):
    """Groups of bars: each model asked for one row over 16 connections."""
    groups = []
    for model in results.models:
        rows = (results.get(name, model) for name in SERVERS)
        found = {row.label: value(row) for row in rows if row and value(row)}
        if found:
            groups.append((TITLES[model], MODELS[model][1], found))
    return groups


def by_connections(results):
    panels = []
    for model in results.models:
        series = {}
        for name, server in SERVERS.items():
            rows = {n: results.get(name, model, connections=n) for n in matrix.CONNECTIONS}
            rates = {n: row.value("rate") for n, row in rows.items() if row}
            if rates:
                series[server.label] = rates
        if max(map(len, series.values()), default=0) > 2:
            panels.append((TITLES[model], series))
    return panels


def footprint_groups(results):
    """Bars of iris by server: seconds to the first answer, megabytes."""
    facts = results.facts.get("iris", {})
    rows = {name: results.get(name, "iris") for name in SERVERS}
    starts = {
        SERVERS[name].label: statistics.median(one["starts"])
        for name, one in facts.items()
        if one.get("starts")
    }
    memory = {row.label: row.data["rss_mb"] for row in rows.values() if row}
    installed = {
        SERVERS[name].label: sizes.installed_mb(name)
        for name, row in rows.items()
        if row and sizes.installed_mb(name)
    }
    return starts, memory, installed


def draw(results):
    """Writes the charts; their file names and what each shows."""
    one_row = "one row a request, 16 connections, the same core; logarithmic scale"
    drawn = {}
    if groups := by_model(results, lambda row: row.value("rate")):
        drawn["throughput"] = charts.bars("Requests a second", one_row, groups, COLOURS)
    if groups := by_model(results, lambda row: row.p99() and row.p99() / 1000):
        drawn["latency"] = charts.bars(
            "p99 of the latency", f"{one_row}; shorter is better", groups, COLOURS, " ms"
        )
    if groups := by_model(results, lambda row: row.cpu_us()):
        drawn["cpu"] = charts.bars(
            "Processor time of a request, user and kernel", f"{one_row}; shorter is better",
            groups, COLOURS, " us",
        )  # fmt: skip
    if panels := by_connections(results):
        drawn["connections"] = charts.lines(
            "Requests a second by connections",
            "one row a request, by the number of connections; logarithmic scale",
            panels,
            COLOURS,
        )
    starts, memory, installed = footprint_groups(results)
    if starts and memory:
        groups = [
            ("Start", "seconds to the first answer", starts),
            ("Memory", "MB resident after load", memory),
            ("Installed", "MB", installed),
        ]
        drawn["footprint"] = charts.bars(
            "What a server takes",
            "logistic regression; logarithmic scale, shorter is better",
            groups,
            COLOURS,
        )
    groups = [
        (
            TITLES[model],
            f"{next(iter(contenders.values()))['n_rows']:,} rows",
            {
                batch.CONTENDERS[name][0]: median(one["runs"], "seconds")
                for name, one in contenders.items()
                if "invalid" not in one
            },
        )
        for model, contenders in results.files.items()
        if contenders
    ]
    if groups:
        drawn["files"] = charts.bars(
            "Scoring a CSV file",
            "seconds, all cores; logarithmic scale, shorter is better",
            groups,
            FILE_COLOURS,
            " s",
        )
    FOLDER.mkdir(exist_ok=True)
    for name in CHARTS:
        (FOLDER / f"{name}.svg").unlink(missing_ok=True)
    for name, text in drawn.items():
        (FOLDER / f"{name}.svg").write_text(text)
    return list(drawn)
