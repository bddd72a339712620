"""The attack playground as a person goes through it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from ..browser import browsing, needs_browser, press, serving, wait

pytestmark = [needs_browser, pytest.mark.slow]


def outcome(driver: Any) -> str:
    from selenium.webdriver.common.by import By

    found = driver.find_elements(By.CSS_SELECTOR, ".outcome")
    return found[0].text if found else ""


def test_an_example_a_drawing_and_a_file_are_attacked(runs: Path, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    with serving(runs) as server, browsing(server, tmp_path / "profile") as driver:
        wait(driver, lambda d: d.find_elements(By.LINK_TEXT, "Attack"))
        driver.find_element(By.LINK_TEXT, "Attack").click()
        wait(driver, outcome)
        assert len(driver.find_elements(By.CSS_SELECTOR, "figure canvas")) == 3
        wait(driver, lambda d: "Fooled from eps" in d.page_source)
        slider = driver.find_element(By.CSS_SELECTOR, ".slider input")
        slider.send_keys(Keys.END)
        wait(driver, lambda d: "eps=0.5" in d.current_url and outcome(d).startswith(("Fooled", "Already wrong")))
        slider.send_keys(Keys.HOME)
        wait(driver, lambda d: "eps=0&" in d.current_url and outcome(d).startswith(("Not fooled", "Already wrong")))
        address = driver.current_url
        driver.refresh()
        wait(driver, outcome)
        assert driver.current_url == address

        driver.find_element(By.XPATH, "//summary[.='Draw one']").click()
        pad = driver.find_element(By.CSS_SELECTOR, "canvas.pad")
        line = ActionChains(driver, duration=50).move_to_element_with_offset(pad, 0, -90).click_and_hold()
        line.move_by_offset(0, 90).move_by_offset(0, 90).release().perform()
        wait(driver, lambda d: "own=" in d.current_url and outcome(d))
        before = driver.current_url
        pad.send_keys(Keys.ARROW_LEFT * 4, " ", Keys.ARROW_DOWN * 3, " ")  # more of it, by keyboard
        wait(driver, lambda d: d.current_url != before)

        picture = tmp_path / "seven.png"
        image = Image.new("L", (100, 100))
        ImageDraw.Draw(image).line([(20, 20), (80, 20), (45, 90)], fill=255, width=12)
        image.save(picture)
        driver.find_element(By.XPATH, "//summary[.='Take a file']").click()
        before = driver.current_url
        driver.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(picture))
        wait(driver, lambda d: d.current_url != before)
        bad = tmp_path / "notes.png"
        bad.write_bytes(b"no picture")
        driver.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(bad))
        wait(driver, lambda d: "notes.png" in d.find_element(By.ID, "status").text)
        assert all("upload" in entry["message"] for entry in driver.get_log("browser"))  # the refusal alone


def test_it_fits_a_phone_and_says_where_no_classifier_is(tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By

    with serving(tmp_path / "runs") as server, browsing(server, tmp_path / "profile", "390,844") as driver:
        wait(driver, lambda d: d.find_elements(By.LINK_TEXT, "Attack"))
        driver.execute_script("location.hash = '#/attack'")
        wait(driver, lambda d: "No run has a classifier yet" in d.page_source)
        press(driver, "x")
        driver.execute_script("location.hash = '#/label'")
        wait(driver, lambda d: "No run has examples to label" in d.page_source)
        assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
