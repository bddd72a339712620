"""A server of files on 127.0.0.1 that can break off, refuse and forget."""

from __future__ import annotations

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = bytes(range(256)) * 2000
DIGEST = hashlib.sha256(BODY).hexdigest()


class Server:
    """Serves `files`; breaks off after `cuts.pop(0)` bytes where there are cuts; keeps what was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/a.bin": BODY}
        self.cuts: list[int] = []
        self.asked: list[tuple[str, str | None]] = []
        self.tokens: list[str | None] = []
        self.resumes = True
        self.length = True
        self.shift = 0
        self.status = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *args: object) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        wanted = to.headers.get("Range")
        self.asked.append((to.path, wanted))
        self.tokens.append(to.headers.get("Authorization"))
        if self.status or to.path not in self.files:
            to.send_error(self.status or 404)
            return
        body, start = self.files[to.path], 0
        if wanted and self.resumes:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                to.send_error(416)
                return
            to.send_response(206)
            to.send_header("Content-Range", f"bytes {start + self.shift}-{len(body) - 1}/{len(body)}")
        else:
            to.send_response(200)
        rest = body[start:]
        if self.length:
            to.send_header("Content-Length", str(len(rest)))
        to.end_headers()
        to.wfile.write(rest[: self.cuts.pop(0)] if self.cuts else rest)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
