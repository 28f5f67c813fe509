"""What a hostile or huge body may not do: crash the program, cost a 5xx, or eat its memory."""

import json
import random
import re
import shutil
import time

import pytest

N_MUTATIONS = 10_000
MAX_RSS_PER_BODY_BYTE = 12
JSON = "application/json"
FLOATS, DIGITS = b"[5.1,3.5,1.4,0.2],", b"[5,3,1,0],"
COLUMNS = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
ROWS = [[5.1, 3.5, 1.4, 0.2], [7, 3.2, 4.7, 1.4], [6.3, 3.3, 6.0, 2.5]]
RECORDS = [dict(zip(COLUMNS, row)) for row in ROWS]
JSON_BODIES = [
    {"dataframe_split": {"columns": COLUMNS, "index": [0, 1, 2], "data": ROWS}},
    {"dataframe_records": RECORDS},
    {"inputs": {name: [row[name] for row in RECORDS] for name in COLUMNS}, "params": {"a": [1]}},
    {"instances": RECORDS},
    RECORDS,
]
CSV_BODY = ",".join(COLUMNS) + '\n5.1,3.5,"1.4",0.2\r\n7,3.2,4.7,NA\n'
SEEDS = [(json.dumps(body).encode(), JSON) for body in JSON_BODIES]
SEEDS.append((CSV_BODY.encode(), "text/csv"))
# Pieces that parsers stumble over.
TOKENS = [
    b"null", b"true", b"NaN", b"-Infinity", b"1e400", b"-0", b"9223372036854775808", b"0x1F",
    b'"', b"\\u0000", b"\\ud800", b"\\", b"{", b"}", b"[", b"]", b",", b":", b"[[[[[[[[", b"\n",
    b"\r", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", "é".encode(), b'""', b"\t",
    b'"inputs":', b'"dataframe_split":', b'"params":{"x":', b"2020-01-01T00:00:00Z", b"1" * 400,
]  # fmt: skip


VALUES = [
    None, True, False, 0, -1, 2.5, 1e308, 2**31, 2**63, -(2**70), "", "7", "abc", "NaN", "\0", [], {},
    [[]], [1, "a"], {"a": 1}, {"": None}, float("nan"), "2020-01-01", [[1.0, 2.0, 3.0, 4.0]],
]  # fmt: skip


def mutate(chance, body, content_type):
    """A body with one to four random edits: of its bytes or, where it is JSON, of its values."""
    if content_type == JSON and chance.random() < 0.5:
        value = json.loads(body)
        for _ in range(chance.randint(1, 4)):
            value = mutate_value(chance, value)
        return json.dumps(value, ensure_ascii=chance.random() < 0.5).encode()
    body = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        mutate_bytes(chance, body)
    return bytes(body)


def mutate_value(chance, value):
    """The value, or something in it, replaced, removed, doubled or moved."""
    if not isinstance(value, (dict, list)) or not value or chance.random() < 0.1:
        return chance.choice(VALUES)
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    at = chance.randrange(len(items))
    key, item = items[at]
    kind = chance.randrange(8)
    if kind == 0:
        del items[at]
    elif kind == 1:
        items.insert(chance.randrange(len(items)), (f"{key}", item))
    elif kind == 2:
        chance.shuffle(items)
    else:
        items[at] = (key, mutate_value(chance, item))
    return dict(items) if isinstance(value, dict) else [item for _, item in items]


def mutate_bytes(chance, body):
    """Bytes flipped, cut, doubled or taken from another body, or a piece of TOKENS put in."""
    at = chance.randrange(len(body) + 1)
    size = min(chance.choice([1, 1, 2, 5, 20, 100]), len(body) - at)
    kind = chance.randrange(6)
    if kind == 0:
        body[at:at] = chance.choice(TOKENS)
    elif kind == 1:
        body[at : at + size] = chance.choice(TOKENS)
    elif kind == 2:
        del body[at : at + size]
    elif kind == 3:
        body[at:at] = body[at : at + size]
    elif kind == 4 and size:
        body[at] ^= 1 << chance.randrange(8)
    else:
        other, _ = chance.choice(SEEDS)
        start = chance.randrange(len(other))
        body[at:at] = other[start : start + size]


def test_mutated_bodies_never_crash_it_and_are_never_its_fault(iris_server):
    chance = random.Random(20250520)
    connection = iris_server.connect()
    statuses = {}
    for number in range(N_MUTATIONS):
        body, content_type = chance.choice(SEEDS)
        body = mutate(chance, body, content_type)
        try:
            answer = iris_server.invoke(body, content_type, connection)
        except OSError as error:
            pytest.fail(f"mutation {number}: {error!r} on {content_type} {body!r}")
        assert answer.status in (200, 400), f"{answer.status} {answer.body} on {body!r}"
        assert answer.media_type == JSON
        reply = answer.json()
        assert ("predictions" in reply) == (answer.status == 200), reply
        assert ("error_code" in reply) == (answer.status == 400), reply
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
    connection.close()
    assert min(statuses.values()) > N_MUTATIONS / 20, f"one-sided mutations: {statuses}"


def test_nesting_deeper_than_any_stack(iris_server):
    for opening in (b"[", b'{"inputs":', b'{"a":['):
        answer = iris_server.invoke(opening * 200_000)
        assert (answer.status, answer.media_type) == (400, JSON)


def big_body(n_bytes, shape="split"):
    """A body of about n_bytes: its bytes, its type and its number of rows."""
    names = json.dumps(COLUMNS).encode()
    record = json.dumps(dict(zip(COLUMNS, ROWS[0]))).encode() + b","
    csv_names = ",".join(COLUMNS).encode()
    head, row, tail, content_type = {
        "split": (b'{"dataframe_split":{"columns":' + names + b',"data":[', FLOATS, b"]}}", JSON),
        "digits": (b'{"dataframe_split":{"columns":' + names + b',"data":[', DIGITS, b"]}}", JSON),
        "records": (b'{"dataframe_records":[', record, b"]}", JSON),
        "inputs": (b'{"inputs":[', record, b"]}", JSON),
        "csv": (csv_names + b"\n", b"5.1,3.5,1.4,0.2\n", b"\n", "text/csv"),
    }[shape]
    n_rows = n_bytes // len(row)
    return head + (row * n_rows)[:-1] + tail, content_type, n_rows


@pytest.mark.parametrize("shape", ["split", "digits", "records", "inputs", "csv"])
@pytest.mark.parametrize(
    "megabytes", [10, pytest.param(100, marks=pytest.mark.large)], ids=["10MB", "100MB"]
)
def test_memory_for_a_large_body_is_bounded(serve, iris_model, is_sanitized, megabytes, shape):
    body, content_type, n_rows = big_body(megabytes * 1_000_000, shape)
    with serve(iris_model, "--max-body", f"{megabytes}M") as server:
        before = server.peak_rss_bytes()
        connection = server.connect(timeout=120)
        answer = server.invoke(body, content_type, connection)
        connection.close()
        assert (answer.status, answer.body[:17]) == (200, b'{"predictions": [')
        assert len(answer.json()["predictions"]) == n_rows
        ratio = (server.peak_rss_bytes() - before) / len(body)
        print(f"{len(body)} bytes of body, peak memory {ratio:.1f} times that")
        if not is_sanitized:
            assert ratio <= MAX_RSS_PER_BODY_BYTE
        limit = megabytes * 1024 * 1024
        answer = server.invoke(body + b" " * (limit - len(body) + 1), content_type)
        assert answer.status == 413
        assert str(limit) in answer.json()["message"]


def test_memory_is_given_back_between_requests(serve, iris_model, is_sanitized):
    """Many large requests one after the other cost no more than one."""
    body, _, _ = big_body(2_000_000)
    with serve(iris_model, "-w", "1") as server:
        server.invoke(body)
        first = server.peak_rss_bytes()
        for _ in range(20):
            server.invoke(body)
        if not is_sanitized:
            assert server.peak_rss_bytes() < first * 1.5


def wide(n):
    """The JSON text of n pairs "k0":1, ..."""
    return ",".join(f'"k{i}":1' for i in range(n))


GREEDY = {
    "one long record, many empty": '{"dataframe_records":[{%s}%s]}' % (wide(20_000), ",{}" * 10**6),
    "one long row, many empty": '{"dataframe_split":{"data":[[0%s]%s]}}' % (",0" * 10**5, ",[]" * 2000),
    "a key over and over": '{"dataframe_records":[{%s}]}' % ",".join(['"a":1'] * 10**5),
    "an input over and over": '{"inputs":[{%s}]}' % ",".join(['"a":[1,[2]]'] * 10**5),
    "columns of one name": '{"dataframe_split":{"columns":["a"%s],"data":[]}}' % (',"a"' * 10**5),
    "a dict of many inputs": '{"inputs":{%s}}' % wide(10**5),
    "many params": '{"inputs":[[1,2,3,4]],"params":{%s}}' % wide(10**5),
}  # fmt: skip


@pytest.mark.parametrize("has_signature", [True, False])
def test_a_small_body_cannot_ask_for_much(
    serve, iris_model, is_sanitized, tmp_path, has_signature
):
    """Neither time nor memory grows with the product of what a body names."""
    model = shutil.copytree(iris_model, tmp_path / "model")
    if not has_signature:
        text = (model / "MLmodel").read_text()
        (model / "MLmodel").write_text(re.sub(r"(?m)^signature:\n(?:  .*\n)+", "", text))
    with serve(model, "-w", "1") as server:
        for name, body in GREEDY.items():
            start = time.monotonic()
            answer = server.invoke(body)
            seconds = time.monotonic() - start
            assert answer.status in (200, 400, 413), f"{name}: {answer.status}"
            assert seconds < 10, f"{name}: {seconds:.1f} s for {len(body)} bytes"
        if not is_sanitized:
            assert server.peak_rss_bytes() < 700_000_000
