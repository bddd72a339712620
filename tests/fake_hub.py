"""A server on 127.0.0.1 that takes pushed models as the Hugging Face hub does, and serves them again."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from local_server import COMMIT, hub_files, running

TOKEN, OWNER = "hf_right", "ann"


@dataclass
class FakeHub:
    """Repositories of one owner, and one token that may write them."""

    folder: Path
    """Folder in which the files of the last commit lie."""
    url: str = ""
    served: dict[str, bytes | str | int] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    """SHA-256 -> content of a large file."""
    private: bool = False
    """Whether only the token may read."""
    commits: list[str] = field(default_factory=list)
    """Summaries of the commits."""

    def post(self, path: str, body: bytes) -> tuple[int, object]:
        """Answer a POST of somebody with the right token."""
        name = path.removeprefix("/api/models/").removeprefix("/").partition(".git/")[0]
        name = "/".join(name.split("/")[:2])
        if path == "/api/repos/create":
            owner = json.loads(body).get("organization") or OWNER
            self.private = json.loads(body).get("visibility") == "private" or bool(json.loads(body).get("private"))
            return (200, {"url": f"{self.url}/{owner}/x"}) if owner == OWNER else (403, {"error": "not yours"})
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if "/preupload/" in path:
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = {name: "lfs" if name.endswith(".safetensors") else "regular" for name in names}
            files = [{"path": name, "uploadMode": mode, "shouldIgnore": False} for name, mode in modes.items()]
            return 200, {"files": files}
        if path.endswith("/lfs/objects/batch"):
            objects = [
                {**each, "actions": {"upload": {"href": f"{self.url}/upload/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]
            return 200, {"transfer": "basic", "objects": objects}
        if path.endswith("/commit/main"):
            self._commit([json.loads(line) for line in body.splitlines()], name)
            return 200, {"success": True, "commitOid": COMMIT, "commitUrl": f"{self.url}/{name}/commit/{COMMIT}"}
        return 404, {"error": path}

    def _commit(self, lines: list[dict[str, dict[str, str]]], name: str) -> None:
        for line in lines:
            value, kind = line["value"], line["key"]
            if kind == "header":  # type: ignore[comparison-overlap]
                self.commits.append(value["summary"])
            elif kind == "file":  # type: ignore[comparison-overlap]
                (self.folder / value["path"]).write_bytes(base64.b64decode(value["content"]))
            elif kind == "lfsFile":  # type: ignore[comparison-overlap]
                (self.folder / value["path"]).write_bytes(self.large[value["oid"]])
        self.served |= hub_files(self.folder, name)


@contextmanager
def fake_hub(folder: Path) -> Iterator[FakeHub]:
    """Yield a running fake of the hub whose commits are written to `folder`."""
    hub = FakeHub(folder)
    folder.mkdir()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            if hub.private and not known:
                self.answer(401, {"error": "none"})
                return
            if self.path == "/api/whoami-v2":
                self.answer(200 if known else 401, {"name": OWNER, "type": "user"} if known else {"error": "no"})
                return
            content = hub.served.get(self.path, 404)
            while isinstance(content, str):
                content = hub.served[content]
            self.answer(content, {"error": "none"}) if isinstance(content, int) else self.send(200, content)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            self.answer(*(hub.post(self.path.partition("?")[0], body) if known else (401, {"error": "no"})))

        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            hub.large[self.path.rpartition("/")[2]] = content
            self.send(200, b"")

        def answer(self, status: int, value: object) -> None:
            self.send(status, json.dumps(value).encode())

        def send(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None: ...

    with running(Handler) as hub.url:
        yield hub
