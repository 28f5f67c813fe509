"""The program that brings artifacts here (tests/tools/artifacts.c), and models for it."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys

from store_server import KEYS

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOOL = ROOT / os.environ["MLRACE_BUILD"] / "tool_artifacts"


class Here:
    """The cache of one test, and opening URIs into it."""

    def __init__(self, folder, store):
        self.folder, self.store = folder, store
        self.models = folder / "home/models"
        kept = {"PATH", "LANG", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}
        self.environ = {name: value for name, value in os.environ.items() if name in kept}
        self.environ |= {
            "HOME": str(folder),
            "MLRACE_HOME": str(folder / "home"),
            "MLFLOW_S3_ENDPOINT_URL": store.url,
            "AWS_ACCESS_KEY_ID": KEYS[0],
            "AWS_SECRET_ACCESS_KEY": KEYS[1],
            "AWS_DEFAULT_REGION": store.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
            "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
            "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
            "MLRACE_PYTHON": sys.executable,
        }

    def start(self, uri, *identity, **environ):
        return subprocess.Popen(
            [TOOL, uri, self.store.url, *identity],
            env=self.environ | environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments, **environ):
        """Standard output and error of an opening, and its exit code."""
        process = self.start(*arguments, **environ)
        out, err = process.communicate(timeout=60)
        assert "Sanitizer" not in err and "runtime error:" not in err, err
        return out.strip(), err, process.returncode

    def open(self, *arguments, **environ):
        """The tree that came: {path: bytes}."""
        out, err, code = self.run(*arguments, **environ)
        assert code == 0, err
        return tree_of(pathlib.Path(out))

    def fail(self, *arguments, **environ):
        """What was said when it failed."""
        out, err, code = self.run(*arguments, **environ)
        assert code == 1 and not out, (out, err, code)
        assert KEYS[1] not in err
        return err

    @contextlib.contextmanager
    def using(self, *arguments):
        """A process that uses an entry meanwhile; gives its folder."""
        process = self.start(*arguments)
        try:
            yield pathlib.Path(process.stdout.readline().strip())
        finally:
            process.communicate("\n", timeout=60)

    def entries(self):
        return sorted(path.parent.name for path in self.models.glob("*/entry.json"))

    def about(self):
        (marker,) = self.models.glob("*/entry.json")
        return json.loads(marker.read_text())


def tree_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if not path.is_dir()
    }


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate()


MODEL = {
    "MLmodel": b"model_uuid: 1\n",
    "data/weights.bin": bytes(range(256)) * 40,
    "data/a b+c%20~.txt": b"text",
    "data/\u00fcn\u00ef/\u6c34.txt": b"",
}


def put(store, root, files=MODEL):
    for path, data in files.items():
        store.files[f"{root}/{path}"] = data
    return files


def proxy_uri(root):
    return f"mlflow-artifacts:/{root}"
