"""s3:// URIs: signatures, listings, and where credentials come from."""

import json
import urllib.parse

import pytest
from opening import MODEL, put
from store_server import KEYS


def test_files_and_signatures(here, store):
    """The server checks each signature with botocore: query, odd names, a part of a file."""
    files = put(store, "models/some folder/m")
    store.page = 2
    store.files["models/some folder/mother/x"] = b"not below the folder"
    store.files["models/some folder/m/data/"] = b""
    assert here.open("s3://models/some folder/m") == files
    assert here.open("s3://models/some folder/m/") == files
    assert here.open("s3://models/some folder/m?versionId=3#x") == files
    assert len(here.entries()) == 1
    about = here.about()
    assert about["uri"] == "s3://models/some folder/m" and about["files"] == len(files)


@pytest.mark.parametrize("token", ["session==", "s" * 9000])
def test_without_a_folder_and_with_a_session(here, store, token):
    store.session_token = token
    put(store, "models")
    assert here.open("s3://models", AWS_SESSION_TOKEN=token) == MODEL
    assert "InvalidToken" in here.fail("s3://models/x")


def test_wrong_secret(here, store):
    put(store, "models/m")
    said = here.fail("s3://models/m", AWS_SECRET_ACCESS_KEY="wrong")
    assert "SignatureDoesNotMatch" in said and "s3://models/m" in said
    assert "an access key, from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in said
    assert "wrong" not in said


def test_wrong_region(here, store):
    put(store, "models/m")

    def hook(request):
        request.answer(400, "<Error/>", {"x-amz-bucket-region": "eu-west-3"})
        return True

    store.hook = hook
    assert "AWS_DEFAULT_REGION=eu-west-3" in here.fail("s3://models/m", AWS_DEFAULT_REGION="us-east-2")


def test_anonymous(here, store):
    put(store, "models/m")
    unsigned = {"MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION": "unsigned", "AWS_ACCESS_KEY_ID": ""}
    assert "it was sent no credential" in here.fail("s3://models/m", **unsigned)
    assert all("Authorization" not in headers for _, _, headers in store.requests)


def test_no_credential(here):
    said = here.fail("s3://models/m", AWS_ACCESS_KEY_ID="")
    assert "no AWS credential" in said and "AWS_CONTAINER_CREDENTIALS_FULL_URI" in said


def keys_of(style):
    token = "SessionToken" if style == "sts" else "Token"
    return {"AccessKeyId": KEYS[0], "SecretAccessKey": KEYS[1], token: "from the service"}


@pytest.mark.parametrize("place", ["credentials", "config"])
def test_profile(here, store, place):
    put(store, "models/m")
    folder = here.folder / ".aws"
    folder.mkdir()
    section = "[team]" if place == "credentials" else "[profile team]"
    keys = f"aws_access_key_id = {KEYS[0]}\naws_secret_access_key={KEYS[1]}\n"
    (folder / place).write_text(f"[default]\naws_access_key_id=x\n{section}\n{keys}")
    with (folder / "config").open("a") as config:
        config.write(f"[profile team]\nregion = {store.region}\nendpoint_url = {store.url}\n{keys}")
    none = dict.fromkeys(["AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "MLFLOW_S3_ENDPOINT_URL"], "")
    assert here.open("s3://models/m", AWS_PROFILE="team", **none) == MODEL
    assert "no profile 'other'" in here.fail("s3://models/m", AWS_PROFILE="other")


def test_profile_that_needs_aws(here, store):
    (here.folder / ".aws").mkdir()
    (here.folder / ".aws/config").write_text("[profile p]\nsso_session = x\n")
    said = here.fail("s3://models/m", AWS_PROFILE="p", AWS_ACCESS_KEY_ID="")
    assert "sso_session" in said and "aws configure export-credentials --profile p" in said


def test_container(here, store):
    put(store, "models/m")
    store.session_token = "from the service"
    (here.folder / "token").write_text("let me in\n")

    def hook(request):
        if request.path != "/creds":
            return False
        is_known = request.headers.get("Authorization") == "let me in"
        request.answer(200 if is_known else 401, json.dumps(keys_of("container")))
        return True

    store.hook = hook
    given = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{store.url}/creds",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(here.folder / "token"),
    }
    assert here.open("s3://models/m", **given) == MODEL
    given["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"http://localhost:{store.server.server_port}/creds"
    proxy = {"http_proxy": "http://127.0.0.1:1", "no_proxy": "127.0.0.1"}
    assert here.open("s3://models/m", **given | proxy) == MODEL  # the token is not for a proxy
    for far in ("http://198.51.100.7/x", "http://127.0.0.1.example.com/x", "http://localhost.com/"):
        said = here.fail("s3://models/m", **given | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": far})
        assert "only asked for by https" in said


def test_instance(here, store):
    put(store, "models/m")
    store.session_token = "from the service"

    def hook(request):
        base = "/latest/meta-data/iam/security-credentials/"
        if request.path == "/latest/api/token" and request.command == "PUT":
            request.answer(200, "metadata-token")
        elif request.path.startswith(base):
            assert request.headers["X-aws-ec2-metadata-token"] == "metadata-token"
            role = request.path == base
            request.answer(200, "the-role" if role else json.dumps(keys_of("instance")))
        else:
            return False
        return True

    store.hook = hook
    given = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": store.url + "/",
    }
    assert here.open("s3://models/m", **given) == MODEL
    assert store.asked("security-credentials/the-role")


def test_web_identity(here, store):
    put(store, "models/m")
    store.session_token = "from the service"
    (here.folder / "token").write_text("a.b+c")

    def hook(request):
        query = urllib.parse.parse_qs(request.path.partition("?")[2])
        if query.get("Action") != ["AssumeRoleWithWebIdentity"]:
            return False
        assert query["WebIdentityToken"] == ["a.b+c"] and query["RoleArn"] == ["arn:aws:iam::1:r"]
        result = {"AssumeRoleWithWebIdentityResult": {"Credentials": keys_of("sts")}}
        request.answer(200, json.dumps({"AssumeRoleWithWebIdentityResponse": result}))
        return True

    store.hook = hook
    given = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(here.folder / "token"),
        "AWS_ROLE_ARN": "arn:aws:iam::1:r",
        "AWS_ENDPOINT_URL_STS": store.url,
    }
    assert here.open("s3://models/m", **given) == MODEL
