"""What operators see: /metrics read by Prometheus' own parser, the log's lines, Server-Timing."""

import json
import pathlib
import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROW = {"dataframe_records": [{"sepal length (cm)": 1, "sepal width (cm)": 2, "petal length (cm)": 3, "petal width (cm)": 4}]}
STAGES = ["read", "decode", "queue", "predict", "encode", "write"]


class Scrape:
    """Samples by name and labels; what Prometheus asks of the format is checked on the way."""

    def __init__(self, server):
        answer = server.request("GET", "/metrics")
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        self.samples, self.types = {}, {}
        for family in text_string_to_metric_families(answer.body.decode()):
            assert family.documentation and family.name not in self.types
            self.types[family.name] = family.type
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                assert key not in self.samples, key
                self.samples[key] = sample.value

    def get(self, name, **labels):
        return self.samples.get((name, tuple(sorted(labels.items()))))

    def check_histograms(self):
        names = [name for name, kind in self.types.items() if kind == "histogram"]
        assert names
        for name in names:
            series = {}
            for (sample, labels), value in self.samples.items():
                if sample == name + "_bucket":
                    labels = dict(labels)
                    bound = float(labels.pop("le"))
                    series.setdefault(tuple(sorted(labels.items())), []).append((bound, value))
            for labels, buckets in series.items():
                counts = [count for _, count in sorted(buckets)]
                assert counts == sorted(counts)
                assert sorted(buckets)[-1][0] == float("inf")
                assert counts[-1] == self.samples[(name + "_count", labels)]


def wait_for_count(server, count):
    """A response is counted a moment after the client has it."""
    limit = time.monotonic() + 10
    while (scrape := Scrape(server)).get("mlrace_requests_total", route="/invocations", status="200") != count:
        assert time.monotonic() < limit
    return scrape


def test_metrics_of_a_native_model(serve, iris_model):
    with serve(iris_model) as server:
        before = Scrape(server)
        assert before.get("mlrace_requests_total", route="/invocations", status="200") is None
        body = json.dumps({"dataframe_records": ROW["dataframe_records"] * 3})
        answers = [server.invoke(body) for _ in range(5)]
        server.invoke("{")
        server.request("GET", "/nowhere")
        scrape = wait_for_count(server, 5)
        assert scrape.get("mlrace_requests_total", route="/invocations", status="400") == 1
        assert scrape.get("mlrace_requests_total", route="other", status="404") == 1
        assert scrape.get("mlrace_rows_total") == 15
        assert scrape.get("mlrace_request_bytes_total") == 5 * len(body) + 1
        sent = sum(len(answer.body) for answer in answers)
        assert scrape.get("mlrace_response_bytes_total") > sent
        assert scrape.get("mlrace_requests_in_flight") == 0
        assert scrape.get("mlrace_model_ready") == 1
        assert 0 < scrape.get("mlrace_model_load_seconds") < 60
        assert scrape.get("process_resident_memory_bytes") > 1e6
        assert scrape.get("process_open_fds") > 3
        assert scrape.get("process_cpu_seconds_total") > 0
        assert scrape.get("mlrace_request_duration_seconds_count", route="/invocations") == 6
        assert 0 < scrape.get("mlrace_request_duration_seconds_sum", route="/invocations") < 60
        for stage in ("predict", "encode"):
            assert scrape.get("mlrace_request_stage_duration_seconds_count", stage=stage) >= 5
        assert scrape.get("mlrace_workers") is None
        infos = {name: labels for name, labels in scrape.samples if name.endswith("_info")}
        assert dict(infos["mlrace_build_info"])["mlflow_version"] == "3.17.2"
        assert dict(infos["mlrace_model_info"])["engine"] == "linear"
        scrape.check_histograms()


def test_what_is_documented_and_drawn_is_what_is_measured(serve, iris_model):
    """docs/metrics.md and deploy/grafana.json name the metrics that there are, and no others."""
    flags = ["-m", f"other={iris_model}", "--shadow", "other", "--engine", "python", "-w", "1"]
    with serve(f"main={iris_model}", *flags, "--enable-reload") as server:
        measured = {
            name + ("_total" if kind == "counter" else "_info" if kind == "info" else "")
            for name, kind in Scrape(server).types.items()
        }
    rows = re.findall(r"(?m)^\| (`.*?) \|", (ROOT / "docs/metrics.md").read_text())
    documented = set(re.findall(r"`(\w+)`", " ".join(rows))) | {"mlrace_shadow_requests_total"}
    assert documented == measured
    drawn = set(re.findall(r"(?:mlrace|process)_\w+", (ROOT / "deploy/grafana.json").read_text()))
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in drawn} <= measured


def test_metrics_of_workers(serve, iris_model):
    with serve(iris_model, "--engine", "python", "-w", "2") as server:
        for _ in range(3):
            assert server.invoke(json.dumps(ROW)).status == 200
        scrape = wait_for_count(server, 3)
        assert scrape.get("mlrace_workers") == scrape.get("mlrace_workers_alive") == 2
        assert scrape.get("mlrace_workers_resident_memory_bytes") > 2e7
        assert scrape.get("mlrace_batch_rows_count") == scrape.get("mlrace_batch_rows_sum") == 3
        assert scrape.get("mlrace_batch_requests_total") == 3
        assert scrape.get("mlrace_queue_requests") == scrape.get("mlrace_queue_rows") == 0
        assert scrape.get("mlrace_worker_restarts_total") == 0
        for stage in ("decode", "queue", "predict", "encode"):
            assert scrape.get("mlrace_request_stage_duration_seconds_count", stage=stage) == 3
        scrape.check_histograms()


@pytest.mark.parametrize("engine", ["native", "python"])
def test_server_timing(serve, iris_model, engine):
    with serve(iris_model, "--engine", engine, "--server-timing") as server:
        for body, status in ((json.dumps(ROW), 200), ("{", 400)):
            answer = server.invoke(body)
            assert answer.status == status
            parts = answer.headers["server-timing"].split(", ")
            stages = [re.fullmatch(r"([a-z]+);dur=\d+\.\d{3}", part)[1] for part in parts]
            assert stages == [stage for stage in STAGES if stage in stages]
            assert {"read", "encode"} <= set(stages)
            assert ({"decode", "predict"} <= set(stages)) == (status == 200)


def test_no_server_timing_unless_asked(iris_server):
    assert "server-timing" not in iris_server.invoke(json.dumps(ROW)).headers


def lines_of(server, count):
    """The access log, as soon as it has that many lines; they are written a moment later."""
    limit = time.monotonic() + 10
    while True:
        lines = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
        lines = [line for line in lines if line["message"] == "request"]
        if len(lines) >= count:
            assert len(lines) == count
            return lines
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.mark.parametrize("engine", ["native", "python"])
def test_lines_of_json(serve, iris_model, engine):
    secret = "s3cr3t"
    with serve(iris_model, "--engine", engine) as server:
        body = json.dumps(ROW)
        headers = {"Content-Type": "application/json", "X-Request-Id": "me-1", "Authorization": secret}
        answer = server.request("POST", "/invocations", body, headers)
        server.request("GET", "/ping")
        server.request("GET", "/metrics")
        server.request("POST", "/invocations", json.dumps({"inputs": secret}), headers)
        server.request("GET", '/odd"path\\?' + secret)
        # Several threads write: a response is there before its line is.
        good, bad, odd = sorted(lines_of(server, 3), key=lambda line: line["status"])
        assert (good["id"], good["method"], good["path"], good["status"]) == ("me-1", "POST", "/invocations", 200)
        assert (good["rows"], good["request_bytes"], good["response_bytes"]) == (1, len(body), len(answer.body))
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", good["time"])
        times = {name[:-3]: value for name, value in good.items() if name.endswith("_ms")}
        total = times.pop("duration")
        assert [stage for stage in STAGES if stage in times] == list(times)
        assert {"decode", "predict"} <= set(times) and ("queue" in times) == (engine == "python")
        assert 0 < sum(times.values()) <= total + 0.01
        assert bad["status"] == 400 and "predict_ms" not in bad
        assert (odd["path"], odd["status"]) == ('/odd"path\\', 404)
        assert answer.headers["x-request-id"] == "me-1"
    assert secret not in server.log()


def test_lines_for_people(serve, iris_model):
    with serve(iris_model, "--log-format", "text") as server:
        answer = server.invoke(json.dumps(ROW))
        expected = re.compile(
            r"^mlrace: POST /invocations 200 \d+\.\d{3} ms, rows 1, bytes \d+ in, 20 out, id "
            + answer.headers["x-request-id"] + "$", re.M)
        limit = time.monotonic() + 10
        while not expected.search(server.log()):
            assert time.monotonic() < limit, server.log()
            time.sleep(0.02)


def test_no_access_log(serve, iris_model):
    with serve(iris_model, "--no-access-log") as server:
        assert server.invoke(json.dumps(ROW)).status == 200
    assert "/invocations" not in server.log()


def test_all_lines_are_there_at_the_end(serve, iris_model):
    with serve(iris_model) as server:
        link = server.connect()
        for _ in range(300):
            server.invoke(json.dumps(ROW), connection=link)
        link.close()
    assert server.log().count('"path": "/invocations"') == 300
