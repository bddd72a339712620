"""Every page: no violation that axe-core knows, everything by keyboard, nothing wider than a phone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .accessibility import emulate, missed_by_tab, violations
from .browser import browsing, needs_browser
from .served import local_studio

pytestmark = [needs_browser, pytest.mark.slow]

MAIN = Path(__file__).parents[2] / "src" / "sparring" / "studio" / "static" / "main.js"
PAGES = re.findall(r"\w+", re.findall(r"const PAGES = {(.*?)}", MAIN.read_text())[0])
ADDRESSES = [*(f"#/{page}" for page in PAGES), "#/runs?run=few", "#/runs?new=1&source=digits"]
READY = (
    "return document.querySelector('main h1') !== null && !/\\.\\.\\.$/m.test(document.querySelector('main').innerText)"
)


@pytest.fixture(scope="module")
def driver(_trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    profile, refused = tmp_path_factory.mktemp("profile"), "Failed to load resource"  # a message on the page
    # a copy: the Label page writes down what it shows, and other tests count that
    runs = Path(shutil.copytree(_trained, tmp_path_factory.mktemp("copy") / "runs"))
    with local_studio(runs) as local, browsing(local, profile, expected=refused) as opened:
        yield opened


def open_page(driver: Any, address: str, width: int, scheme: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    emulate(driver, width, scheme)
    driver.execute_script("location.hash = '#/nothing'")
    driver.execute_script("location.hash = arguments[0]", address)
    calm = """
    const text = document.querySelector("main").innerHTML;
    const same = window.lastText === text && text !== "";
    window.lastText = text;
    return same;
    """
    WebDriverWait(driver, 60, poll_frequency=1).until(lambda d: d.execute_script(READY) and d.execute_script(calm))


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("address", ADDRESSES)
def test_no_violation(driver: Any, address: str, width: int, scheme: str) -> None:
    open_page(driver, address, width, scheme)
    driver.execute_script(
        "for (const one of document.querySelectorAll('details')) one.open = !one.querySelector('iframe')"
    )
    assert violations(driver) == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_control_is_reached_by_the_tab_key(driver: Any, address: str) -> None:
    open_page(driver, address, 1280, "light")
    assert not missed_by_tab(driver)
