"""A page on this machine that shows a live session: MJPEG, on 127.0.0.1 only, behind a token."""

import base64
import hashlib
import hmac
import json
import math
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from vipecli.errors import VipeError
from vipecli.outputs.live_view import Status

HOST = "127.0.0.1"
_QUALITY = 80  # of the pictures, JPEG
_BOUNDARY = "vipe-frame"
_WAIT_S = 1.0  # for a new picture, before a stream looks whether the session has ended


class Page:
    """Serves the newest picture; a context manager.

    Parameters
    ----------
    port
        0 = one that is free.

    Raises
    ------
    VipeError
        if the port is taken.
    """

    def __init__(self, port: int = 0) -> None:
        self.token = secrets.token_urlsafe(16)
        self._changed = threading.Condition()
        self._picture, self._number, self._viewers = b"", 0, 0
        self._state: dict[str, Any] = {"started": False, "ended": False}
        self._asked_to_end = False
        handler = type("_LiveHandler", (_Handler,), {"page": self})
        try:
            self._server = ThreadingHTTPServer((HOST, port), handler)
        except (OSError, OverflowError) as exc:
            raise VipeError(f"port {port}: cannot be used ({exc}); name another one") from exc
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Address of the page, token included."""
        return f"http://{HOST}:{self.port}/?token={self.token}"

    def show(self, image: NDArray[np.uint8], status: Status) -> bool:
        """Hand a picture to whoever looks; False once somebody there has ended the session."""
        picture = b""
        if self._viewers:
            _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
            picture = data.tobytes()
        with self._changed:
            self._picture, self._number = picture, self._number + 1
            self._state = {"started": True, "ended": False, **_facts(status)}
            self._changed.notify_all()
        return not self._asked_to_end

    def state(self) -> dict[str, Any]:
        """What is so at this moment."""
        return self._state

    def end(self) -> None:
        """Ask for the end of the session."""
        self._asked_to_end = True

    def pictures(self) -> Any:
        """JPEG files as they come, the newest each time, until the session ends."""
        number = -1
        with self._changed:
            self._viewers += 1
        try:
            while not self._state["ended"]:
                with self._changed:
                    self._changed.wait_for(lambda seen=number: self._number != seen, _WAIT_S)
                    picture, fresh = self._picture, self._number != number
                    number = self._number
                if picture and fresh:
                    yield picture
        finally:
            with self._changed:
                self._viewers -= 1

    def __enter__(self) -> "Page":
        """Start to serve."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="vipe-page", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving."""
        with self._changed:
            self._state = {**self._state, "ended": True}
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()


def _facts(status: Status) -> dict[str, Any]:
    place = status.place
    match = math.nan if place is None else place.match
    return {
        "match": None if math.isnan(match) else round(match, 3),
        "repetitions": None if place is None else place.repetitions,
        "label": status.label,
        "fps": round(status.fps, 1),
        "delay_ms": round(1000 * status.delay_s, 1),
    }


class _Handler(BaseHTTPRequestHandler):
    """Answers with page, stream or state; to nobody without the token, and under no other name."""

    page: Page
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # the name is http.server's
        """Page, stream or state."""
        path = self._allowed()
        if path == "/":
            self._send(_page(self.page.token), "text/html; charset=utf-8", policy=True)
        elif path == "/state":
            self._send(json.dumps(self.page.state()).encode(), "application/json")
        elif path == "/stream":
            self._stream()
        elif path is not None:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:  # the name is http.server's
        """The wish to end."""
        path = self._allowed()
        if path == "/end":
            self.page.end()
            self._send(b"{}", "application/json")
        elif path is not None:
            self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: object) -> None:  # the name is http.server's
        """Nothing: the terminal shows the session."""

    def _allowed(self) -> str | None:
        """Path that is asked for, or None after a refusal."""
        parts = urlsplit(self.path)
        given = parse_qs(parts.query).get("token", [""])[0]
        names = {f"{name}:{self.page.port}" for name in (HOST, "localhost")}
        good = hmac.compare_digest(given.encode(), self.page.token.encode())
        if good and self.headers.get("Host") in names:
            return parts.path
        self.send_error(HTTPStatus.FORBIDDEN)
        return None

    def _send(self, body: bytes, kind: str, *, policy: bool = False) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if policy:
            self.send_header("Content-Security-Policy", _policy())
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for picture in self.page.pictures():
            head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}"
            try:
                self.wfile.write(head.encode() + b"\r\n\r\n" + picture + b"\r\n")
            except OSError:  # whoever looked has gone
                return


def _texts() -> tuple[str, str]:
    """Style and script of the page."""
    folder = Path(__file__).parent
    style, script = (
        (folder / name).read_text(encoding="utf-8") for name in ("live.css", "live.js")
    )
    return style, script


def _page(token: str) -> bytes:
    style, script = _texts()
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    text = pages.get_template("live.html").render(
        token=token, style=Markup(style), script=Markup(script)
    )
    return text.encode("utf-8")


def _policy() -> str:
    """What the page may load: its own style and script, and what this server gives."""
    style, script = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in _texts()
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
