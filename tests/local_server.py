"""A server on 127.0.0.1 with files of its own, for tests of what is fetched from the web."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving(files: Mapping[str, bytes | str | int]) -> Iterator[str]:
    """Yield the address of a server of `files`: path -> content, the path it redirects to, or a status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = files.get(self.path, 404)
            if isinstance(answer, int):
                self.send_error(answer)
            elif isinstance(answer, str):
                self.send_response(302)
                self.send_header("Location", answer)
                self.end_headers()
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
