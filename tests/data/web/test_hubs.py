"""Hubs and pages on a local server: what is had, at which version, and what is refused."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from local_server import serving

from sparring.data.open import open_source
from sparring.data.web.hubs import fetch_from_hub
from sparring.data.web.pages import check_robots, fetch, is_data_address, is_html, read_page
from sparring.engine.errors import SparringError, UsageError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def parquet(count: int) -> bytes:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    out = io.BytesIO()
    pq.write_table(pa.table({"a": list(range(count)), "b": ["x", "y"] * (count // 2)}), out)
    return out.getvalue()


def test_a_data_set_of_the_hub_is_its_parquet_files_at_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    content: dict[str, bytes | str | int] = {"/train.parquet": parquet(20), "/test.parquet": "/moved.parquet"}
    content["/moved.parquet"] = parquet(10)
    with serving(content) as url:
        about = {"sha": COMMIT, "cardData": {"license": "mit"}}
        splits = {"train": [f"{url}/train.parquet"], "test": [f"{url}/test.parquet"]}
        content["/api/datasets/ann/cats"] = json.dumps(about).encode()
        content["/api/datasets/ann/cats/parquet"] = json.dumps({"default": splits, "small": splits}).encode()
        monkeypatch.setenv("HF_ENDPOINT", url)
        for address in ("hf:ann/cats", "https://huggingface.co/datasets/ann/cats"):
            data = fetch_from_hub(address)
            assert data is not None and data.licence == "mit"
            assert "commit 0123456789ab" in data.evidence and "others are small" in data.evidence
            assert open_source(data.folder).report.used == 30
        with pytest.raises(SparringError, match="answers 404"):
            fetch_from_hub("hf:ann/dogs")
        content["/api/datasets/ann/cats"] = json.dumps({"sha": "../../etc"}).encode()
        with pytest.raises(SparringError, match="names no commit"):
            fetch_from_hub("hf:ann/cats")
        content["/api/datasets/ann/cats"] = b"<html>down</html>"
        with pytest.raises(SparringError, match="answers with no JSON"):
            fetch_from_hub("hf:ann/cats")


def test_a_data_set_of_openml_has_its_target(monkeypatch: pytest.MonkeyPatch) -> None:
    content: dict[str, bytes | str | int] = {"/d.parquet": parquet(20)}
    with serving(content) as url:
        monkeypatch.setenv("OPENML_ENDPOINT", url)
        fields = {"name": "wine", "version": "2", "parquet_url": f"{url}/d.parquet", "default_target_attribute": "b"}
        content["/api/v1/json/data/42"] = json.dumps({"data_set_description": fields}).encode()
        for address in ("openml:42", "https://www.openml.org/d/42", "https://www.openml.org/search?type=data&id=42"):
            data = fetch_from_hub(address)
            assert data is not None and data.target == "b" and "'wine' version 2" in data.evidence
        content["/api/v1/json/data/42"] = json.dumps({"data_set_description": {"name": "wine"}}).encode()
        with pytest.raises(SparringError, match="has no Parquet file of data set 42"):
            fetch_from_hub("openml:42")
    assert fetch_from_hub("https://example.org/d/42") is None and fetch_from_hub("photos/") is None


def test_a_data_set_of_uci_is_its_csv_or_its_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "sepal,petal,class\n" + "".join(f"{k},{k % 7},{'ab'[k % 2]}\n" for k in range(40))
    content: dict[str, bytes | str | int] = {"/static/public/53/data.csv": rows.encode()}
    with serving(content) as url:
        monkeypatch.setenv("UCI_ENDPOINT", url)
        fields = {"name": "Iris", "data_url": f"{url}/static/public/53/data.csv", "target_col": ["class"]}
        content["/api/dataset?id=53"] = json.dumps({"status": 200, "data": fields}).encode()
        for address in (
            "uci:53",
            "https://archive.ics.uci.edu/dataset/53",
            "https://archive.ics.uci.edu/dataset/53/iris",
        ):
            data = fetch_from_hub(address)
            assert data is not None and data.target == "class" and data.evidence == "UCI data set 53, 'Iris'"
            assert open_source(data.folder).report.used == 40
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("adult.data", rows)
        content["/static/public/2/census+income.zip"] = archive.getvalue()
        fields = {"name": "Census Income", "data_url": None, "target_col": ["a", "b"]}
        content["/api/dataset?id=2"] = json.dumps({"status": 200, "data": fields}).encode()
        data = fetch_from_hub("uci:2")
        assert data is not None and data.target is None and open_source(data.folder).report.used == 40
        content["/api/dataset?id=9"] = json.dumps({"status": 404, "data": None}).encode()
        with pytest.raises(SparringError, match="UCI has no data set 9: look its number up"):
            fetch_from_hub("uci:9")


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content: dict[str, bytes | str | int] = {}
    with serving(content) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        content["/api/datasets/a/b"] = json.dumps({"sha": COMMIT}).encode()
        content["/api/datasets/a/b/parquet"] = json.dumps({"default": {"train": [f"{url}/x"] * 201}}).encode()
        with pytest.raises(UsageError, match="has 201 Parquet files, more than 200"):
            fetch_from_hub("hf:a/b")


def test_links_and_words_of_a_page() -> None:
    html = b"""<!-- a --><!DOCTYPE html><title>Leaves</title><script>evil("x.zip")</script>
    <p>Photos of leaves &amp; trees. <a href="leaves.zip">data</a> <a href="/more/leaves.zip">again</a>
    <a href="javascript:alert(1)">x</a> <a href="file:///etc/passwd.csv">y</a> <a href="about.html">z</a>
    <a href="leaves.zip">twice</a>"""
    assert is_html(html) and not is_html(b"a,b\n1,2\n")
    page = read_page("http://h/p/index.html", html)
    assert page.links == ("http://h/p/leaves.zip", "http://h/more/leaves.zip")
    assert "Photos of leaves & trees." in page.text and "evil" not in page.text
    assert is_data_address("https://h/a.TAR.gz?x=1") and not is_data_address("ftp://h/a.zip")


def test_robots_and_bounds_are_respected() -> None:
    with serving(
        {"/robots.txt": b"User-agent: *\nDisallow: /private\n", "/private/a.csv": b"x", "/a": b"y" * 100}
    ) as url:
        assert fetch(f"{url}/a") == b"y" * 100
        with pytest.raises(SparringError, match=r"forbids programs to fetch .* \(robots.txt\): save it by hand"):
            check_robots(f"{url}/private/a.csv")
        with pytest.raises(SparringError, match="more than the 10 that are taken"):
            fetch(f"{url}/a", limit=10)
