"""The page of a network in Chromium, opened from a file: its pixels are PyTorch's, and everyone can use it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import sparring

from ...studio.accessibility import emulate, missed_by_tab, violations
from ...studio.browser import chromium, needs_browser, wait

pytestmark = [needs_browser, pytest.mark.slow]
PIXELS = """
return [...document.querySelectorAll(arguments[0])].map((canvas) =>
  [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]);
"""
SEEDS_OF_A_VIEW = 13
"""The seed of the large picture, and the next twelve."""


@pytest.fixture(scope="module")
def generator_page(run: sparring.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sparring.export(run.path, out=tmp_path_factory.mktemp("page") / "g.html").path


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def show(driver: Any, page: Path, state: str = "") -> None:
    """Open a page and wait until all its pictures are there."""
    driver.get("about:blank")
    driver.get(f"{page.as_uri()}{state}")
    ready = (
        "return [...document.querySelectorAll('canvas.small')].every((one) => one.ariaLabel.startsWith('generated'))"
    )
    wait(driver, lambda d: d.execute_script(ready) and "computed" in text(d, "caption"))


def text(driver: Any, name: str) -> str:
    return str(driver.execute_script("return document.getElementById(arguments[0])?.textContent ?? ''", name))


def pixels(driver: Any, selector: str = "canvas.pixels") -> NDArray[np.int64]:
    return np.array(driver.execute_script(PIXELS, selector))


def expected(run: sparring.Run, seed: int, label: int) -> NDArray[np.uint8]:
    """The first picture of `sparring sample --seed SEED --label LABEL`."""
    [row] = next(iter(sparring.load(run.path).samples(1, seed, label)))
    return np.asarray(row, np.uint8)


def test_pixels_of_64_seeds_are_those_of_sparring_sample(driver: Any, run: sparring.Run, generator_page: Path) -> None:
    worst = 0
    emulate(driver, 1280)
    for view in range(5):
        seed = 2**31 * view + 3  # large ones as well
        show(driver, generator_page, f"#seed={seed}")
        shown = pixels(driver)
        assert len(shown) == SEEDS_OF_A_VIEW
        for k, colours in enumerate(shown):
            want = expected(run, seed + k, 0).reshape(-1)
            worst = max(worst, int(np.abs(colours.reshape(-1, 4)[:, :3] - want[:, None].astype(int)).max()))
    assert worst <= 1
    loaded = "return performance.getEntriesByType('resource').map((one) => one.name)"
    assert all(name.startswith("blob:") for name in driver.execute_script(loaded))


def test_the_class_and_the_way_to_another_seed(driver: Any, run: sparring.Run, generator_page: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    show(driver, generator_page)
    driver.find_element(By.TAG_NAME, "select").send_keys("2")
    wait(driver, lambda d: "class 2" in text(d, "caption"))
    want = expected(run, 0, 2).reshape(-1).astype(int)
    assert np.abs(pixels(driver, "canvas.large")[0].reshape(-1, 4)[:, 0] - want).max() <= 1
    driver.find_element(By.CSS_SELECTOR, "input[type=range]").send_keys(Keys.END)
    wait(driver, lambda d: "100 % of the way from seed 0 to 1" in text(d, "caption"))
    want = expected(run, 1, 2).reshape(-1).astype(int)  # the end of the way is the other seed
    assert np.abs(pixels(driver, "canvas.large")[0].reshape(-1, 4)[:, 0] - want).max() <= 1


def test_the_walk_plays_only_where_motion_is_welcome(driver: Any, generator_page: Path) -> None:
    from selenium.webdriver.common.by import By

    emulate(driver, 1280, motion="reduce")
    show(driver, generator_page)
    play = driver.find_element(By.XPATH, "//button[.='Play']")
    assert not play.is_displayed() and "less motion" in driver.find_element(By.ID, "main").text
    emulate(driver, 1280, motion="no-preference")
    wait(driver, lambda d: play.is_displayed())
    play.click()
    wait(driver, lambda d: "% of the way" in text(d, "caption"))
    assert play.text == "Pause"
    emulate(driver, 1280, motion="reduce")  # a walk that plays stops
    wait(driver, lambda d: not play.is_displayed())
    before = text(driver, "caption")
    wait(driver, lambda d: text(d, "caption") == before)


def test_the_downloaded_png_says_that_it_was_generated(
    driver: Any, run: sparring.Run, generator_page: Path, tmp_path: Path
) -> None:
    from selenium.webdriver.common.by import By

    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    show(driver, generator_page, "#seed=5")
    driver.find_element(By.XPATH, "//button[.='Download PNG']").click()
    wait(driver, lambda _: (tmp_path / "run-5.png").exists())
    with Image.open(io.BytesIO((tmp_path / "run-5.png").read_bytes())) as picture:
        assert (
            "Generated by a neural network" in picture.info["Description"] and "seed 5" in picture.info["Description"]
        )
        colours = np.asarray(picture.convert("RGB")).astype(int)
    assert np.abs(colours - expected(run, 5, 0).astype(int)).max() <= 1


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_everyone_can_use_it(driver: Any, generator_page: Path, width: int, scheme: str) -> None:
    emulate(driver, width, scheme)
    show(driver, generator_page)
    assert violations(driver) == []
    assert not missed_by_tab(driver)


def test_a_classifier_takes_a_drawing_and_a_file(driver: Any, data: Path, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    recipe = sparring.Consistent(width=4, batch_size=8)
    run = sparring.classify(data, recipe, images=480, out=tmp_path / "classifier", device="cpu").run
    page = sparring.export(run, out=tmp_path / "c.html").path
    model = sparring.load(run)
    rows = np.load(data)["x_test"][:3]
    for k, row in enumerate(rows):
        Image.fromarray(row).save(tmp_path / f"{k}.png")
    emulate(driver, 1280)
    driver.get(page.as_uri())
    for k, row in enumerate(rows):
        driver.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(tmp_path / f"{k}.png"))
        wait(driver, lambda d, k=k: f"{k}.png" in text(d, "caption"))
        want = model.logits(model.to_input(row[None])).softmax(1)[0]
        assert torch.allclose(shown_probabilities(driver, model.classes), want, atol=0.006)
    pad = driver.find_element(By.CSS_SELECTOR, "canvas.pad")
    ActionChains(driver).drag_and_drop_by_offset(pad, 60, 60).perform()
    wait(driver, lambda d: "your drawing" in text(d, "caption"))
    drawn = pixels(driver, "canvas.large")[0].reshape(8, 8, 4)[..., :1].astype(np.uint8)
    want = model.logits(model.to_input(drawn)).softmax(1)[0]
    assert torch.allclose(shown_probabilities(driver, model.classes), want, atol=0.006)
    emulate(driver, 390, "dark")
    assert violations(driver) == [] and not missed_by_tab(driver)


def shown_probabilities(driver: Any, classes: tuple[str, ...]) -> torch.Tensor:
    cells = "return [...document.querySelectorAll('#answer tr')].map((row) => [...row.cells].map((c) => c.textContent))"
    rows = driver.execute_script(cells)
    values = {name: float(percent.removesuffix(" %")) / 100 for name, _, percent in rows}
    return torch.tensor([values[name] for name in classes])
