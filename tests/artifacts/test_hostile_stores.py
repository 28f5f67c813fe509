"""Stores that lie: each lie is an error that names it, and nothing is written outside."""

import json

import pytest
from opening import proxy_uri, put
from store_server import etag_of

BAD_NAMES = [
    "../../evil",
    "/etc/evil",
    "a/../../../evil",
    "..",
    ".",
    "",
    "a//b",
    "a/",
    "x\0y",
    "line\nbreak",
    "n" * 256,
    "/".join(["d"] * 40),
    "\ud800",
]


def listing(*entries):
    return json.dumps({"files": list(entries)})


def file(path, size=3, is_dir=False):
    return {"path": path, "is_dir": is_dir, "file_size": size}


def answer_lists(store, body):
    def hook(request):
        if "path=" in request.path or "list-type" in request.path:
            request.answer(200, body)
            return True
        return False

    store.hook = hook


def assert_nothing_came(here):
    assert not here.entries()
    assert not list(here.folder.rglob("*evil*"))


@pytest.mark.parametrize("name", BAD_NAMES, ids=range(len(BAD_NAMES)))
@pytest.mark.parametrize("is_dir", [False, True])
def test_names(here, store, name, is_dir):
    answer_lists(store, listing(file("MLmodel"), file(name, 3, is_dir)))
    said = here.fail(proxy_uri("m"))
    assert "no name of a f" in said or "no JSON" in said
    assert_nothing_came(here)


@pytest.mark.parametrize("name", BAD_NAMES[:5], ids=range(5))
def test_names_in_s3(here, store, name):
    store.files["b/m/" + name] = b"evil"
    store.files["b/m/MLmodel"] = b"1"
    here.fail("s3://b/m")
    assert_nothing_came(here)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        '{"files": {}}',
        '{"files": [1]}',
        '{"files": [{"path": 1}]}',
        listing(file("x", -1)),
        listing(file("x", 1 << 60)),
        listing(file("x", "many")),
        listing(file("x", 1.5)),
        listing(file("x"), file("x")),
        listing(file("x"), file("x/y")),
    ],
)
def test_json(here, store, body):
    answer_lists(store, body)
    here.fail(proxy_uri("m"))
    assert_nothing_came(here)


ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<ListBucketResult>",
        "<Other/>",
        f"{ENTITIES}<ListBucketResult/>",
        "<ListBucketResult><Contents><Key>other/x</Key><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>m/x</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>m/x</Key></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult>" + "<a>" * 100 + "</a>" * 100 + "</ListBucketResult>",
        "<ListBucketResult><Contents><Key>m/" + "x" * 9000 + "</Key></Contents></ListBucketResult>",
    ],
)
def test_xml(here, store, body):
    answer_lists(store, body)
    here.fail("s3://b/m")
    assert_nothing_came(here)


def test_listing_without_end(here, store):
    page = "<Contents><Key>m/x{}</Key><Size>1</Size></Contents>"
    count = iter(range(10**9))

    def hook(request):
        rows = "".join(page.format(next(count)) for _ in range(20000))
        request.answer(
            200,
            "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
            f"</NextContinuationToken>{rows}</ListBucketResult>",
        )
        return True

    store.hook = hook
    assert "more than 100000 files" in here.fail("s3://b/m")


def test_folders_without_end(here, store):
    answer_lists(store, listing(file("MLmodel"), file("again", 0, True)))
    said = here.fail(proxy_uri("m"))
    assert "no name of a f" in said  # deeper than can be


@pytest.mark.parametrize("root", ["s3://b/m", proxy_uri("b/m")])
@pytest.mark.parametrize("lie", ["short", "long", "endless", "fault", "cut", "other"])
def test_bodies(here, store, root, lie):
    put(store, "b/m", {"MLmodel": b"1", "x.bin": b"0123456789"})

    def hook(request):
        if not request.path.endswith("/x.bin"):
            return False
        if lie == "short":
            request.answer(200, b"01234")
        elif lie == "long":
            request.answer(200, b"0123456789ab")
        elif lie == "cut":
            request.answer(200, b"01234", length=10)
        elif lie == "other":
            request.answer(206, b"0123456789", {"Content-Range": "bytes 5-14/20"})
        else:
            request.send_response(404 if lie == "fault" else 200)
            request.end_headers()
            request.close_connection = True
            try:
                for _ in range(1 << 20):  # 64 GiB
                    request.wfile.write(bytes(1 << 16))
            except OSError:
                pass
        return True

    store.hook = hook
    said = here.fail(root)
    assert "x.bin" in said
    assert not here.entries()
    store.hook = lambda request: False
    assert here.open(root) == {"MLmodel": b"1", "x.bin": b"0123456789"}


def test_what_was_cut_is_longer_than_what_came(here, store):
    """Of a file that is listed without its size nothing of the first try stays."""
    put(store, "m", {"MLmodel": b"1", "x": b"01234"})
    store.has_etags = False
    answer_lists(store, listing(file("MLmodel", 1), {"path": "x", "is_dir": False}))
    lists, is_cut = store.hook, iter([True])

    def hook(request):
        if request.path.endswith("/x") and next(is_cut, False):
            request.answer(200, b"?" * 600, length=1000)
            return True
        return lists(request)

    store.hook = hook
    assert here.open(proxy_uri("m")) == {"MLmodel": b"1", "x": b"01234"}


def test_content_that_is_not_what_its_etag_says(here, store):
    put(store, "b/m", {"MLmodel": b"1", "x.bin": b"0123456789"})

    def hook(request):
        if not request.path.endswith("/x.bin"):
            return False
        request.answer(200, b"damaged!!!", {"ETag": etag_of(b"0123456789")})
        return True

    store.hook = hook
    assert "does not have the MD5" in here.fail("s3://b/m")
    assert not here.entries()


def test_object_that_changes_meanwhile(here, store):
    put(store, "b/m", {"MLmodel": b"1", "x.bin": b"0123456789"})

    def hook(request):
        if request.path.endswith("/x.bin"):
            store.files["b/m/x.bin"] = b"9876543210"
        return False

    store.hook = hook
    assert "it has changed since it was listed" in here.fail("s3://b/m")


def test_redirect_keeps_the_credential(here, store):
    """A proxy that sends us elsewhere does not get the password sent there."""
    put(store, "m")
    other = store.url.replace("127.0.0.1", "localhost")

    def hook(request):
        if request.path.endswith("/data/weights.bin") and "localhost" not in request.headers["Host"]:
            request.answer(302, b"", {"Location": other + request.path})
            return True
        return False

    store.hook = hook
    login = {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "pw"}
    assert "data/weights.bin" in here.open(proxy_uri("m"), **login)
    sent = {headers["Host"].split(":")[0]: headers.get("Authorization") for _, _, headers in store.requests}
    assert sent["127.0.0.1"] and not sent["localhost"]


def test_not_a_model(here, store):
    put(store, "m", {"readme": b"1"})
    assert "no MLmodel" in here.fail(proxy_uri("m"))
    assert "there are no files" in here.fail(proxy_uri("nothing"))
    assert not store.asked("/readme")


def test_address_that_is_no_service(here, store):
    assert "/api/2.0/mlflow-artifacts/artifacts/PATH" in here.fail(f"{store.url}/model.zip")
