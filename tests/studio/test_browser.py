"""The page in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from .server import browsing, needs_browser, serving


@needs_browser
@pytest.mark.slow
def test_the_list_of_an_empty_folder(tmp_path: Path) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    with serving(tmp_path / "runs") as server, browsing(server, tmp_path / "profile") as driver:
        WebDriverWait(driver, 10).until(lambda d: "no run yet" in d.page_source)
        assert driver.current_url == f"{server.url}/#/runs"
