"""From a server of our own on 127.0.0.1: whole, resumed, checked, bounded; and the known names."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from file_server import BODY, DIGEST, Server
from hypothesis import given
from hypothesis import strategies as st
from local_server import running
from makers import encoded, mnist_files, pixels, write_tar, write_targz, write_zip

from sparring.data import registry as known
from sparring.data import resolve as source
from sparring.data.files.download import download, file_name
from sparring.data.open import open_source
from sparring.engine.errors import SparringError, UsageError


def test_a_whole_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        path = download(f"{server.url}/a.bin#sha256={DIGEST}", tmp_path / "d")
        assert path.read_bytes() == BODY
    assert server.asked == [("/a.bin", None)]
    assert [p.name for p in (tmp_path / "d").iterdir()] == ["a.bin"]


def test_a_cut_connection_is_resumed_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.cuts = [100_000, 50_000]
    assert download(f"{server.url}/a.bin#sha256={DIGEST}", tmp_path).read_bytes() == BODY
    assert server.asked == [("/a.bin", None), ("/a.bin", "bytes=100000-"), ("/a.bin", "bytes=150000-")]


def test_a_failed_download_goes_on_in_the_next_call(server: Server, tmp_path: Path) -> None:
    server.cuts = [100_000, 0, 0, 0]
    with pytest.raises(SparringError, match=r"could not be fetched.*100,000 bytes are kept"):
        download(f"{server.url}/a.bin", tmp_path)
    assert not (tmp_path / "a.bin").exists()
    server.asked.clear()
    assert download(f"{server.url}/a.bin", tmp_path).read_bytes() == BODY
    assert server.asked == [("/a.bin", "bytes=100000-")]


def test_a_server_that_cannot_resume(server: Server, tmp_path: Path) -> None:
    server.cuts, server.resumes = [100_000], False
    assert download(f"{server.url}/a.bin", tmp_path).read_bytes() == BODY


def test_a_server_that_sends_another_range_is_not_believed(server: Server, tmp_path: Path) -> None:
    server.cuts, server.shift = [100_000], 5
    assert download(f"{server.url}/a.bin", tmp_path).read_bytes() == BODY


def test_a_server_that_tells_no_length(server: Server, tmp_path: Path) -> None:
    server.length = False
    assert download(f"{server.url}/a.bin", tmp_path).read_bytes() == BODY
    with pytest.raises(SparringError, match="sends more than the 1,000 bytes"):
        download(f"{server.url}/a.bin", tmp_path / "other", limit=1000)


def test_leftovers_longer_than_the_file_begin_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".a.bin.part").write_bytes(BODY + b"more")
    assert download(f"{server.url}/a.bin", tmp_path).read_bytes() == BODY


def test_a_wrong_sha256_is_said_and_nothing_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SparringError, match=f"another sha256 than given: {DIGEST}"):
        download(f"{server.url}/a.bin#sha256={'0' * 64}", tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("fragment", ["sha256=xyz", "md5=" + "0" * 64, "sha256=" + "g" * 64, "top"])
def test_a_bad_fragment_is_a_usage_error(fragment: str, server: Server, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="sha256= and 64 hexadecimal digits"):
        download(f"{server.url}/a.bin#{fragment}", tmp_path)
    assert server.asked == []


def test_too_large_is_refused_before_it_is_fetched(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SparringError, match="is 512,000 bytes long, more than the 1,000 that are taken"):
        download(f"{server.url}/a.bin", tmp_path, limit=1000)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_a_full_disk_is_said_before(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(SparringError, match="needs 512,000 bytes on the disk"):
        download(f"{server.url}/a.bin", tmp_path)


@pytest.mark.parametrize(("status", "tries", "words"), [(404, 1, "answers 404 .*check the address"), (503, 4, "503")])
def test_errors_of_the_server(status: int, tries: int, words: str, server: Server, tmp_path: Path) -> None:
    server.status = status
    with pytest.raises(SparringError, match=words):
        download(f"{server.url}/a.bin", tmp_path)
    assert len(server.asked) == tries


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x", "http://", "http://[bad/x", "http://a b/x", "http://127.0.0.1:9/%00"]
)
def test_what_is_no_server_is_said_in_words(url: str, tmp_path: Path) -> None:
    with pytest.raises(SparringError, match="fetched"):
        download(url, tmp_path)


@given(st.text(alphabet="ab./%20\\:é\n?&=", max_size=30))
def test_a_name_from_the_web_is_harmless(path: str) -> None:
    name = file_name(f"http://host/{path}")
    assert name
    assert not name.startswith(".")
    assert not set(name) & set('/\\:\n\0 %"')
    assert len(file_name("http://host/" + "x" * 999 + ".tar.gz")) == 100


def test_two_downloads_at_once_fetch_once(server: Server, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: download(f"{server.url}/a.bin", tmp_path), range(2)))
    assert [path.read_bytes() for path in paths] == [BODY, BODY] and len(server.asked) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


IMAGES = pixels(5)
FILES = {f"{k}.png": encoded(IMAGES[k]) for k in range(5)}


@pytest.mark.parametrize("make", [write_zip, write_tar, write_targz])
def test_a_url_is_a_source(make: Callable[[Path, dict[str, bytes]], Path], server: Server, tmp_path: Path) -> None:
    body = make(tmp_path / "packed", FILES).read_bytes()
    server.files["/set?x=1"] = body
    url = f"{server.url}/set?x=1#sha256={hashlib.sha256(body).hexdigest()}"
    data = open_source(url)
    assert np.array_equal(data[np.arange(5)], IMAGES)
    assert data.report.source == url
    assert open_source(url).report == data.report
    assert len(server.asked) == 1


def test_an_address_of_nothing_usable_is_named(server: Server) -> None:
    with pytest.raises(SparringError, match=f"nothing usable in {server.url}/a.bin"):
        open_source(f"{server.url}/a.bin")


@pytest.fixture
def published(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that publishes a small MNIST, and KNOWN that points there."""
    monkeypatch.delenv("SPARRING_DATA", raising=False)
    files = mnist_files(pixels(5, 8, 6, 1), pixels(2, 8, 6, 1, seed=1), True, [3, 1, 3, 0, 9])
    server.files |= {f"/mnist/{name}": content for name, content in files.items()}
    urls = tuple(f"{server.url}/mnist/{name}#sha256={hashlib.sha256(c).hexdigest()}" for name, c in files.items())
    monkeypatch.setitem(known.KNOWN, "mnist", known.Known(urls, ("mnist",), "small"))
    return server


@pytest.mark.parametrize("lacking", [False, True])
def test_a_known_name_is_fetched_with_its_labels(
    lacking: bool, published: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lacking:  # SPARRING_DATA is set, but the set is not there
        monkeypatch.setenv("SPARRING_DATA", str(tmp_path))
    data = open_source("mnist")
    assert data.report.splits == {"train": 5, "test": 2}
    assert data.report.classes == {"0": 1, "1": 2, "3": 3, "9": 1}
    assert data.report.skipped == {}
    open_source("mnist")
    assert len(published.asked) == 4


def test_a_known_name_with_another_checksum_is_refused(published: Server) -> None:
    name = next(name for name in published.files if "t10k-labels" in name)
    published.files[name] = gzip.compress(b"something else")
    with pytest.raises(SparringError, match=r"t10k-labels-idx1-ubyte\.gz has another sha256"):
        open_source("mnist")


def test_a_known_name_is_looked_up_offline_first(
    published: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in published.files.items():
        if name.startswith("/mnist/"):
            (tmp_path / "data/mnist").mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / name[1:]).write_bytes(content)
    monkeypatch.setenv("SPARRING_DATA", str(tmp_path / "data"))
    assert open_source("mnist").report.splits == {"train": 5, "test": 2}
    assert published.asked == []


def test_what_is_published_has_checksums() -> None:
    for name, one in known.KNOWN.items():
        assert one.urls, name
        assert all(len(url.partition("#sha256=")[2]) == 64 for url in one.urls)
    assert source.KNOWN is known.KNOWN


def test_a_token_is_sent_to_the_first_host_alone(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, str | None]] = []
    targets = {"/a": "/b", "/b": f"{server.url}/a.bin"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Authorization")))
            self.send_response(302)
            self.send_header("Location", targets[self.path])
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    with running(Handler) as url:
        assert download(f"{url}/a", tmp_path, token="secret").read_bytes() == BODY
    assert seen == [("/a", "Bearer secret"), ("/b", "Bearer secret")]
    assert server.tokens == [None]
