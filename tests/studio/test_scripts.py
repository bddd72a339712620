"""Parts of the pages that need no browser, in node."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import pytest


@pytest.mark.skipif(which("node") is None, reason="no node: apt-get install nodejs")
@pytest.mark.parametrize("script", sorted(Path(__file__).parent.rglob("*.test.mjs")), ids=lambda path: path.name)
def test_script(script: Path) -> None:
    done = subprocess.run(["node", "--test", str(script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
