"""What was promised of mlrace, and what was measured."""

import statistics

CONNECTIONS = (1, 16, 64, 512)


def at(results, n, text, sign, bound, *arguments, **options):
    """A promise for one number of connections, if that was measured."""
    value = results.times(*arguments, **options)
    return [] if value is None else [(f"{text}, {connections(n)}", sign, bound, value)]


def connections(n):
    return "1 connection" if n == 1 else f"{n} connections"


def flatness(results, model, server="mlrace"):
    """The slowest of 16 and more connections beside the fastest."""
    rows = [results.get(server, model, connections=n) for n in CONNECTIONS[1:]]
    rates = [row.value("rate") for row in rows if row]
    if len(rates) < 2:
        return []
    text = f"requests/s of {model} at its slowest, from 16 connections on, of its fastest"
    return [(text, ">=", 0.85, min(rates) / max(rates))]


def start_and_memory(results):
    facts = results.facts.get("iris", {}).get("mlrace", {})
    row = results.get("mlrace", "iris")
    if facts.get("starts"):
        milliseconds = statistics.median(facts["starts"]) * 1000
        yield "ms from exec to the first answer, iris", "<=", 30, milliseconds
    if row:
        yield "MB resident after load, iris", "<=", 20, row.data["rss_mb"]


def measured(results):
    """(what, sign, bound, value) of each promise that the results can answer."""
    promises = []
    for n in CONNECTIONS:
        promises += at(results, n, "x nginx with a constant, iris", ">=", 0.8, "iris", n, "nginx")
    promises += start_and_memory(results)
    for n in (1, 16):
        promises += at(results, n, "x MLflow, custom pyfunc", ">=", 10, "pyfunc", n, "mlflow")
    promises += at(
        results, 16, "of MLflow's p99, custom pyfunc", "<=", 0.1, "pyfunc", 16, "mlflow", key="p99"
    )
    promises += at(
        results, 64, "x MLflow, custom pyfunc with --batch", ">=", 60,
        "pyfunc", 64, "mlflow", ours="mlrace-batch",
    )  # fmt: skip
    for n in CONNECTIONS:
        promises += at(results, n, "x MLflow, XGBoost", ">=", 300, "xgboost", n, "mlflow")
    for n in CONNECTIONS:
        promises += at(results, n, "x MLServer, XGBoost", ">=", 60, "xgboost", n, "mlserver")
    for other, name, bound in (("mlflow", "MLflow", 300), ("mlserver", "MLServer", 60)):
        text = f"of {name}'s p99, XGBoost"
        promises += at(results, 16, text, "<=", 1 / bound, "xgboost", 16, other, key="p99")
    for model, server in (("iris", "mlrace"), ("xgboost", "mlrace"), ("pyfunc", "mlrace-batch")):
        promises += flatness(results, model, server)
    return promises


def holds(sign, bound, value):
    return value >= bound if sign == ">=" else value <= bound
