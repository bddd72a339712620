"""A studio for tests: a server in a process of its own, and a headless browser on its page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

import pytest

CHROMIUM, DRIVER = which("chromium"), which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromedriver: apt-get install chromium chromium-driver"
)


@dataclass(frozen=True)
class Server:
    """A running studio."""

    url: str
    token: str
    process: subprocess.Popen[str]

    def request(self, path: str, body: object = None, **headers: str) -> Any:
        """Send a GET, or a POST of `body`, with the token; return the JSON."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"x-sparring-token": self.token, "content-type": "application/json", **headers}
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=60) as response:
            return json.load(response)


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve the runs below `folder` on a free port."""
    source = str(Path(__file__).parents[2] / "src")
    process = subprocess.Popen(
        [sys.executable, "-m", "sparring", "studio", str(folder), "--port", "0", "--no-browser"],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env={**os.environ, "PYTHONPATH": source},
    )  # fmt: skip
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        address = line.split()[1]
        url, _, token = address.partition("/#")
        yield Server(url, token, process)
    finally:
        process.terminate()
        process.wait(60)
        assert process.stderr is not None
        process.stderr.close()


@contextmanager
def chromium(profile: Path, size: str = "1280,900", expected: str = "\0") -> Iterator[Any]:
    """Start headless Chromium; yield selenium's driver.

    An error on its console fails the test, unless it contains `expected`.
    """
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={size}",
        "--force-prefers-reduced-motion", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        yield driver
        errors = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
        assert all(expected in error for error in errors), errors
    finally:
        driver.quit()


@contextmanager
def browsing(server: Any, profile: Path, size: str = "1280,900", expected: str = "\0") -> Iterator[Any]:
    """Open the page of a server in headless Chromium; yield selenium's driver."""
    with chromium(profile, size, expected) as driver:
        driver.get(f"{server.url}/#{server.token}")
        yield driver


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(driver).send_keys(key).perform()


def wait(driver: Any, holds: Any, seconds: float = 90) -> Any:
    """Wait until `holds(driver)`; an element that the page replaces while it is read is looked for again."""
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, seconds, 0.05, [StaleElementReferenceException]).until(holds)
