"""The keys of the Label page, in node."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import pytest


@pytest.mark.skipif(which("node") is None, reason="no node: apt-get install nodejs")
def test_keys_of_the_label_page() -> None:
    script = Path(__file__).with_name("label_keys.test.mjs")
    done = subprocess.run(["node", "--test", str(script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
