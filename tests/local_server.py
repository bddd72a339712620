"""A server on 127.0.0.1 with files of its own, for tests of what is fetched from the web."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serving(files: Mapping[str, bytes | str | int], cut: int = 0) -> Iterator[str]:
    """Yield the address of a server of `files`: path -> content, the path it redirects to, or a status.

    The last `cut` bytes of each longer content are never sent.
    """

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
                self.wfile.write(answer[: len(answer) - cut] if len(answer) > cut else answer)

        def log_message(self, *args: object) -> None: ...

    with running(Handler) as url:
        yield url


@contextmanager
def running(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Yield the address of a server with this handler, on a thread of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hub_files(folder: Path, name: str = "ann/cats", commit: str = COMMIT) -> dict[str, bytes | str | int]:
    """What the hub serves of a model repository: facts, small files, and large ones by way of another address."""
    files: dict[str, bytes | str | int] = {}
    entries = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        entry: dict[str, object] = {"rfilename": path.name, "size": len(content)}
        entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        place = f"/{name}/resolve/{commit}/{path.name}"
        if path.suffix == ".safetensors":
            entry["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            files[place], files[f"/cdn/{path.name}"] = f"/cdn/{path.name}", content
        else:
            files[place] = content
        entries.append(entry)
    about = json.dumps({"id": name, "sha": commit, "siblings": entries}).encode()
    for revision in ("", "/revision/main", f"/revision/{commit}"):
        files[f"/api/models/{name}{revision}?blobs=true"] = about
    return files
