"""Results, a JSON file each, so that a run that was broken off goes on where it was."""

import hashlib
import json

from measure import ROOT


class Store:
    """A folder of results of one program, measured in one way. Those of another, or of a run that
    came to its end, are thrown away when a new run opens it."""

    def __init__(self, name, context=None):
        """`context` says what is measured and how; None takes what is there."""
        self.folder = ROOT / "build/bench" / name
        if context is not None and (self.get("context") != context or self.get("finished")):
            for path in self.folder.glob("*.json"):
                path.unlink()
            self.put("context", context)

    def get(self, name):
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def put(self, name, result):
        """Whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.json"
        temporary = path.with_suffix(".part")
        temporary.write_text(json.dumps(result, indent=1))
        temporary.replace(path)


def program_hash():
    return hashlib.sha256((ROOT / "build/mlrace").read_bytes()).hexdigest()
