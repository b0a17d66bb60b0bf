"""A small Google Cloud Storage on the loopback interface, for tests: its JSON API, read only.

In a process of its own, since pyarrow keeps Python's lock while it asks for some facts:
``python -m tests.fake_gcs FOLDER`` serves the folders in it as buckets, and prints its address.
"""

import hashlib
import json
import subprocess
import sys
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from tests.conftest import ROOT
from tests.fake_s3 import FakeStore, served


@contextmanager
def fake_gcs(folder):
    """Serve the folders of a folder; yields a function from a key to its URL."""
    command = [sys.executable, "-m", "tests.fake_gcs", str(folder)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        more = f"scheme=http&endpoint_override={server.stdout.readline().strip()}"
        yield lambda key: f"gs://anonymous@{key}?{more}&retry_limit_seconds=5"
    finally:
        server.kill()
        server.communicate()


class _Handler(BaseHTTPRequestHandler):
    store: FakeStore
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        bucket, _, key = path.partition("/b/")[2].partition("/o")
        key = unquote(key.strip("/"))
        if not key:
            self._list(bucket, query)
        elif (data := self.store.objects.get(f"{bucket}/{key}")) is None:
            self._answer(404, b"{}")
        elif query.get("alt") == ["media"]:
            self._content(data)
        else:
            self._answer(200, json.dumps(self._facts(bucket, key)).encode())

    def log_message(self, *_):
        pass

    def _facts(self, bucket, key):
        data = self.store.objects[f"{bucket}/{key}"]
        return {
            "kind": "storage#object",
            "id": f"{bucket}/{key}/1",
            "bucket": bucket,
            "name": key,
            "generation": "1",
            "size": str(len(data)),
            "timeCreated": "2023-01-02T03:04:05.678Z",
            "updated": "2023-01-02T03:04:05.678Z",
            "etag": hashlib.md5(data).hexdigest(),
        }

    def _list(self, bucket, query):
        prefix = query.get("prefix", [""])[0]
        here = (one for one in self.store.objects if one.startswith(f"{bucket}/"))
        names = sorted(one.partition("/")[2] for one in here)
        items = [self._facts(bucket, name) for name in names if name.startswith(prefix)]
        self._answer(200, json.dumps({"kind": "storage#objects", "items": items}).encode())

    def _content(self, data):
        first, last = 0, len(data) - 1
        facts = {"x-goog-generation": "1"}
        if asked := self.headers.get("Range"):
            low, _, high = asked.removeprefix("bytes=").partition("-")
            first, last = int(low), min(int(high or last), last)
            facts["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        self._answer(206 if asked else 200, data[first : last + 1], facts)

    def _answer(self, status, data, facts=None):
        self.send_response(status)
        for name, value in (facts or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    store, root = FakeStore(), Path(sys.argv[1])
    for path in root.rglob("*"):
        if path.is_file():
            store.objects[path.relative_to(root).as_posix()] = path.read_bytes()
    with served(store, _Handler):
        sys.stdout.write(f"{store.address}\n")
        sys.stdout.flush()
        time.sleep(600)
