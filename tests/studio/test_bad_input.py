"""What goes wrong around the page: damaged runs, a full disk, huge uploads, browsers that go away."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sparring.studio.runs import routes as run_routes
from sparring.studio.server import uploads

from .folders import run_folder, wait_until
from .served import LocalStudio, exchange, local_studio, read_reply, request_bytes


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalStudio]:
    with local_studio(tmp_path / "runs") as running:
        yield running


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes, which is reported as a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def error_of(body: bytes) -> str:
    return str(json.loads(body)["error"])


def stored(local: LocalStudio) -> list[Path]:
    return [path for path in (local.state.folder / ".studio").rglob("*") if path.name != "jobs"]


def test_a_folder_that_is_no_run(local: LocalStudio) -> None:
    (local.state.folder / "photos").mkdir(parents=True)
    assert json.loads(local.send("GET", "/api/runs").body)["runs"] == []
    for path in ("/api/run?run=photos", "/api/events?run=photos", "/api/doctor?run=photos", "/api/events"):
        reply = local.send("GET", path)
        assert reply.status == 400 and "run" in error_of(reply.body)


def test_damaged_runs_do_not_hide_the_others(local: LocalStudio) -> None:
    run_folder(local.state.folder / "good", nimg=100)
    run_folder(local.state.folder / "bad").path.joinpath("run.json").write_text("{")
    infinite = run_folder(local.state.folder / "infinite", recipe={"name": "r3", "settings": {"lr": float("inf")}})
    infinite.log(7, {"generator": float("nan")})
    rows = {row["name"]: row for row in json.loads(local.send("GET", "/api/runs").body)["runs"]}
    assert {name: row["state"] for name, row in rows.items()} == {
        "good": "done", "bad": "damaged", "infinite": "running"
    }  # fmt: skip
    assert "damaged" in rows["bad"]["note"]
    details = json.loads(local.send("GET", "/api/run?run=bad").body)
    assert details["settings"] == {} and details["summary"]["state"] == "damaged"
    details = json.loads(local.send("GET", "/api/run?run=infinite").body)
    assert details["settings"]["recipe"]["settings"]["lr"] is None  # JSON has no infinity
    reply = local.send("GET", "/api/doctor?run=bad")
    assert reply.status == 500 and "damaged" in error_of(reply.body)


def test_a_run_that_is_being_written(local: LocalStudio) -> None:
    run = run_folder(local.state.folder / "new")  # no metrics yet
    (row,) = json.loads(local.send("GET", "/api/runs").body)["runs"]
    assert (row["nimg"], row["thumbnail"]) == (0, "")
    (run.path / "metrics.jsonl").write_text('{"nimg": 4')
    (row,) = json.loads(local.send("GET", "/api/runs").body)["runs"]
    assert (row["nimg"], row["state"]) == (0, "running")


def test_a_full_disk(local: LocalStudio) -> None:
    data = b"x" * 300_000
    with full_disk(100_000):
        reply = local.send(
            "POST", "/api/upload?name=a.zip", local.headers(content_type="application/octet-stream"), data
        )
    assert reply.status == 500 and "the disk is full" in error_of(reply.body)
    assert not [path for path in stored(local) if path.is_file()]
    with full_disk(0):
        reply = local.post("/api/start", json.dumps({"command": "train", "source": "digits", "name": "a"}).encode())
    assert reply.status == 500 and "the disk is full" in error_of(reply.body)
    assert json.loads(local.send("GET", "/api/runs").body)["runs"] == []
    assert not [path for path in stored(local) if path.is_file()]


def test_a_file_of_two_gigabytes_is_refused_before_it_is_sent(local: LocalStudio) -> None:
    headers = [*local.headers(content_type="application/octet-stream"), ("Content-Length", "2000000000")]
    with local.connect() as connection:
        connection.sendall(request_bytes("PUT", "/api/upload?name=film.zip", headers).replace(b"PUT", b"POST", 1))
        with connection.makefile("rb") as stream:
            reply = read_reply(stream)
    assert reply.status == 400 and "write its path into the field" in error_of(reply.body)
    assert not stored(local)


def test_a_large_file_of_unknown_length_is_refused(local: LocalStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOAD", 1000)
    headers = [*local.headers(content_type="application/octet-stream"), ("Transfer-Encoding", "chunked")]
    chunk = b"200\r\n" + b"x" * 512 + b"\r\n"
    with local.connect() as connection:
        request = request_bytes("PUT", "/api/upload?name=film.zip", headers).replace(b"PUT", b"POST", 1)
        connection.sendall(request + 4 * chunk + b"0\r\n\r\n")
        with connection.makefile("rb") as stream:
            assert read_reply(stream).status == 400
    assert not [path for path in stored(local) if path.is_file()]


def test_a_browser_that_goes_away_in_an_upload_leaves_nothing(local: LocalStudio) -> None:
    headers = [*local.headers(content_type="application/octet-stream"), ("Content-Length", "100000")]
    with local.connect() as connection:
        connection.sendall(
            request_bytes("PUT", "/api/upload?name=a.zip", headers).replace(b"PUT", b"POST", 1) + b"x" * 9
        )
        wait_until(lambda: any(path.is_file() for path in stored(local)))
    wait_until(lambda: not any(path.is_file() for path in stored(local)))
    wait_until(lambda: not local.bound.server.server_state.tasks)


def test_a_stream_ends_with_its_browser(local: LocalStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_routes, "POLL_SECONDS", 0.01)
    run = run_folder(local.state.folder / "a", nimg=10)
    with local.connect() as connection:
        connection.sendall(request_bytes("GET", "/api/events?run=a", local.headers()))
        text = b""
        while text.count(b"data: ") < 1 or not text.endswith(b"\n\n\r\n"):
            text += connection.recv(65536)
        run.log(20, {"generator": 2.0})
        while text.count(b"data: ") < 2 or not text.endswith(b"\n\n\r\n"):
            text += connection.recv(65536)
        events = [json.loads(line[6:]) for line in text.decode().splitlines() if line.startswith("data: ")]
        assert [[line["nimg"] for line in event["metrics"]] for event in events] == [[10], [20]]
        assert local.bound.server.server_state.tasks
    wait_until(lambda: not local.bound.server.server_state.tasks)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"null", b"\xff", b"[" * 100_000, b'{"run": 3}', b'{"run": "a\\u0000"}', b'{"run": null}'],
)
def test_bodies_that_are_no_request(local: LocalStudio, body: bytes) -> None:
    for path in ("/api/continue", "/api/stop", "/api/start", "/api/command", "/api/inspect"):
        reply = local.post(path, body)
        assert reply.status == 400 and error_of(reply.body)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"command": "attack"}, "unknown command"), ({"source": ""}, "source is missing"),
        ({"source": "--help"}, "source is missing"), ({"name": "../a"}, "letters"), ({"name": ""}, "letters"),
        ({"name": "a/b"}, "letters"), ({"name": "there"}, "exists"), ({"minutes": "-1"}, "minutes"),
        ({"minutes": "nan"}, "minutes"), ({"seed": "1.5"}, "seed"), ({"recipe": "--out"}, "may not begin"),
        ({"recipe": "nothing"}, "unknown recipe"), ({"label": "-x"}, "may not begin"), ({"size": "0 --force"}, "size"),
    ],
)  # fmt: skip
def test_the_form_starts_nothing_else(local: LocalStudio, fields: dict[str, str], message: str) -> None:
    run_folder(local.state.folder / "there")
    body = {"command": "train", "source": "digits", "name": "new", **fields}
    for path in ("/api/command", "/api/start"):
        reply = local.post(path, json.dumps(body).encode())
        assert reply.status == 400 and message in error_of(reply.body)
    assert not (local.state.folder / ".studio").exists()


def test_the_command_is_shown_and_its_words_are_quoted(local: LocalStudio) -> None:
    body = {"command": "train", "source": "no such; rm -rf $HOME", "name": "new", "minutes": "2", "kind": "image"}
    command = json.loads(local.post("/api/command", json.dumps(body).encode()).body)["command"]
    out = local.state.folder / "new"
    assert command == f"sparring train 'no such; rm -rf $HOME' --out {out} --minutes 2.0 --kind image"


def test_an_answer_after_a_refused_one_is_whole(local: LocalStudio) -> None:
    with local.connect() as connection:
        for path, status in (("/api/run?run=x", 400), ("/api/runs", 200), ("/nothing", 404), ("/api/runs", 200)):
            assert exchange(connection, "GET", path, local.headers()).status == status
