"""What a page has to meet for people who cannot use a mouse, or do not see well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

AXE = Path(__file__).with_name("axe.min.js")  # axe-core 4.14.1, Mozilla Public License 2.0
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


def emulate(driver: Any, width: int, scheme: str = "light", motion: str = "reduce") -> None:
    """Show pages as on a screen of this width, `light` or `dark`, with `reduce` or `no-preference` for motion."""
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": motion},
    ]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def violations(driver: Any) -> list[Any]:
    """Return the violations that axe-core knows; none of them is wider than the screen."""
    driver.execute_script(AXE.read_text(encoding="utf-8"))
    driver.set_script_timeout(120)
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    problems: list[Any] = driver.execute_async_script(FIND_VIOLATIONS, TAGS)
    return problems


def missed_by_tab(driver: Any) -> list[str]:
    """Return the controls that the Tab key does not reach from the skip link; the others have to show their focus."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

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
    return [
        driver.execute_script(f"return document.querySelector('[data-walk=\"{k}\"]')?.outerHTML")
        for k in wanted - visited
    ]
