"""A studio in a thread of the test, and requests over a raw socket that no client has tidied."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sparring.studio.serve import BoundServer, bound_server
from sparring.studio.server.guard import Guard, Keys

from .folders import wait_until

Lines = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Reply:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class LocalStudio:
    """A running studio, with its secrets."""

    bound: BoundServer
    guard: Guard

    @property
    def keys(self) -> Keys:
        return self.guard.keys

    @property
    def url(self) -> str:
        return self.bound.url.partition("/#")[0]

    @property
    def token(self) -> str:
        return self.keys.token

    @property
    def port(self) -> int:
        return int(self.bound.listener.getsockname()[1])

    @property
    def state(self) -> Any:
        """The `Studio` of the server."""
        return self.guard.app.state.studio  # type: ignore[attr-defined]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 30)

    def headers(self, **further: str) -> list[tuple[str, str]]:
        """Return the headers of an allowed request."""
        names = {name.replace("_", "-"): value for name, value in further.items()}
        return [("Host", f"127.0.0.1:{self.port}"), ("x-sparring-token", self.keys.token), *names.items()]

    def send(self, method: str, path: str, headers: Lines | None = None, body: bytes = b"") -> Reply:
        """Send one request on a connection of its own, byte for byte."""
        with self.connect() as connection:
            return exchange(connection, method, path, self.headers() if headers is None else headers, body)

    def post(self, path: str, body: bytes = b"{}") -> Reply:
        """Send a POST as the page does."""
        return self.send("POST", path, self.headers(content_type="application/json"), body)


@contextmanager
def local_studio(folder: Path) -> Iterator[LocalStudio]:
    """Serve the runs below `folder` from a thread."""
    bound = bound_server(folder, "127.0.0.1", 0)
    thread = threading.Thread(target=bound.run)
    thread.start()
    running = LocalStudio(bound, bound.server.config.app)  # type: ignore[arg-type]
    try:
        while not bound.server.started:
            time.sleep(0.005)
        yield running
    finally:
        jobs = running.state.jobs
        for job in filter(jobs.running, jobs.all()):
            os.kill(job.pid, signal.SIGKILL)
            wait_until(lambda job=job: not jobs.running(job))  # type: ignore[misc]
        bound.server.should_exit = True
        thread.join(20)
        bound.listener.close()


def exchange(connection: socket.socket, method: str, path: str, headers: Lines, body: bytes = b"") -> Reply:
    """Send one request, and read its response."""
    connection.sendall(request_bytes(method, path, headers, body))
    with connection.makefile("rb") as stream:
        return read_reply(stream, method != "HEAD")


def request_bytes(method: str, path: str, headers: Lines, body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def read_reply(stream: BinaryIO, has_body: bool = True) -> Reply:
    """Read one response, whose body has a length; status 0 where the server closed the connection."""
    first = stream.readline()
    if not first:
        return Reply(0, {}, b"")
    headers = {}
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", 0)) if has_body else 0
    return Reply(int(first.split()[1]), headers, stream.read(length))
