"""A small server of artifacts: S3's protocol below /BUCKET/, a tracking server's proxy below /api.

It holds its files in memory, checks each signature with botocore, notes what it was asked, and can
be told to misbehave: `Store.hook(request)` is called first and answers the request when it returns
true.
"""

import hashlib
import http.server
import json
import re
import sys
import threading
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

PROXY = "/api/2.0/mlflow-artifacts/artifacts"
KEYS = ("AKIDTEST", "secret/+key")


class Store:
    def __init__(self):
        self.files = {}  # "bucket/key" or, of the proxy, "path": bytes
        self.requests = []  # (method, path with query, headers)
        self.hook = lambda request: False
        self.page = 1000
        self.region = "eu-west-3"
        self.session_token = None
        self.has_etags = True
        self.lock = threading.Lock()
        store = self

        class Handler(_Handler):
            pass

        Handler.store = store
        self.server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def asked(self, text):
        """The paths of the requests that have a text in theirs."""
        with self.lock:
            return [path for _, path, _ in self.requests if text in path]


def etag_of(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), OSError):  # a client that was killed, or has enough
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a head and its body in one packet

    def log_message(self, *_):
        pass

    def do_PUT(self):
        self.do_GET()

    def do_GET(self):
        with self.store.lock:
            self.store.requests.append((self.command, self.path, dict(self.headers)))
        if self.store.hook(self):
            return
        path, _, query = self.path.partition("?")
        if path.startswith(PROXY):
            return self._proxy(urllib.parse.unquote(path[len(PROXY) :]).strip("/"), query)
        if fault := self._signature_fault():
            return self.answer(403, f"<Error><Code>{fault}</Code><Message>no</Message></Error>")
        bucket, _, key = path.lstrip("/").partition("/")
        if key:
            self._file(f"{bucket}/{urllib.parse.unquote(key)}")
        else:
            self._list(bucket, urllib.parse.parse_qs(query, keep_blank_values=True))

    # --- answers

    def answer(self, status, body=b"", headers=(), length=None):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        if length is not None and length != len(body):
            self.close_connection = True

    def _file(self, name, headers=()):
        data = self.store.files.get(name)
        if data is None:
            return self.answer(404, "<Error><Code>NoSuchKey</Code><Message>no</Message></Error>")
        headers = dict(headers)
        etag = etag_of(data)
        if self.store.has_etags:
            headers["ETag"] = etag
        if self.headers.get("If-Match", etag) != etag:
            return self.answer(412)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted or self.headers.get("If-Range", etag) != etag:
            return self.answer(200, data, headers)
        first = int(wanted[1])
        last = min(int(wanted[2] or len(data) - 1), len(data) - 1)
        if first > last:
            return self.answer(416)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        self.answer(206, data[first : last + 1], headers)

    def _proxy(self, name, query):
        if name:
            return self._file(name)
        folder = urllib.parse.parse_qs(query).get("path", [""])[0]
        entries = {}
        for path, data in self.store.files.items():
            if path.startswith(folder + "/"):
                head, _, rest = path[len(folder) + 1 :].partition("/")
                entries[head] = None if rest else len(data)
        files = [
            {"path": name, "is_dir": True}
            if size is None
            else {"path": name, "is_dir": False, "file_size": size}
            for name, size in sorted(entries.items())
        ]
        self.answer(200, json.dumps({"files": files}), {"Content-Type": "application/json"})

    def _list(self, bucket, query):
        prefix = query["prefix"][0]
        keys = sorted(
            name[len(bucket) + 1 :]
            for name in self.store.files
            if name.startswith(f"{bucket}/{prefix}")
        )
        start = int(query.get("continuation-token", ["token=0"])[0].split("=")[1])
        page = keys[start : start + self.store.page]
        more = start + len(page) < len(keys)
        rows = "".join(
            f"<Contents><Key>{urllib.parse.quote_plus(key, safe='/')}</Key>"
            f"<ETag>{etag_of(self.store.files[f'{bucket}/{key}']).replace(chr(34), '&quot;')}</ETag>"
            f"<Size>{len(self.store.files[f'{bucket}/{key}'])}</Size></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>token={start + len(page)}</NextContinuationToken>"
        self.answer(
            200,
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{bucket}</Name><Prefix>x</Prefix><IsTruncated>{str(more).lower()}"
            f"</IsTruncated>{token if more else ''}{rows}<EncodingType>url</EncodingType></ListBucketResult>",
        )

    # --- signatures

    def _signature_fault(self):
        match = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/s3/aws4_request, "
            r"SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})",
            self.headers.get("Authorization", ""),
        )
        if not match:
            return "AccessDenied"
        key, _, region, names, signature = match.groups()
        if key != KEYS[0] or region != self.store.region:
            return "InvalidAccessKeyId"
        if self.headers.get("X-Amz-Security-Token") != self.store.session_token:
            return "InvalidToken"
        if "x-amz-content-sha256" not in names.split(";"):
            return "InvalidRequest"  # Missing required header for this request
        credentials = botocore.credentials.Credentials(*KEYS, self.store.session_token)
        request = botocore.awsrequest.AWSRequest(
            self.command,
            f"http://{self.headers['Host']}{self.path}",
            headers={name: self.headers[name] for name in names.split(";")},
        )
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        auth = botocore.auth.S3SigV4Auth(credentials, "s3", region)
        text = auth.string_to_sign(request, auth.canonical_request(request))
        return None if auth.signature(text, request) == signature else "SignatureDoesNotMatch"
