"""What a foreign page, a foreign user of the machine and a stranger's run folder can reach: nothing."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from sparring.commands.studio import studio as studio_command
from sparring.engine.errors import SparringError, UsageError
from sparring.studio.serve import bound_server
from sparring.studio.server.uploads import safe_name

from ..folders import run_folder, wait_until
from ..served import LocalStudio, Reply, exchange, local_studio, read_reply, request_bytes

SECRET = b"the secret of the house"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStudio]:
    folder = tmp_path_factory.mktemp("house")
    (folder / "secret.txt").write_bytes(SECRET)
    (folder / "secret.json").write_bytes(b'{"format": 2, "x": "' + SECRET + b'"}')
    run_folder(folder / "runs" / "a", nimg=50)
    with local_studio(folder / "runs") as running:
        yield running


def routes_of(local: LocalStudio) -> list[tuple[str, str]]:
    """Every method and path of the application, with a value for each parameter."""
    app: Any = local.guard.app
    assert all(isinstance(route, Route) for route in app.routes), "a new type of route: teach this test to walk it"
    return [
        (method, route.path.replace("{name}", "0" * 32)) for route in app.routes for method in sorted(route.methods)
    ]


def test_every_route_needs_the_token(local: LocalStudio) -> None:
    routes = routes_of(local)
    assert ("GET", "/api/runs") in routes and ("POST", "/api/start") in routes
    public = []
    for method, path in routes:
        assert "{" not in path, f"give {path} a value in this test"
        headers = [("Host", f"127.0.0.1:{local.port}"), ("Content-Type", "application/json")]
        reply = local.send(method, path, headers, b"{}" if method == "POST" else b"")
        if reply.status == 401:
            continue
        public.append((method, path, reply.status))
    assert all(method in ("GET", "HEAD") for method, _, _ in public)
    assert {path for _, path, _ in public} == {path for _, path in routes if path == "/" or path.startswith("/static/")}


def test_public_addresses_are_the_files_of_the_package(local: LocalStudio) -> None:
    static = Path(__file__).parents[3] / "src" / "sparring" / "studio" / "static"
    names = {f"/static/{path.relative_to(static)}" for path in static.rglob("*") if path.is_file()}
    assert {path for _, path in routes_of(local) if path.startswith("/static/")} == names - {"/static/index.html"}


def test_matrix_of_host_origin_secret_and_method(local: LocalStudio) -> None:
    port, keys = local.port, local.keys
    ours = [f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"]
    hosts = [*ours, "evil.example", "127.0.0.1", f"127.0.0.1:{port + 1}", f"0.0.0.0:{port}", ""]
    origins = [None, f"http://{ours[0]}", "null", f"https://{ours[0]}", f"http://{ours[0]}.evil.example"]
    named = f"{keys.cookie_name}="
    secrets: dict[str, list[tuple[str, str]]] = {
        "none": [],
        "token": [("x-sparring-token", keys.token)],
        "cookie": [("Cookie", named + keys.cookie)],
        "swapped": [("x-sparring-token", keys.cookie), ("Cookie", named + keys.token)],
    }
    url = local.state.files.url(local.state.folder / "a" / "run.json")
    targets = [
        ("GET", "/"), ("GET", url), ("GET", "/api/runs"), ("HEAD", url), ("POST", "/api/session"), ("POST", url),
        ("OPTIONS", "/api/session"), ("DELETE", "/api/runs"),
    ]  # fmt: skip
    for host, origin, (secret, extra) in itertools.product(hosts, origins, secrets.items()):
        common = [("Host", host), *([] if origin is None else [("Origin", origin)]), *extra]
        from_us = host in ours and origin in (None, *(f"http://{each}" for each in ours))
        for (method, path), reply in zip(targets, ask_all(local, targets, common), strict=True):
            allowed = from_us and method in ("GET", "HEAD", "POST") and may(secret, method, path, url)
            assert (reply.status in (200, 404)) == allowed, (host, origin, secret, method, path, reply.status)
            assert not any(name.startswith("access-control") for name in reply.headers)


def ask_all(local: LocalStudio, targets: list[tuple[str, str]], headers: list[tuple[str, str]]) -> list[Reply]:
    """Send all requests at once, and read the replies in order."""
    json_type = ("Content-Type", "application/json")
    with local.connect() as connection:
        for method, path in targets:
            posts = method == "POST"
            body = b"{}" if posts else b""
            connection.sendall(request_bytes(method, path, [*headers, json_type] if posts else headers, body))
        with connection.makefile("rb") as stream:
            return [read_reply(stream, method != "HEAD") for method, _ in targets]


def may(secret: str, method: str, path: str, url: str) -> bool:
    """Whether a secret opens an address: the token all, the cookie files for reading, none the page alone."""
    return secret == "token" or (method != "POST" and (path == "/" or (path == url and secret == "cookie")))


@pytest.mark.parametrize(
    "host",
    ["localhost.:{port}", "127.1:{port}", "2130706433:{port}", "LOCALHOST:{port}", "127.0.0.1:{port}.evil.example",
     "evil.example:{port}", "127.0.0.1:{port}, evil"],
)  # fmt: skip
def test_names_that_look_like_ours(local: LocalStudio, host: str) -> None:
    headers = [("Host", host.format(port=local.port)), *local.headers()[1:]]
    assert local.send("GET", "/api/runs", headers).status in (400, 421)


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ([("Sec-Fetch-Site", "same-origin")], True), ([("Sec-Fetch-Site", "none")], True),
        ([("Sec-Fetch-Site", "cross-site")], False), ([("Sec-Fetch-Site", "same-site")], False),
        ([("Host", "evil.example")], False),  # a second one
        ([("Origin", "null"), ("Origin", "http://localhost")], False),
    ],
)  # fmt: skip
def test_further_headers(local: LocalStudio, headers: list[tuple[str, str]], allowed: bool) -> None:
    assert (local.send("GET", "/api/runs", [*local.headers(), *headers]).status == 200) == allowed


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_cannot_post(local: LocalStudio, kind: str) -> None:
    assert local.send("POST", "/api/session", local.headers(content_type=kind), b"{}").status == 415


def test_answers_carry_the_policy(local: LocalStudio) -> None:
    for path in ("/", "/api/runs", "/nothing", "/static/main.js"):
        headers = local.send("GET", path).headers
        assert (
            "default-src 'none'" in headers["content-security-policy"]
            and "'unsafe" not in headers["content-security-policy"]
        )
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    file = local.send("GET", local.state.files.url(local.state.folder / "a" / "run.json"))
    assert file.status == 200 and file.headers["content-security-policy"].startswith("sandbox;")
    refused = local.send("GET", "/api/runs", [("Host", "evil.example")])
    assert refused.status == 421 and "default-src 'none'" in refused.headers["content-security-policy"]


TRAVERSALS = [
    "../secret.txt", "../../secret.txt", "..%2fsecret.txt", "..%2f..%2fsecret.txt", "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt", "%252e%252e%252fsecret.txt", "..%5csecret.txt", "..\\secret.txt", "..%255csecret.txt",
    "....//secret.txt", "....//....//secret.txt", "..;/secret.txt", ".%00./secret.txt", "a%00.png", "%00",
    "..%00/secret.txt", "/etc/passwd", "//etc/passwd", "////etc/passwd", "%2fetc%2fpasswd", "%2f%2fevil.example",
    "http://evil.example/", "\\\\evil\\share", "C:\\windows\\win.ini", "C:/windows/win.ini", "C%3a%5cwindows%5cwin.ini",
    "file:///etc/passwd", "..%c0%afsecret.txt", "..%ef%bc%8fsecret.txt", "%uff0e%uff0e/secret.txt", "~/secret.txt",
    "~root", "$HOME/secret.txt", "CON", "NUL.txt", "a/../../secret.txt", "./../secret.txt", "..", ".", "a/run.json",
    "a/%2e%2e/%2e%2e/secret.txt", "..%2fruns%2fa%2frun.json", "static/../secret.txt", "*", "..%0d%0a",
]  # fmt: skip


@pytest.mark.parametrize("text", TRAVERSALS)
def test_traversal_reaches_nothing(local: LocalStudio, text: str) -> None:
    for prefix in ("/files/", "/static/", "/static/pages/", "/api/", "/"):
        reply = local.send("GET", prefix + text)
        assert reply.status in (400, 404), (prefix + text, reply.status)
        assert SECRET not in reply.body and b"root:" not in reply.body and "location" not in reply.headers
    for path in ("/api/run?run=", "/api/doctor?run=", "/api/events?run=", "/api/job?job="):
        reply = local.send("GET", path + text)
        assert reply.status == 400 and SECRET not in reply.body


@pytest.mark.parametrize("text", TRAVERSALS)
def test_an_upload_stays_in_its_folder(local: LocalStudio, text: str) -> None:
    reply = local.send("POST", f"/api/upload?name={text}", local.headers(content_type="application/octet-stream"), b"x")
    if reply.status == 400:  # no request line at all
        return
    path = Path(json.loads(reply.body)["source"])
    assert path.read_bytes() == b"x" and path.resolve() == path
    assert path.parent.parent == local.state.folder / ".studio" / "uploads"


@pytest.mark.parametrize("text", TRAVERSALS)
def test_a_file_of_a_set_stays_in_its_folder(local: LocalStudio, text: str) -> None:
    headers, uploads = (
        local.headers(content_type="application/octet-stream"),
        local.state.folder / ".studio" / "uploads",
    )
    reply = local.send("POST", f"/api/upload?set=&name={text}", headers, b"x")
    if reply.status == 200:
        path = Path(json.loads(reply.body)["source"])
        assert path.resolve() == path and path.parent.parent == uploads
        assert [each.read_bytes() for each in path.parent.rglob("*") if each.is_file()] == [b"x"]
    assert local.send("POST", f"/api/upload?name=a.png&set={text}", headers, b"x").status == 400
    assert not (uploads / "a.png").exists() and not (uploads.parent / "a.png").exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photos.zip", "photos.zip"), ("golden retriever", "golden retriever"), ("été.csv", "été.csv"), ("", "upload"),
        ("..", "upload"), ("e\u0301te\u0301.csv", "été.csv"), (".bashrc", "bashrc"), ("-rf", "rf"),
        ("a" * 60, "a" * 60),
    ],
)  # fmt: skip
def test_harmless_names_stay(name: str, expected: str) -> None:
    assert safe_name(name) == expected


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("<img src=x onerror=alert(1)>.png", "img src_x onerror_alert_1-", ".png"), ("a\0b.csv", "a_b-", ".csv"),
        ("a\n.csv", "a-", ".csv"), ("$(id).csv", "id-", ".csv"), ("a" * 300 + ".zip", "a" * 49 + "-", ".zip"),
        ("cat?", "cat-", ""), ("日" * 90, "日" * 53 + "-", ""), ("a." + "b" * 300, "a-", "." + "b" * 9),
        ("\ud800x.png", "x-", ".png"), ("../../x.csv", "x-", ".csv"),
    ],
)  # fmt: skip
def test_other_names_are_cleaned_and_kept_apart(name: str, start: str, end: str) -> None:
    safe = safe_name(name)
    assert safe.startswith(start) and safe.endswith(end)
    assert len(safe.encode()) <= 240 and not set(safe) & set("/\\\0\n<>$()?'\"")
    assert safe == safe_name(name) != safe_name(name + "!")


def test_there_is_no_websocket(local: LocalStudio) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    for path in ("/", "/api/events?run=a", "/ws"):
        headers = [*local.headers(), *upgrade.items(), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
        with local.connect() as connection:
            assert exchange(connection, "GET", path, headers).status != 101
    sent: list[Any] = []

    async def ask() -> None:
        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        token = (b"x-sparring-token", local.keys.token.encode())
        scope = {"type": "websocket", "path": "/", "headers": [(b"host", f"127.0.0.1:{local.port}".encode()), token]}
        await local.guard(scope, receive, send)

    asyncio.run(ask())
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_links_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_bytes(b'{"format": 2, "command": "' + SECRET + b'"}')
    (tmp_path / "secret.png").write_bytes(SECRET)
    for name, target in (("link", "secret.json"), ("device", "/dev/zero")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").symlink_to(tmp_path / target)
    (tmp_path / "runs" / "pipe").mkdir()
    os.mkfifo(tmp_path / "runs" / "pipe" / "run.json")
    metrics = run_folder(tmp_path / "runs" / "metrics")
    os.mkfifo(metrics.path / "metrics.jsonl")
    samples = run_folder(tmp_path / "runs" / "samples")
    (samples.path / "samples").mkdir()
    (samples.path / "samples" / "000000001.png").symlink_to(tmp_path / "secret.png")
    large = run_folder(tmp_path / "runs" / "large")
    with open(large.path / "evaluation.json", "wb") as file:
        file.truncate(30_000_000)
    with local_studio(tmp_path / "runs") as local:
        reply = local.send("GET", "/api/runs")
        states = {row["name"]: row["state"] for row in json.loads(reply.body)["runs"]}
        assert states.pop("samples") == "stopped" and len(states) == 5
        assert set(states.values()) == {"damaged"} and SECRET not in reply.body
        for name in states:
            assert local.send("GET", f"/api/run?run={name}").status == 400
        row = next(row for row in json.loads(reply.body)["runs"] if row["name"] == "samples")
        assert local.send("GET", row["thumbnail"]).status == 404


def test_another_host_warns_and_needs_the_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("this machine has no network")
        address = probe.getsockname()[0]
    bound = bound_server(tmp_path, address, 0)
    bound.listener.close()
    assert "can be reached from the network" in capsys.readouterr().err
    assert bound.url.startswith(f"http://{address}:")
    guard: Any = bound.server.config.app
    scope = {"type": "http", "method": "GET", "path": "/api/runs"}
    host = (b"host", bound.url.split("/")[2].encode())
    assert guard.refusal({**scope, "headers": [host]})[0] == 401
    assert guard.refusal({**scope, "headers": [host, (b"x-sparring-token", guard.keys.token.encode())]}) is None
    assert guard.refusal({**scope, "headers": [(b"host", b"127.0.0.1")]})[0] == 421


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org", "", "256.0.0.1"])
def test_a_host_that_is_no_address(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="--host"):
        bound_server(tmp_path, host, 0)


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(SparringError, match="is in use: choose another --port"):
            studio_command(tmp_path, port=other.getsockname()[1], browser=False)


def test_the_token_is_in_the_fragment_alone(tmp_path: Path) -> None:
    with local_studio(tmp_path) as local:
        address, _, fragment = local.bound.url.partition("#")
        assert fragment == local.keys.token and len(fragment) >= 32
        assert local.keys.token not in address
        wait_until(lambda: local.bound.server.started)
        assert local.keys.token.encode() not in local.send("GET", "/").body
