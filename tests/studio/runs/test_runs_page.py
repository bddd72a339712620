"""The Runs page as a person goes through it, and what a stranger's run cannot do there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sparring.engine.run_folder import Run

from ..folders import run_folder, wait_until
from ..served import local_studio
from ..browser import browsing, needs_browser, serving

pytestmark = [needs_browser, pytest.mark.slow]
HOSTILE = "<img src=x onerror=window.hacked=1>"
REPORT = """<!doctype html><title>report</title><p id="text">a report</p><img src=x onerror="document.title='hacked'">
<script>document.title = 'hacked'; parent.hacked = 1; fetch('/api/runs')</script>
<form action="/api/stop" method="post"><input name="job"></form><script>document.forms[0].submit()</script>"""


def wait(driver: Any, holds: Callable[[Any], Any]) -> Any:
    from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    passing = (NoSuchElementException, StaleElementReferenceException)  # the page is drawn anew
    return WebDriverWait(driver, 180, poll_frequency=0.1, ignored_exceptions=passing).until(holds)


def test_from_train_digits_to_a_downloaded_picture(tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    downloads, runs = tmp_path / "downloads", tmp_path / "runs"
    with local_studio(runs) as local, browsing(local, tmp_path / "profile") as driver:
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)})
        wait(driver, lambda d: "There is no run yet" in d.page_source)
        driver.find_element(By.LINK_TEXT, "New training").send_keys(Keys.ENTER)
        wait(driver, lambda d: d.find_elements(By.NAME, "source"))
        driver.switch_to.active_element.send_keys("digits", Keys.ENTER)
        wait(driver, lambda d: "1,797 images" in d.find_element(By.ID, "main").text)
        assert "Nothing." in driver.find_element(By.CLASS_NAME, "inspection").text  # is left out
        minutes = driver.find_element(By.XPATH, "//label[contains(., 'Minutes')]//input")
        minutes.clear()
        minutes.send_keys("0.1")
        name = driver.find_element(By.XPATH, "//label[contains(., 'Name of the run')]//input")
        command = f"sparring train digits --out {runs / 'digits-train'} --minutes 0.1"
        wait(driver, lambda d: d.find_element(By.TAG_NAME, "code").text == command)
        assert name.get_attribute("value") == "digits-train" and not (runs / "digits-train").exists()
        name.send_keys(Keys.ENTER)
        wait(driver, lambda d: d.current_url.endswith("#/runs?run=digits-train"))
        wait(driver, lambda d: "running" in d.find_element(By.CLASS_NAME, "state").text)
        wait(driver, lambda d: d.find_elements(By.CSS_SELECTOR, "img.picture[src]"))
        wait(driver, lambda d: "done" in d.find_element(By.CLASS_NAME, "state").text)
        run = Run(runs / "digits-train")
        wait(driver, lambda d: f"step {len(run.frames())} of {len(run.frames())}, the newest" in d.page_source)
        assert len(driver.find_elements(By.CSS_SELECTOR, "figure.plot svg polyline")) >= 5

        slider = driver.find_element(By.CSS_SELECTOR, "input[type=range]")
        slider.send_keys(Keys.HOME)  # every step was kept, the first as well
        wait(driver, lambda d: "step=0" in d.current_url)
        picture = driver.find_element(By.CSS_SELECTOR, "img.picture")
        wait(driver, lambda d: "after 0 examples" in picture.get_attribute("alt"))
        slider.send_keys(Keys.ARROW_RIGHT)
        second = run.frames()[1]
        wait(driver, lambda d: f"step={int(second.stem)}" in d.current_url)
        driver.refresh()
        link = wait(driver, lambda d: d.find_element(By.LINK_TEXT, "Download"))
        wait(driver, lambda d: str(int(second.stem)) in link.get_attribute("download"))
        link.send_keys(Keys.ENTER)
        saved = downloads / f"digits-train-{int(second.stem)}.png"
        wait(driver, lambda d: saved.exists() and saved.read_bytes() == second.read_bytes())
        with Image.open(saved) as image:
            assert image.size[0] > 50


def test_a_killed_server_and_a_killed_training(tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By

    runs = tmp_path / "runs"
    body = {"command": "train", "source": "digits", "minutes": "20", "name": "long", "seed": "1"}
    with serving(runs) as server:
        job = server.request("/api/start", body)
        wait_until(lambda: any(row["nimg"] for row in server.request("/api/runs")["runs"]), 200)
        server.process.kill()
        server.process.wait()
    before = Run(runs / "long").metrics()[-1]["nimg"]
    with local_studio(runs) as local, browsing(local, tmp_path / "profile") as driver:
        wait_until(lambda: Run(runs / "long").metrics()[-1]["nimg"] > before, 200)  # the training goes on
        wait(driver, lambda d: "running" in d.find_element(By.CLASS_NAME, "state").text)
        driver.execute_script("location.hash = '#/runs?run=long'")
        wait(driver, lambda d: d.find_elements(By.XPATH, "//button[.='Stop']"))
        (known,) = local.state.jobs.all()
        assert known.id == job["id"]
        os.kill(known.pid, signal.SIGKILL)
        wait(driver, lambda d: "stopped" in d.find_element(By.CLASS_NAME, "state").text)
        assert "long: stopped" in driver.find_element(By.ID, "status").text
        driver.find_element(By.XPATH, "//button[.='Continue']").click()
        wait(driver, lambda d: "running" in d.find_element(By.CLASS_NAME, "state").text)
        wait(driver, lambda d: d.find_elements(By.XPATH, "//button[.='Stop']"))
        wait_until(lambda: "training" in local.state.jobs.log(local.state.jobs.all()[0]), 200)
        driver.find_element(By.XPATH, "//button[.='Stop']").click()
        wait(driver, lambda d: "everything is saved" in d.find_element(By.CLASS_NAME, "state").text)


def test_a_strangers_run_is_text(tmp_path: Path) -> None:
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.common.by import By

    name = HOSTILE.replace("/", "")
    data = {"source": f"{HOSTILE}.zip", "spec": {"kind": HOSTILE, "classes": [HOSTILE]}}
    run = run_folder(
        tmp_path / "runs" / name, nimg=10, data=data, recipe={"name": HOSTILE, "settings": {HOSTILE: HOSTILE}}
    )
    run.report_path.write_text(REPORT)
    run.log(20, {HOSTILE: 1.0})
    (run.path / "samples").mkdir()
    (run.path / "samples" / "000000010.png").write_text("<script>window.hacked = 1</script>")
    bad = run_folder(tmp_path / "runs" / "bad")
    (bad.path / "run.json").write_text(f'{{"format": "{HOSTILE}"}}')
    blocked = "/files/"  # messages on what it did not run or fetch for the report
    with local_studio(tmp_path / "runs") as local, browsing(local, tmp_path / "profile", expected=blocked) as driver:
        wait(driver, lambda d: name in d.find_element(By.ID, "main").text)
        driver.find_element(By.LINK_TEXT, name).click()
        wait(driver, lambda d: d.find_elements(By.CSS_SELECTOR, "figure.plot svg"))
        text = driver.find_element(By.ID, "main").text
        assert text.count("onerror") >= 4
        driver.find_element(By.XPATH, "//summary[.='Report']").click()
        frame = wait(driver, lambda d: d.find_element(By.TAG_NAME, "iframe"))
        assert frame.get_attribute("sandbox") == ""
        driver.switch_to.frame(frame)
        wait(driver, lambda d: d.find_element(By.ID, "text").text == "a report")
        assert driver.execute_script("return document.title") == "report"
        driver.switch_to.default_content()
        assert driver.execute_script("return window.hacked === undefined && document.title.endsWith('Sparring studio')")
        driver.get(local.url + local.state.files.url(run.report_path))  # on its own, out of the frame
        assert wait(driver, lambda d: d.find_element(By.ID, "text")).text == "a report" and driver.title == "report"
        with pytest.raises(WebDriverException, match="sandboxed"):
            driver.execute_script("return document.cookie")


def test_a_folder_and_several_files_are_copied(tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By

    photos = tmp_path / "photos"
    for k, path in enumerate(["cat/a.png", "cat/b.png", "dog/a.png", ".hidden/a.png"]):
        (photos / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), k).save(photos / path)
    with local_studio(tmp_path / "runs") as local, browsing(local, tmp_path / "profile") as driver:
        driver.get(local.bound.url.partition("#")[0] + "#/runs?new=1")
        wait(driver, lambda d: d.find_elements(By.CSS_SELECTOR, "input[webkitdirectory]"))
        driver.find_element(By.CSS_SELECTOR, "input[webkitdirectory]").send_keys(str(photos))
        wait(driver, lambda d: "cat (2), dog (1)" in d.find_element(By.CLASS_NAME, "inspection").text)
        source = driver.find_element(By.NAME, "source")
        assert source.get_attribute("value").endswith("/photos")
        driver.find_element(By.CSS_SELECTOR, "input[multiple]").send_keys(f"{photos / 'cat/a.png'}\n{photos / 'cat/b.png'}")
        wait(driver, lambda d: source.get_attribute("value").endswith("/dropped"))
        wait(driver, lambda d: "2 images" in d.find_element(By.CLASS_NAME, "inspection").text)
