"""mlrace cache ls, mlrace cache prune."""

import os
import re
import subprocess
import time

import pytest
from opening import MODEL, TOOL, proxy_uri, put


@pytest.fixture
def cache(here):
    def run(*arguments, code=0, **environ):
        done = subprocess.run(
            [TOOL.parent / "mlrace", "cache", *arguments],
            env=here.environ | environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


@pytest.fixture
def three(here, store):
    """Models a, b, c, used 3 days, 2 days and 0 days ago, of 300 KB each."""
    keys = {}
    for days, name in ((3, "a"), (2, "b"), (0, "c")):
        put(store, name, {"MLmodel": name.encode(), "x.bin": bytes(307_199)})
        with here.using(proxy_uri(name)) as files:
            keys[name] = files.parent.name
        then = time.time() - days * 86400 - 60
        os.utime(files.parent / "entry.json", (then, then))
    return keys


def test_ls(cache, three, here):
    with here.using(proxy_uri("b")):
        lines = cache("ls").splitlines()
    rows = [re.split(r"\s{2,}", line) for line in lines[1:-1] if " from " not in line]
    # b was used just now.
    assert [row[0] for row in rows] == [three[name][:12] for name in "acb"]
    assert all(row[1].strip() == "300K" and row[2].strip() == "2" for row in rows)
    assert rows[2][4] == "in use" and rows[2][5] == proxy_uri("b")
    assert lines[-1].startswith("3 models, 900K of at most 10.0G, in ")


def test_ls_of_nothing(cache, here):
    assert cache("ls").startswith("0 models")
    assert not (here.folder / "home").exists()


@pytest.mark.parametrize(
    "options, left",
    [
        (["--older-than", "2d"], "c"),
        (["--older-than", "60h"], "bc"),
        (["--size", "700K"], "bc"),
        (["--all"], ""),
        ([], "abc"),
    ],
)
def test_prune(cache, three, here, options, left):
    said = cache("prune", *options)
    assert here.entries() == sorted(three[name] for name in left)
    assert f"removed {3 - len(left)} model" in said
    assert len(list((here.models / "refs").iterdir())) == len(left)


def test_prune_to_the_size_of_the_cache(cache, three, here):
    cache("prune", MLRACE_CACHE_SIZE="500K")
    assert here.entries() == [three["c"]]


def test_prune_keeps_what_is_in_use(cache, three, here):
    with here.using(proxy_uri("a")) as files:
        assert "1 kept: in use" in cache("prune", "--all")
        assert here.entries() == [three["a"]] and (files / "x.bin").exists()


def test_prune_of_an_interrupted_download(cache, here, store):
    put(store, "m")
    store.hook = lambda request: "weights" in request.path and not request.answer(404)
    here.fail(proxy_uri("m"))
    assert "partial" in cache("ls")
    assert "an interrupted download" in cache("prune")
    store.hook = lambda request: False
    assert here.open(proxy_uri("m")) == MODEL


def test_usage(cache):
    for arguments in (["--help"], ["ls", "--help"], ["prune", "--help"]):
        assert "mlrace cache prune --older-than 30d" in cache(*arguments)
    assert "expected ls or prune" in cache(code=2)
    assert "expected ls or prune" in cache("rm", code=2)
    assert "unexpected argument 'x'" in cache("ls", "x", code=2)
    assert "an age such as" in cache("prune", "--older-than", "7", code=2)
    assert "bytes such as" in cache("prune", "--size", "x", code=2)
    assert "MLRACE_CACHE_SIZE" in cache("ls", code=1, MLRACE_CACHE_SIZE="x")
