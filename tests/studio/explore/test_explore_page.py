"""Explore and Concepts in a real browser, as a user goes through them."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sparring

from ..accessibility import violations
from ..browser import Server, browsing, needs_browser, serving
from .generators import write_generators

pytestmark = [needs_browser, pytest.mark.slow]
WAIT_SECONDS = 20
PIXELS = "return [...arguments[0].getContext('2d').getImageData(0, 0, 8, 8).data]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_generators(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(folder) as server:
        yield server


@pytest.fixture
def page(server: Server, tmp_path: Path) -> Iterator[Page]:
    with browsing(server, tmp_path / "profile") as driver:
        yield Page(driver, server.url)


class Page:
    """A page in the browser, by what a user sees."""

    def __init__(self, driver: Any, url: str) -> None:
        self.driver, self.url = driver, url

    def open(self, address: str) -> None:
        self.one("#pages a")  # the page has its token
        self.driver.get(f"{self.url}/#/{address}")

    def until(self, condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
        end = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < end, self.driver.find_element("id", "main").text
            time.sleep(0.05)
        return value

    def all(self, selector: str) -> list[Any]:
        return list(self.driver.find_elements("css selector", selector))

    def one(self, selector: str) -> Any:
        return self.until(lambda: self.all(selector))[0]

    def button(self, text: str) -> Any:
        return self.until(lambda: [each for each in self.all("button") if each.text == text])[0]

    def pixels(self, canvas: Any) -> list[int]:
        return list(self.driver.execute_script(PIXELS, canvas))

    def type(self, label: str, text: str) -> None:
        """Replace the text of the input with this label."""
        box = self.one(f"input[aria-label='{label}']")
        box.clear()
        box.send_keys(text)


@pytest.fixture
def downloads(page: Page, tmp_path: Path) -> Path:
    path = tmp_path / "downloads"
    path.mkdir()
    page.driver.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(path)})
    return path


def test_samples_walk_nearest_and_a_download(page: Page, folder: Path, downloads: Path) -> None:
    page.open("explore?run=r3&count=4&seed=5")
    canvases = page.until(lambda: len(found := page.all("[data-seed] canvas")) == 4 and found)
    assert "class" in canvases[0].get_attribute("aria-label")
    (rows,) = sparring.load(folder / "r3").samples(1, seed=5)
    shown = np.array(page.pixels(canvases[0])).reshape(8, 8, 4)[..., :1]
    assert np.abs(shown - rows[0].astype(int)).max() <= 1

    page.all("[data-seed]")[2].click()
    assert "picked=7" in page.driver.current_url
    page.button("Find the nearest training images").click()
    page.until(lambda: "of 1,500 training images" in page.one("main").text)

    page.type("Seed, typed", "11")
    page.until(lambda: page.all("[data-seed='11']"))
    assert "seed=11" in page.driver.current_url

    screen = page.one(".screen canvas:not(.easel)")
    before = page.pixels(screen)
    page.type("Place on the way, typed", "0.5")
    page.until(lambda: page.pixels(screen) != before)

    page.button("PNG").click()
    path = page.until(lambda: [each for each in downloads.iterdir() if each.suffix == ".png"])[0]
    page.until(lambda: path.stat().st_size)
    assert Image.open(io.BytesIO(path.read_bytes())).info["Software"] == "sparring"


def test_the_walk_stands_still_until_it_is_played(page: Page) -> None:
    """The browser of the tests prefers reduced motion."""
    page.open("explore?run=r3&play=1")
    screen = page.one(".screen canvas:not(.easel)")
    before = page.pixels(screen)
    time.sleep(0.7)
    assert page.pixels(screen) == before
    page.button("Play").click()
    page.until(lambda: page.pixels(screen) != before)
    page.button("Pause").click()
    time.sleep(0.3)
    still = page.pixels(screen)
    time.sleep(0.5)
    assert page.pixels(screen) == still


def test_two_checkpoints_with_equal_latents(page: Page, folder: Path) -> None:
    first = sparring.Run(folder / "r3").checkpoints()[0].name
    page.open(f"explore?run=r3&other=r3&other_checkpoint={int(first)}&count=4")
    page.until(lambda: len(page.all("[data-seed] canvas")) == 8)
    assert len(page.until(lambda: len(found := page.all(".screen canvas:not(.easel)")) >= 2 and found)) >= 2
    assert [each.get_attribute("data-seed") for each in page.all("[data-seed]")] == ["0", "1", "2", "3"] * 2


@pytest.mark.parametrize("run", ["rbm", "dbm", "pixelcnn"])
def test_a_hole_is_painted_by_keyboard_and_filled(page: Page, run: str) -> None:
    page.open(f"explore?run={run}&count=4")
    page.until(lambda: page.all("[data-seed] canvas"))
    assert {"pixelcnn": "bits/dim"}.get(run, "nats") in page.one("figcaption").text
    easel = page.one("canvas.easel")
    page.until(lambda: easel.get_attribute("width") == "8")
    before = page.pixels(easel)
    page.driver.execute_script("arguments[0].focus()", easel)
    easel.send_keys(" ")
    assert page.pixels(easel) != before
    page.button("Lower half").click()
    page.button("Fill the hole").click()
    page.until(lambda: page.one("main").text.count("log P -") == 6)


def test_the_deep_image_prior_fills_a_hole(page: Page) -> None:
    page.open("explore?run=large&count=4")
    easel = page.one("canvas.easel")
    page.until(lambda: easel.get_attribute("width") == "16")
    page.button("Lower half").click()
    minutes = page.one("input[max='30']")
    minutes.clear()
    minutes.send_keys("0.1")
    page.button("Fill by the deep image prior").click()
    page.until(lambda: page.all("figure img[alt^='deep image prior']"), seconds=120)


def test_the_picture_to_complete_is_in_the_address(page: Page) -> None:
    page.open("explore?run=r3&count=4&picture=data&row=3")
    easel = page.one("canvas.easel")
    page.until(lambda: easel.get_attribute("width") == "8")
    number = page.driver.find_element("xpath", "//label[contains(., 'Number of the image')]//input")
    assert number.is_displayed() and number.get_attribute("value") == "3"
    number.send_keys("4")
    page.until(lambda: "row=34" in page.driver.current_url)
    assert "needs larger pictures" in page.one("main").text


def test_concepts_are_explained_moved_and_tested(page: Page, folder: Path) -> None:
    page.open("concepts?run=r3")
    page.button("Explain the run").click()
    page.until(lambda: page.all(".handles input[type=range]"), seconds=200)
    saved = json.loads((folder / "r3/explain.json").read_text())
    assert len(page.all("tbody tr")) == len(saved["handles"])
    text = page.one("main").text
    assert all(each["sentence"] in text for each in saved["handles"])
    assert text.count("not beyond chance") == sum(not each["beyond_chance"] for each in saved["handles"])

    screen = page.one(".screen canvas:not(.easel)")
    before = page.pixels(screen)
    handle = saved["handles"][0]
    page.type(f"{handle['name']}: {handle['reading']}, typed", "3")
    page.until(lambda: page.pixels(screen) != before)
    assert "moves=0%3A3" in page.driver.current_url

    page.button("Ask me").click()
    page.one(".quiz button").click()
    page.until(lambda: "of 1 right" in page.one("main").text)
    page.button("Next question").click()
    page.until(lambda: not page.all(".quiz button:disabled"))
    page.one(".quiz button").click()
    page.until(lambda: "of 2 right" in page.one("main").text)
    assert violations(page.driver) == []


@pytest.mark.parametrize("kind", ["audio", "series", "table"])
def test_no_violation_on_the_page_of_another_kind(page: Page, kind: str) -> None:
    page.open(f"explore?run={kind}&count=4")
    page.until(lambda: page.all({"audio": "main audio", "series": "main svg", "table": "main table"}[kind]))
    assert violations(page.driver) == []


@pytest.mark.parametrize("address", ["explore?run=rbm&count=4", "explore?run=r3&other=r3&count=4"])
def test_no_violation_that_axe_knows(page: Page, address: str) -> None:
    page.open(address)
    page.until(lambda: page.all("[data-seed] canvas") and page.all(".screen canvas:not(.easel)"))
    assert violations(page.driver) == []
