"""Every page: no violation that axe-core knows, everything by keyboard, nothing wider than a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .browser import browsing, needs_browser
from .served import local_studio

pytestmark = [needs_browser, pytest.mark.slow]

AXE = Path(__file__).with_name("axe.min.js")  # axe-core 4.14.1, Mozilla Public License 2.0
MAIN = Path(__file__).parents[2] / "src" / "sparring" / "studio" / "static" / "main.js"
PAGES = re.findall(r"\w+", re.findall(r"const PAGES = {(.*?)}", MAIN.read_text())[0])
ADDRESSES = [*(f"#/{page}" for page in PAGES), "#/runs?run=few", "#/runs?new=1&source=digits"]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FIND_VIOLATIONS = """
const done = arguments[arguments.length - 1];
axe.run(document, { runOnly: arguments[0] }).then(({ violations }) =>
  done(violations.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary }) => html + failureSummary)])));
"""
CONTROLS = """
return [...document.querySelectorAll("a[href], button, input, select, textarea, summary, audio, [tabindex='0']")]
  .filter((one) => !one.disabled && one.checkVisibility({ visibilityProperty: true }) && one.type !== "radio")
  .map((one, k) => { one.dataset.walk = k; return k; });
"""
READY = (
    "return document.querySelector('main h1') !== null && !/\\.\\.\\.$/m.test(document.querySelector('main').innerText)"
)


@pytest.fixture(scope="module")
def driver(_trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    profile, refused = tmp_path_factory.mktemp("profile"), "Failed to load resource"  # a message on the page
    with local_studio(_trained) as local, browsing(local, profile, expected=refused) as opened:
        yield opened


def open_page(driver: Any, address: str, width: int, scheme: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
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
    driver.execute_script(AXE.read_text(encoding="utf-8"))
    driver.set_script_timeout(120)
    assert driver.execute_async_script(FIND_VIOLATIONS, TAGS) == []
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_control_is_reached_by_the_tab_key(driver: Any, address: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    open_page(driver, address, 1280, "light")
    wanted = set(driver.execute_script(CONTROLS))
    driver.execute_script("document.querySelector('.skip').focus()")
    visited = {0}
    for _ in range(3 * len(wanted)):
        ActionChains(driver, duration=0).send_keys(Keys.TAB).perform()
        walk, outline = driver.execute_script(
            "const one = document.activeElement; return [one.dataset.walk, getComputedStyle(one).outlineStyle]"
        )
        if walk is not None:
            visited.add(int(walk))
            assert outline != "none"
        if visited >= wanted:
            break
    missed = [
        driver.execute_script(f"return document.querySelector('[data-walk=\"{k}\"]')?.outerHTML")
        for k in wanted - visited
    ]
    assert not missed
