"""What was measured, read for the page: rows, and the ratios between them."""

import dataclasses
import statistics

from measure import median, ratio
from serving import batch, matrix
from serving.servers import SERVERS

MIN_REQUESTS = 100  # of a run, for a percentile
OURS = ("mlrace", "mlrace-batch")
CEILING = "nginx"


@dataclasses.dataclass
class Row:
    """One server in one cell."""

    cell: matrix.Cell
    server: str
    data: dict

    @property
    def invalid(self):
        return self.data.get("invalid")

    @property
    def runs(self):
        return self.data["runs"]

    @property
    def label(self):
        return SERVERS[self.server].label

    def value(self, key):
        return median(self.runs, key)

    def spread(self):
        """Half of the distance between the slowest and the fastest round, of the median."""
        rates = [run["rate"] for run in self.runs]
        return (max(rates) - min(rates)) / 2 / statistics.median(rates)

    def cpu_us(self):
        return statistics.median(run["user_us"] + run["system_us"] for run in self.runs)

    def p99(self):
        return self.value("p99") if self.value("requests") >= MIN_REQUESTS else None


class Results:
    def __init__(self, store):
        self.rows = {}
        for cell in matrix.FULL + matrix.SHORT:
            for server, data in (store.get(cell.name) or {}).items():
                self.rows[cell, server] = Row(cell, server, data)
        models = {cell.model for cell, _ in self.rows}
        self.models = [name for name in matrix.ALL_MODELS if name in models]
        self.facts = {name: store.get(f"servers-{name}") or {} for name in self.models}
        self.files = {name: store.get(f"file-{name}") or {} for name in batch.FILES}

    def cells(self, model=None):
        found = dict.fromkeys(cell for cell, _ in self.rows)
        return [cell for cell in found if model in (None, cell.model)]

    def in_cell(self, cell):
        return [row for (one, _), row in self.rows.items() if one == cell]

    def get(self, server, model, rows=1, format_="split", connections=16):
        """The valid row, or None."""
        row = self.rows.get((matrix.Cell(model, rows, format_, connections), server))
        return None if row is None or row.invalid else row

    def others(self, cell):
        """Valid rows of those that do what mlrace does."""
        rows = self.in_cell(cell)
        return [row for row in rows if not row.invalid and row.server not in (*OURS, CEILING)]

    def compared(self):
        """(mlrace's row, the fastest other's, factor of requests/s) of each cell that has them."""
        for cell in self.cells():
            ours, others = self.rows.get((cell, "mlrace")), self.others(cell)
            if ours is None or ours.invalid or not others:
                continue
            best = max(others, key=lambda row: row.value("rate"))
            yield ours, best, ratio(ours.runs, best.runs)

    def times(self, model, connections, other, ours="mlrace", key="rate", rows=1):
        """By how much mlrace's figure is another's; None where either is missing."""
        mine = self.get(ours, model, rows, connections=connections)
        theirs = self.get(other, model, rows, connections=connections)
        return ratio(mine.runs, theirs.runs, key) if mine and theirs else None
