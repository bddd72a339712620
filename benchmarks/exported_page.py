"""Milliseconds of a forward pass in the page that `sparring export RUN --to html` writes, in headless Chromium.

    python benchmarks/exported_page.py --run runs/mnist-r3          # a run of `sparring train`; under a minute

The page is opened from a file. The button for the next seed is pressed, and the time that the page states for its
picture is read, after some passes that do not count. Needs Chromium and its driver, and selenium.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from record import log, save, spread

import sparring
from sparring.engine.run_folder import Run
from sparring.models.load import load

WARM_UP = 10
WAIT_SECONDS = 30
STATED = re.compile(r"seed (\d+).*computed in (\d+) ms")


def stated(driver: Any, after: int) -> tuple[int, int]:
    """Return the seed of the picture, once it is above `after`, and its milliseconds."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        match = STATED.search(driver.find_element("tag name", "body").text)
        if match and int(match[1]) > after:
            return int(match[1]), int(match[2])
        time.sleep(0.01)
    raise SystemExit("the page shows no picture")


def times_of(page: Path, profile: Path, passes: int) -> list[float]:
    """Return the milliseconds of `passes` pictures."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", f"--user-data-dir={profile}"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.get(page.as_uri())
        seed, _ = stated(driver, -1)
        times = []
        for _ in range(WARM_UP + passes):
            driver.find_element("xpath", "//button[.='Next seed']").click()
            seed, milliseconds = stated(driver, seed)
            times.append(float(milliseconds))
        return times[WARM_UP:]
    finally:
        driver.quit()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--passes", type=int, default=40)
    parser.add_argument("--name", default="exported_page", help="of the result file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "generator.html"
        size = sparring.export(options.run, "html", out=page).path.stat().st_size
        times = spread(times_of(page, Path(folder) / "profile", options.passes))
    weights = sum(each.numel() for each in load(options.run).generator.parameters())
    log(f"{weights:,} weights, {size:,} bytes, {times['median']:.0f} ms")
    save(
        options.name, result=f"{times['median']:.0f} ms, {weights:,} weights, a page of {size / 1e6:.1f} MB",
        target="none", met=True,
        details={"recipe": Run(options.run).settings["recipe"], "weights": weights, "bytes": size, "ms": times},
    )  # fmt: skip


if __name__ == "__main__":
    main()
