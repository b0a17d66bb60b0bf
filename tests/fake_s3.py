"""A small S3 on the loopback interface, for tests: objects in memory, path-style, read only."""

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

WRITTEN = "Mon, 02 Jan 2023 03:04:05 GMT", "2023-01-02T03:04:05.678Z"  # of one answer; of a list


class FakeStore:
    """Objects of a store, and what was asked of it.

    Attributes
    ----------
    objects
        content by ``bucket/key``.
    asked
        method and ``bucket/key`` of every request for an object.
    address
        host and port.
    """

    def __init__(self):
        self.objects: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.address = ""

    @property
    def downloads(self) -> list[str]:
        """Objects that were downloaded, or parts of them."""
        return [key for method, key in self.asked if method == "GET"]


class FakeS3(FakeStore):
    """A store of which some objects make trouble.

    Attributes
    ----------
    broken, short, changing
        keys whose download ends in the middle of an answer, of which less comes than there is, and
        that are replaced while they are read.
    """

    def __init__(self):
        super().__init__()
        self.broken: set[str] = set()
        self.short: set[str] = set()
        self.changing: set[str] = set()

    def url(self, key, more=""):
        """URL of an object, with what leads to this server."""
        return f"s3://{key}?scheme=http&region=nowhere&endpoint_override={self.address}{more}"


def fake_s3():
    """Serve objects until the block ends."""
    return served(FakeS3(), _Handler)


@contextmanager
def served(store, handler):
    """Serve the objects of a store until the block ends."""
    kind = type("Handler", (handler,), {"store": store})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    store.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    store: FakeS3
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._object("HEAD")

    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if "list-type" in query:
            self._list(query)
        else:
            self._object("GET")

    def do_PUT(self):
        raise AssertionError("nothing is ever written")

    do_POST = do_DELETE = do_PUT

    def log_message(self, *_):
        pass

    def _object(self, method):
        key = unquote(urlsplit(self.path).path).strip("/")
        store = self.store
        store.asked.append((method, key))
        data = store.objects.get(key)
        if data is None:
            there = any(one.startswith(f"{key}/") for one in store.objects) and "/" not in key
            self._answer(200 if there else 404, b"")
            return
        count = sum(one == ("GET", key) for one in store.asked) if key in store.changing else 0
        facts = {
            "ETag": f'"{hashlib.md5(data + bytes(count)).hexdigest()}"',
            "Last-Modified": WRITTEN[0],
            "Accept-Ranges": "bytes",
        }
        if method == "HEAD":
            self._answer(200, data, facts)
            return
        first, last = 0, len(data) - 1
        if asked := self.headers.get("Range"):
            low, _, high = asked.removeprefix("bytes=").partition("-")
            first, last = int(low), min(int(high or last), last)
            facts["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        part = data[first : last + 1]
        if key in store.short:
            part = data[first : min(last + 1, len(data) // 2)]
            if not part:
                self._answer(416, b"")
                return
        self._answer(206 if asked else 200, part, facts, breaks=key in store.broken)

    def _list(self, query):
        bucket = unquote(urlsplit(self.path).path).strip("/")
        prefix = query.get("prefix", [""])[0]
        delimiter = query.get("delimiter", [""])[0]
        after = query.get("continuation-token", [""])[0]
        names = sorted(one.partition("/")[2] for one in self.store.objects)
        names = [n for n in names if f"{bucket}/{n}" in self.store.objects and n.startswith(prefix)]
        rows: dict[str, str] = {}
        for name in names:
            rest = name[len(prefix) :]
            if delimiter and delimiter in rest:
                folder = prefix + rest.partition(delimiter)[0] + delimiter
                rows[folder] = f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
            else:
                size = len(self.store.objects[f"{bucket}/{name}"])
                rows[name] = (
                    f"<Contents><Key>{escape(name)}</Key><LastModified>{WRITTEN[1]}</LastModified>"
                    f"<ETag>x</ETag><Size>{size}</Size></Contents>"
                )
        most = min(int(query.get("max-keys", ["1000"])[0]), 3)  # pages, with few objects, too
        left = [name for name in rows if name > after]
        more = ""
        if len(left) > most:
            token = left[most - 1]
            more = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>"
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<KeyCount>{min(len(left), most)}</KeyCount>"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}"
            f"{''.join(rows[name] for name in left[:most])}</ListBucketResult>"
        )
        self._answer(200, body.encode(), {"Content-Type": "application/xml"})

    def _answer(self, status, data, facts=None, *, breaks=False):
        self.send_response(status)
        for name, value in (facts or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(data[: len(data) // 2] if breaks else data)
        if breaks:
            self.close_connection = True
            self.wfile.flush()
            self.connection.close()
