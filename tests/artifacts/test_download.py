"""Downloads that are interrupted, shared, kept and removed."""

import fcntl
import os
import random
import threading
import time

import pytest
from opening import MODEL, kill, proxy_uri, put
from store_server import etag_of

BIG = random.Random(1).randbytes(40 << 20)


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("root", ["exp 1/run/artifacts/model", "m"])
def test_proxy(here, store, root):
    put(store, root)
    assert here.open(proxy_uri(root)) == MODEL
    assert here.open(f"{store.url}/api/2.0/mlflow-artifacts/artifacts/{root}") == MODEL
    assert here.open(f"mlflow-artifacts://{store.url[7:]}/{root}") == MODEL
    assert len(here.entries()) == 1


def test_second_start_downloads_nothing(here, store):
    put(store, "m")
    here.open(proxy_uri("m"))
    store.requests.clear()
    assert here.open(proxy_uri("m")) == MODEL
    # A tracking server's listing has no ETags: MLmodel tells whether it is the same model.
    assert [path for path in store.asked("/") if "?path=" not in path] == store.asked("/MLmodel")


def test_change_is_noticed(here, store):
    put(store, "m")
    here.open(proxy_uri("m"))
    changed = put(store, "m", MODEL | {"MLmodel": b"model_uuid: 2\n"})
    assert here.open(proxy_uri("m")) == changed
    assert len(here.entries()) == 2


def test_change_in_s3_is_noticed_by_the_etag(here, store):
    put(store, "b/m")
    here.open("s3://b/m")
    changed = put(store, "b/m", MODEL | {"data/weights.bin": bytes(256) * 40})
    assert here.open("s3://b/m") == changed


def test_identity_needs_no_network(here, store):
    put(store, "m")
    assert here.open(proxy_uri("m"), "registry m/1") == MODEL
    store.close()
    assert here.open(proxy_uri("m"), "registry m/1") == MODEL
    assert "Failed to connect" in here.fail(proxy_uri("other"), "registry m/2")


def test_store_that_cannot_be_reached(here, store):
    put(store, "m")
    here.open(proxy_uri("m"))
    store.close()
    out, err, code = here.run(proxy_uri("m"))
    assert code == 0 and "what was there the last time is used" in err
    assert "other" in here.fail(proxy_uri("other"))


def test_kill_and_go_on(here, store):
    """Parts of a large file that came before the kill are not asked for again."""
    put(store, "b/m", {"MLmodel": b"1", "big.bin": BIG})
    gate = threading.Event()

    def hook(request):
        first = int((request.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
        if request.path.endswith("/big.bin") and first >= 16 << 20:
            gate.wait(20)
        return False

    store.hook = hook
    process = here.start("s3://b/m")
    wait_for(lambda: any(p.read_bytes() == b"xx" for p in here.models.glob("*/partial/*.parts")))
    kill(process)
    gate.set()
    time.sleep(0.2)
    store.requests.clear()
    assert here.open("s3://b/m") == {"MLmodel": b"1", "big.bin": BIG}
    again = [headers["Range"] for _, path, headers in store.requests if path.endswith("big.bin")]
    assert "bytes=0-8388607" not in again and "bytes=8388608-16777215" not in again and again
    assert not list(here.models.glob("*/partial"))


def test_cut_and_go_on(here, store):
    """A connection that is cut in a file costs what had not come yet, if the content has a tag."""
    put(store, "m", {"MLmodel": b"1", "big.bin": BIG[: 4 << 20]})
    ranges = []

    def hook(request):
        if not request.path.endswith("/big.bin"):
            return False
        ranges.append(request.headers.get("Range"))
        if len(ranges) == 1:
            data = BIG[: 4 << 20]
            request.answer(200, data[: 3 << 20], {"ETag": etag_of(data)}, length=len(data))
            return True
        return False

    store.hook = hook
    assert here.open(proxy_uri("m"))["big.bin"] == BIG[: 4 << 20]
    assert ranges[0] is None and ranges[1].startswith("bytes=") and ranges[1] != "bytes=0-"


def test_cut_without_a_tag_starts_again(here, store):
    store.has_etags = False
    put(store, "m", {"MLmodel": b"1", "big.bin": BIG[: 4 << 20]})
    ranges = []

    def hook(request):
        if not request.path.endswith("/big.bin"):
            return False
        ranges.append(request.headers.get("Range"))
        if len(ranges) == 1:
            request.answer(200, bytes(3 << 20), length=4 << 20)
            return True
        return False

    store.hook = hook
    assert here.open(proxy_uri("m"))["big.bin"] == BIG[: 4 << 20]
    assert ranges == [None, None]


def test_two_processes_download_once(here, store):
    put(store, "m", {"MLmodel": b"1", "slow.bin": b"x" * 1000})

    def hook(request):
        if request.path.endswith("/slow.bin"):
            time.sleep(0.5)
        return False

    store.hook = hook
    processes = [here.start(proxy_uri("m")) for _ in range(4)]
    outs = {process.communicate(timeout=30)[0] for process in processes}
    assert len(outs) == 1 and outs.pop().strip()
    assert len(store.asked("/slow.bin")) == 1


def test_least_recently_used_goes_first(here, store):
    for name in "abc":
        put(store, name, {"MLmodel": name.encode(), "x.bin": bytes(400_000)})
    here.open(proxy_uri("a"))
    with here.using(proxy_uri("b")) as used:
        os.utime(used.parent / "entry.json", (1, 1))
        entries = here.entries()
        here.open(proxy_uri("c"), MLRACE_CACHE_SIZE="900K")
        # b was used longest ago, but is in use.
        assert used.parent.name in here.entries()
        assert len(entries) == len(here.entries()) == 2
        assert (used / "x.bin").exists()
    here.open(proxy_uri("a"), MLRACE_CACHE_SIZE="500K")
    assert len(here.entries()) == 1


def test_bad_cache_size(here, store):
    assert "MLRACE_CACHE_SIZE: expected" in here.fail(proxy_uri("m"), MLRACE_CACHE_SIZE="lots")


def test_cache_that_cannot_be_written(here, store):
    put(store, "m")
    (here.folder / "home").write_text("a file")
    assert "MLRACE_HOME can name another folder" in here.fail(proxy_uri("m"))


def test_disk_without_room(here, store):
    """The listing says 32 terabytes: that is refused before anything is downloaded."""
    put(store, "m")

    def hook(request):
        if "?path=" not in request.path:
            return False
        size = 1 << 45
        request.answer(200, '{"files": [{"path": "MLmodel", "is_dir": false, "file_size": 3},'
                            f' {{"path": "x", "is_dir": false, "file_size": {size}}}]}}')
        return True

    store.hook = hook
    said = here.fail(proxy_uri("m"))
    assert "has room for" in said and not store.asked("/x")


def test_what_needs_python(here, tmp_path):
    """Other schemes go through MLflow's client: here that of a folder stands for a bucket."""
    folder = tmp_path / "bucket/model"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("1")
    uri = f"file://{folder}"
    assert here.open(uri, "it never changes") == {"MLmodel": b"1"}
    assert here.open(uri, "it never changes", MLRACE_PYTHON="/nowhere") == {"MLmodel": b"1"}
    assert len(here.entries()) == 1
    said = here.fail("nosuch://bucket/model")
    assert "MLflow's client in" in said and "nosuch" in said
    said = here.fail("gs://bucket/m", MLRACE_PYTHON="/usr/bin/python3")
    assert "MLRACE_PYTHON" in said
    assert not list(here.models.glob("*/python"))


def test_python_that_outlives_us(here, tmp_path):
    """It gets the URI, which nobody else sees, and keeps others from its folder until it ends."""
    script = tmp_path / "python"
    script.write_text(
        f"#!/bin/sh\ncd {tmp_path}\ntr '\\0' ' ' </proc/$$/cmdline >command\ncat >uri\n"
        "mv uri begun\nwhile ! [ -e gate ]; do sleep 0.05; done\n"
    )
    script.chmod(0o755)
    process = here.start("ftp://me:sesame@host/m", MLRACE_PYTHON=str(script))
    wait_for((tmp_path / "begun").exists)
    process.kill()
    process.wait()
    assert (tmp_path / "begun").read_text() == "ftp://me:sesame@host/m"
    assert "sesame" not in (tmp_path / "command").read_text()
    (path,) = here.models.glob("*.lock")
    with path.open() as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (tmp_path / "gate").touch()
        fcntl.flock(file, fcntl.LOCK_EX)
    process.communicate()
