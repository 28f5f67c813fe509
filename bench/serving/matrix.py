"""What is measured: the cells of the matrix, and what of it is left out.

A cell is one model asked in one way: rows a request x format x connections; each server that can
takes part. All of models x 1/100/10,000 rows x split/records/CSV x 1/16/64/512 connections would be
324 cells and a day; LEFT_OUT says what is not measured and why.
"""

import dataclasses

from serving.models import MODELS
from serving.servers import SERVERS

ALL_MODELS = list(MODELS)

ROWS, FORMATS, CONNECTIONS = (1, 100, 10_000), ("split", "records", "csv"), (1, 16, 64, 512)
LEFT_OUT = """\
- The number of connections varies for one row of the logistic regression, of XGBoost and of the
  custom pyfunc; the other models are asked over 1 and 16. Requests of 100 rows go over 16
  connections, of 10,000 rows over one: more of them measure the memory of the clients.
- Records and CSV are measured for the logistic regression, XGBoost and the pipeline, with MLflow
  and mlrace: the others read neither.
- MLflow with several workers takes part from 16 connections on: one connection uses one worker.
- mlrace with --batch takes part from 16 connections on, for the custom pyfunc.
- nginx takes part where one row is asked of the logistic regression and XGBoost."""


@dataclasses.dataclass(frozen=True)
class Cell:
    model: str
    rows: int
    format: str
    connections: int

    @property
    def name(self):
        return f"{self.model}-{self.rows}-{self.format}-{self.connections}"

    def servers(self):
        """The servers that take part, MLflow first."""
        return [server for server in SERVERS.values() if self.has(server)]

    def has(self, server):
        if self.format not in server.formats:
            return False
        if server.name == "nginx":
            return self.rows == 1 and self.model in ("iris", "xgboost")
        if server.name == "mlflow-n":
            return self.format == "split" and self.connections > 1
        if server.name == "mlrace-batch":
            return self.model == "pyfunc" and self.connections > 1
        return True


def cells(model, shape):
    """Cells of a model: shape is pairs of (rows, format) and connections."""
    return [
        Cell(model, rows, format_, connections)
        for rows, format_, several in shape
        for connections in several
    ]


ONE_ROW = [(1, "split", (1, 16))]
ALL_CONNECTIONS = [(1, "split", CONNECTIONS)]
MORE_ROWS = [(100, "split", (16,)), (10_000, "split", (1,))]
OTHER_FORMATS = [(rows, format_, (16,)) for format_ in ("records", "csv") for rows in (1, 100)]
LARGE_CSV = [(10_000, "csv", (1,))]

SHORT = [
    *cells("iris", [(1, "split", (1, 16, 64)), (100, "split", (16,))]),
    *cells("xgboost", [(1, "split", (1, 16, 64)), (10_000, "split", (1,))]),
    *cells("pyfunc", [(1, "split", (1, 16, 64))]),
]
FULL = [
    *cells("iris", [*ALL_CONNECTIONS, *MORE_ROWS, *OTHER_FORMATS, *LARGE_CSV]),
    *cells("xgboost", [*ALL_CONNECTIONS, *MORE_ROWS, *OTHER_FORMATS, *LARGE_CSV]),
    *cells("lightgbm", [*ONE_ROW, *MORE_ROWS]),
    *cells("forest", [*ONE_ROW, *MORE_ROWS]),
    *cells("pipeline", [*ONE_ROW, *MORE_ROWS, (100, "records", (16,)), (100, "csv", (16,))]),
    *cells("text", [*ONE_ROW, *MORE_ROWS]),
    *cells("onnx", [*ONE_ROW, *MORE_ROWS]),
    *cells("pyfunc", [*ALL_CONNECTIONS, (100, "split", (16,))]),
    *cells("pytorch", [*ONE_ROW, (100, "split", (16,))]),
]
