"""Serve the studio: bind, print the address, run until Ctrl-C."""

from __future__ import annotations

import errno
import ipaddress
import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from sparring.engine.errors import SparringError, UsageError
from sparring.studio.app import application
from sparring.studio.server.guard import Keys
from sparring.studio.server.state import Studio

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class BoundServer:
    """A server that has its port, and does not answer yet."""

    server: uvicorn.Server
    listener: socket.socket
    url: str
    """Address of the page, with the token."""

    def run(self) -> None:
        """Answer until the process is interrupted, or `server.should_exit` is set."""
        with suppress(KeyboardInterrupt):  # the usual end
            self.server.run(sockets=[self.listener])


def serve(folder: Path, host: str, port: int, *, browser: bool, on_start: Callable[[str], None]) -> None:
    """Serve the runs below `folder` until the process is interrupted; call `on_start` with the address."""
    bound = bound_server(folder, host, port)
    on_start(bound.url)
    if browser:
        webbrowser.open(bound.url)
    bound.run()


def bound_server(folder: Path, host: str, port: int) -> BoundServer:
    """Return a server of the runs below `folder`; port 0 takes a free one.

    Raises UsageError where the host is no address, SparringError where the port is in use.
    """
    address = _address(host)
    listener = _bind(str(address), port)
    port = listener.getsockname()[1]
    name = f"[{address}]" if address.version == 6 else str(address)
    hosts = [f"{each}:{port}" for each in {*LOOPBACK, name}] if address.is_loopback else [f"{name}:{port}"]
    keys = Keys(secrets.token_urlsafe(24), secrets.token_urlsafe(24), f"sparring-{port}")
    url = f"http://{name}:{port}/#{keys.token}"
    app = application(Studio.of(folder.resolve()), hosts, keys)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=2, server_header=False)
    )
    if not address.is_loopback:
        print(
            f"sparring: warning: {host} can be reached from the network, without encryption: whoever has the address "
            "with its token can start commands here",
            file=sys.stderr,
        )
    return BoundServer(server, listener, url)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
    except ValueError as error:
        raise UsageError(f"--host {host} is no address: give one of this machine, like 192.168.1.5") from error
    if address.is_unspecified:
        raise UsageError(f"--host {host} names no address: give the one under which browsers reach this machine")
    return address


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sends at once only with it
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise SparringError(f"port {port} is in use: choose another --port, or 0 for a free one") from error
        reason = f"{host}:{port} cannot be opened: {error.strerror}"
        raise SparringError(f"{reason}. Choose another --host or --port") from error
    return listener
