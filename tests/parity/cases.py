"""Requests for a model: valid ones in every format, and all that one gets wrong in them.

`requests_for(model)` yields Requests. Where mlrace differs from MLflow on purpose, `instead` holds
the request whose answer from MLflow is the right one, and `why` says so; docs/differences.md lists
the same.
"""

import dataclasses
import json

JSON, CSV = "application/json", "text/csv"

# JSON texts that stand in for one cell.
CELLS = [
    "null", "true", "false", "0", "1", "-1", "2", "7.0", "2.7", "-0.0", "1e2", "1E-2", "1e400",
    "NaN", "-Infinity", "2147483647", "2147483648", "-2147483649", "16777217", "3.4e38", "3.5e38",
    "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809",
    "18446744073709551615", "123456789012345678901234567890", "0.1", "1.7976931348623157e308",
    '""', '"12"', '" 12 "', '"1.5"', '"1e1"', '"nan"', '"inf"', '"true"', '"False"', '"abc"',
    '"1_000"', '"0x10"', '"é"', "[]", "[1]", "[1, 2]", "{}", '{"a": 1}',
]  # fmt: skip

# Texts that stand in for one cell of a CSV row.
CSV_CELLS = [
    "", "0", "1", "-1", "2.7", "7.0", "1e1", "1e400", "+5", " 5", "5 ", "nan", "NaN", "NA", "N/A",
    "null", "None", "NULL", "<NA>", "inf", "-inf", "Infinity", "true", "TRUE", "True", "False",
    "yes", "abc", "1_000", "0x10", '"5"', '"5.5"', '"a,b"', '""""', "2147483648",
    "9223372036854775807", "9223372036854775808", "1.", ".5", "1e", "--1", "5;6", "é",
    "0.1000000000000000055511151231257827",
]  # fmt: skip


@dataclasses.dataclass
class Request:
    name: str
    body: bytes
    content_type: str = JSON
    instead: "Request" = None
    why: str = ""
    status: str = ""  # "4xx" where MLflow has no answer to compare with
    refused: str = ""  # what our 400 may say where C cannot type the request (docs/differences.md)

    def __post_init__(self):
        if isinstance(self.body, str):
            self.body = self.body.encode("utf-8", "surrogatepass")


def requests_for(model):
    names = model.columns or [str(i) for i in range(len(model.rows[0]))]
    yield from formats(names, model.rows)
    if model.is_repeat:
        return
    yield from cells(model, names)
    yield from shapes(names, model.rows)
    yield from broken_json(names, model.rows)
    yield from params(names, model.rows)
    yield from csv_files(names, model.rows)
    yield from content_types(names, model.rows)
    if model.has_signature and isinstance((model.columns or [0])[0], str):
        yield headerless_csv(names, model.rows)


def split(names, rows, **more):
    return json.dumps({"dataframe_split": {"columns": names, "data": rows, **more}})


def records(names, rows):
    return [dict(zip(names, row)) for row in rows]


def by_column(names, rows):
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def csv_text(names, rows, end="\n"):
    lines = [",".join(map(str, names)), *(",".join(map(str, row)) for row in rows)]
    return end.join(lines) + end


def formats(names, rows):
    yield Request("split", split(names, rows))
    yield Request("split-one-row", split(names, rows[:1]))
    yield Request("records", json.dumps({"dataframe_records": records(names, rows)}))
    for key in ("inputs", "instances"):
        for shape, value in {
            "rows": rows,
            "row": rows[0],
            "scalar": rows[0][0],
            "records": records(names, rows),
            "record": records(names, rows)[0],
            "columns": by_column(names, rows),
            "columns-2d": {name: [[row[i]] for row in rows] for i, name in enumerate(names)},
            "column-rows": [[row[0]] for row in rows],
            "3d": [rows],
            "texts": [[str(cell) for cell in row] for row in rows],
            "empty": [],
            "empty-row": [[]],
            "empty-object": {},
            "null": None,
            "text": "a",
            "true": True,
        }.items():
            yield Request(f"{key}-{shape}", json.dumps({key: value}))
    yield Request(
        "bare-list",
        json.dumps(records(names, rows)),
        instead=Request("", json.dumps({"dataframe_records": records(names, rows)})),
        why="the documentation shows a bare list of records",
    )


def cells(model, names):
    """Each odd cell in the first column; in each column where these differ in type."""
    for at in range(len(names)) if model.is_mixed else [0]:
        for number, cell in enumerate(CELLS):
            row = json.dumps([*model.rows[0][:at], "CELL", *model.rows[0][at + 1 :]])
            rows = f"[{json.dumps(model.rows[0])}, {row}]".replace('"CELL"', cell)
            columns = json.dumps(names)
            name = f"{names[at]}-{number}-{cell}"
            yield Request(f"split-{name}", f'{{"dataframe_split": {{"columns": {columns}, "data": {rows}}}}}')
            record = json.dumps(dict(zip(names, [*model.rows[0][:at], "CELL", *model.rows[0][at + 1 :]])))
            record = record.replace('"CELL"', cell)
            yield Request(f"records-{name}", f'{{"dataframe_records": [{record}]}}')
            yield Request(f"inputs-{name}", f'{{"inputs": {rows}}}')
            yield Request(f"inputs-records-{name}", f'{{"inputs": [{record}]}}')
        for number, cell in enumerate(CSV_CELLS):
            row = [*model.rows[0][:at], cell, *model.rows[0][at + 1 :]]
            name = f"csv-{names[at]}-{number}-{cell}"
            yield Request(name, csv_text(names, [model.rows[0], row]), CSV)


def shapes(names, rows):
    """Missing, additional, moved and doubled columns and rows."""
    wide = [[*row, 9] for row in rows]
    short = [row[:-1] for row in rows]
    yield Request("split-no-columns", json.dumps({"dataframe_split": {"data": rows}}))
    yield Request("split-no-data", json.dumps({"dataframe_split": {"columns": names}}))
    yield Request("split-null", json.dumps({"dataframe_split": None}))
    yield Request("split-list", json.dumps({"dataframe_split": rows}))
    yield Request("split-empty", json.dumps({"dataframe_split": {}}))
    yield Request("split-index", split(names, rows, index=list(range(5, 5 + len(rows)))))
    yield Request("split-text-index", split(names, rows, index=[f"r{i}" for i in range(len(rows))]))
    yield Request("split-short-index", split(names, rows, index=[0]))
    yield Request("split-long-index", split(names, rows, index=list(range(9))))
    yield Request("split-odd-key", split(names, rows, extra=1))
    yield Request("split-extra-column", split([*names, "extra"], wide))
    yield Request("split-missing-column", split(names[:-1], short))
    yield Request("split-moved-columns", split(names[::-1], [row[::-1] for row in rows]))
    yield Request(
        "split-doubled-column", split([*names, names[0]], wide), refused="columns that share a name"
    )
    yield Request("split-wide-rows", split(names, wide))
    yield Request("split-short-rows", split(names, short))
    yield Request("split-ragged-rows", split(names, [rows[0], short[0]]))
    yield Request("split-ragged-rows-wide", split(names, [rows[0], wide[0]]))
    yield Request("split-flat-data", split(names, rows[0]))
    yield Request("split-scalar-data", split(names, 5))
    yield Request("split-text-data", split(names, "abc"))
    yield Request("split-null-row", split(names, [rows[0], None]))
    yield Request("split-no-rows", split(names, []))
    yield Request("split-object-rows", split(names, records(names, rows)))
    yield Request("split-number-names", split(list(range(len(names))), rows))
    yield Request(
        "split-null-name", split([None, *names[1:]], rows), refused="labels that are neither"
    )
    yield Request("split-text-columns", split("ab", rows))
    for name, value in {
        "extra-key": records([*names, "extra"], wide),
        "missing-key": records(names[:-1], short),
        "missing-in-one": [records(names, rows)[0], records(names[:-1], short)[0]],
        "moved-keys": records(names[::-1], [row[::-1] for row in rows]),
        "empty": [],
        "of-empty": [{}],
        "object": records(names, rows)[0],
        "of-columns": by_column(names, rows),
        "rows": rows,
        "null": None,
        "of-null": [None],
        "number": 5,
    }.items():
        yield Request(f"records-{name}", json.dumps({"dataframe_records": value}))
        yield Request(f"inputs-records-{name}", json.dumps({"inputs": value}))
    yield Request("inputs-ragged", json.dumps({"inputs": [rows[0], short[0]]}))
    yield Request("inputs-wide", json.dumps({"inputs": wide}))
    yield Request("inputs-short", json.dumps({"inputs": short}))
    uneven = by_column(names, rows)
    uneven[names[0]] = uneven[names[0]][:-1]
    yield Request("inputs-uneven-columns", json.dumps({"inputs": uneven}))
    yield Request("inputs-moved-columns", json.dumps({"inputs": by_column(names[::-1], [row[::-1] for row in rows])}))


def broken_json(names, rows):
    """Syntax, encodings and top levels."""
    valid = split(names, rows)
    yield Request("empty-body", "")
    yield Request("blank-body", "  \n")
    yield Request("cut-body", valid[:-1])
    yield Request("garbage-after", valid + " x")
    yield Request("space-around", "\r\n\t " + valid + "\n")
    yield Request("trailing-comma", valid[:-1] + ",}")
    yield Request("single-quotes", valid.replace('"', "'"))
    yield Request("comment", "// a\n" + valid)
    yield Request("leading-zero", '{"inputs": [[01]]}')
    yield Request("plus-sign", '{"inputs": [[+1]]}')
    yield Request("bare-point", '{"inputs": [[.5]]}')
    yield Request("control-character", '{"inputs": "a\nb"}')
    yield Request("lone-surrogate", '{"inputs": ["\\ud800"]}')
    yield Request("bom", b"\xef\xbb\xbf" + valid.encode())
    yield Request("utf-16", valid.encode("utf-16"))
    yield Request("utf-16-le", valid.encode("utf-16-le"))
    yield Request("utf-32", valid.encode("utf-32"))
    yield Request("nul-bytes", b"\0\0\0\0")
    yield Request("broken-utf-8", b'{"inputs": "\xff"}')
    yield Request("cut-utf-8", b'{"inputs": "\xc3')
    for top in ("null", "5", '"text"', "true", "[]", "[1]", "{}", "NaN"):
        yield Request(f"top-level-{top}", top)
    yield Request("unknown-key", json.dumps({"rows": rows}))
    yield Request("unknown-key-too", json.dumps({"note": 1, **json.loads(valid)}))
    yield Request("two-formats", json.dumps({"inputs": rows, **json.loads(valid)}))
    yield Request("doubled-key", '{"dataframe_split": 5, ' + valid[1:])
    for key in ("messages", "prompt", "input"):
        yield Request(f"llm-{key}", json.dumps({key: "hello"}))
        yield Request(f"llm-{key}-columns", json.dumps({key: "hello", **by_column(names, rows)}))
        yield Request(f"llm-{key}-record", json.dumps({**records(names, rows)[0], key: ["hello"]}))
        yield Request(f"llm-{key}-ints", json.dumps({key: None, **{n: [0, 1] for n in names}}))
        yield Request(f"llm-{key}-format", split(names, rows)[:-1] + f', "{key}": []}}')
        yield Request(f"llm-{key}-param", json.dumps({key: "hello", "top_k": "all"}))
    yield Request("nested-deep", "[" * 500 + "]" * 500)


def params(names, rows):
    """Params beside a valid table; most models have none in their signature."""
    for number, text in enumerate([
        "{}", "null", "[]", "5", '"a"', '{"temperature": 0.25}', '{"temperature": 1}',
        '{"temperature": true}', '{"temperature": "0.5"}', '{"temperature": null}',
        '{"temperature": NaN}', '{"temperature": [0.5]}', '{"top_k": 4}', '{"top_k": 4.0}',
        '{"top_k": 4.5}', '{"top_k": true}', '{"top_k": "4"}', '{"top_k": 9223372036854775808}',
        '{"seed": 2147483648}', '{"seed": 5}', '{"is_greedy": true}', '{"is_greedy": 1}',
        '{"is_greedy": "true"}', '{"suffix": "!"}', '{"suffix": 5}', '{"suffix": null}',
        '{"stops": ["a", "b"]}', '{"stops": []}', '{"stops": "a"}', '{"stops": [1]}',
        '{"stops": null}', '{"stops": [["a"]]}', '{"stops": [null]}', '{"weights": [1, 2.5]}',
        '{"weights": [true]}', '{"weights": ["1"]}', '{"unknown": 1}', '{"": {}}',
    ]):  # fmt: skip
        yield Request(f"params-{number}-{text}", split(names, rows)[:-1] + f', "params": {text}}}')


def csv_files(names, rows):
    names = list(map(str, names))
    valid, header = csv_text(names, rows), ",".join(names)
    row = ",".join(map(str, rows[0]))
    for name, text in {
        "plain": valid,
        "crlf": csv_text(names, rows, "\r\n"),
        "cr": csv_text(names, rows, "\r"),
        "no-final-newline": valid[:-1],
        "bom": "\ufeff" + valid,
        "quoted-header": ",".join(f'"{name}"' for name in names) + f"\n{row}\n",
        "spaces-in-header": ", ".join(names) + f"\n{row}\n",
        "blank-lines": f"\n\n{header}\n\n{row}\n\n",
        "line-of-spaces": f"{header}\n   \n{row}\n",
        "header-only": header + "\n",
        "empty": "",
        "newline": "\n",
        "extra-column": csv_text([*names, "extra"], [[*row, "x"] for row in rows]),
        "missing-column": csv_text(names[:-1], [row[:-1] for row in rows]),
        "moved-columns": csv_text(names[::-1], [row[::-1] for row in rows]),
        "doubled-column": csv_text([*names, names[0]], [[*row, 9] for row in rows]),
        "index-column": header + "".join(f"\n{i},{row}" for i in range(2)) + "\n",
        "one-row-too-long": f"{header}\n{row}\n{row},9\n",
        "first-row-too-long": f"{header}\n{row},9\n{row}\n",
        "row-too-short": f"{header}\n{row.rsplit(',', 1)[0]}\n",
        "trailing-commas": f"{header},\n{row},\n",
        "unclosed-quote": f'{header}\n"{row}\n',
        "semicolons": valid.replace(",", ";"),
        "comment": f"# about\n{valid}",
        "nul": valid.replace("\n", "\0\n"),
        "json": json.dumps({"inputs": rows}),
    }.items():
        yield Request(f"csv-{name}", text, CSV)


def headerless_csv(names, rows):
    whole = csv_text(names, rows)
    body = whole.split("\n", 1)[1]
    return Request("csv-headerless", body, CSV, Request("", whole, CSV), "as documented")


def content_types(names, rows):
    valid, table = split(names, rows), csv_text(names, rows)
    for name in (
        "application/json; charset=utf-8", "application/json;charset=UTF-8",
        "application/json; charset=latin-1", "application/json; version=1", "text/plain",
        "application/x-www-form-urlencoded", "application/jsonl", "json", " application/json",
    ):  # fmt: skip
        yield Request(f"type-{name}", valid, name)
    plain = Request("", valid, JSON)
    for name in ("application/json;", "Application/JSON", "application/json; charset=utf8", "application/json; Charset=UTF-8"):
        yield Request(f"type-{name}", valid, name, plain, "media types by RFC 9110, as documented")
    yield Request("type-text/csv; charset=utf-8", table, "text/csv; charset=utf-8")
    plain = Request("", table, CSV)
    yield Request("type-application/csv", table, "application/csv", plain, "as documented")
    yield Request("type-none", valid, None, status="4xx", why="MLflow answers 500")
    yield Request("type-empty", valid, "", status="4xx", why="no media type")
    yield Request("csv-broken-utf-8", b"\xff\xfe\xfa\n1\n", CSV)
    yield Request("json-as-csv", valid, CSV)
    yield Request("csv-as-json", table, JSON)
