"""The Label page as a person goes through it, by keyboard alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ..browser import browsing, needs_browser, press, serving, wait

pytestmark = [needs_browser, pytest.mark.slow]
CURRENT = ".example[tabindex='0']"


def tab_to(driver: Any, text: str) -> None:
    """Press Tab until the element with this text has the focus."""
    from selenium.webdriver.common.keys import Keys

    for _ in range(60):
        press(driver, Keys.TAB)
        if driver.switch_to.active_element.text == text:
            return
    raise AssertionError(f"no way to '{text}' by Tab")


def given(log: Path) -> list[tuple[str, str]]:
    """Return kind and class of each stored answer."""
    events = [json.loads(line) for line in log.read_text().splitlines()]
    return [(event["kind"], event["label"]) for event in events if event["event"] == "answer"]


def test_label_train_and_see_the_gain_by_keyboard(runs: Path, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    log = runs / "few" / "answers.jsonl"
    with serving(runs) as server, browsing(server, tmp_path / "profile") as driver:
        wait(driver, lambda d: d.find_elements(By.LINK_TEXT, "Label"))
        tab_to(driver, "Label")
        press(driver, Keys.ENTER)
        wait(driver, lambda d: len(d.find_elements(By.CSS_SELECTOR, ".example")) == 24)
        assert driver.switch_to.active_element.get_attribute("aria-label") == "example 1 of 24, no answer yet"
        press(driver, "7", "3", " ", "c", "n")
        wait(driver, lambda d: "5 of 100" in d.page_source)
        assert given(log) == [
            ("class", "7"),
            ("class", "3"),
            ("class", "3"),
            ("cannot tell", ""),
            ("none of these", ""),
        ]
        press(driver, "u")
        wait(driver, lambda d: "4 of 100" in d.page_source)
        assert driver.switch_to.active_element.get_attribute("aria-label") == "example 5 of 24, no answer yet"
        press(driver, Keys.ARROW_DOWN, Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.HOME)
        assert driver.switch_to.active_element.get_attribute("aria-label") == "example 1 of 24, 7"
        press(driver, Keys.END, "8", Keys.ENTER)
        wait(driver, lambda d: "first=24" in d.current_url)
        press(driver, Keys.PAGE_UP)
        wait(driver, lambda d: "first=0" in d.current_url)
        driver.refresh()
        wait(driver, lambda d: "5 of 100" in d.page_source and d.find_elements(By.CSS_SELECTOR, CURRENT))
        tab_to(driver, "Train with these labels")
        press(driver, Keys.ENTER)
        wait(driver, lambda d: "--labels-file" in d.page_source)
        wait(driver, lambda d: "points" in d.find_element(By.ID, "main").text, 180)
        row = driver.find_element(By.XPATH, "//tr[th='few-labels-1']").text
        assert "64" in row and "%" in row  # 60 labels before, and four classes
        assert driver.find_element(By.ID, "status").get_attribute("class") != "wrong"
    assert json.loads((runs / "few-labels-1" / "classification.json").read_text())["labels"] == 64


def test_a_fact_is_given_and_taken_back_by_keyboard(runs: Path, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    with serving(runs) as server, browsing(server, tmp_path / "profile", "390,844") as driver:
        wait(driver, lambda d: d.find_elements(By.LINK_TEXT, "Label"))
        driver.execute_script("location.hash = '#/label?run=few'")
        wait(driver, lambda d: d.find_elements(By.CSS_SELECTOR, CURRENT))
        assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        for _ in range(60):
            press(driver, Keys.TAB)
            if driver.switch_to.active_element.get_attribute("list") == "classes":
                break
        press(driver, "okapi", Keys.ENTER)
        fact = wait(driver, lambda d: d.find_elements(By.CSS_SELECTOR, ".fact"))[0].text
        assert "Now: okapi" in fact
        tab_to(driver, "Forget okapi")
        press(driver, Keys.ENTER)
        wait(driver, lambda d: "Forgotten: okapi" in d.page_source)
