"""The allocator keeps freed memory, unless the environment or the system decides otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sparring.engine.allocator import ENVIRONMENT

HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
PROGRAM = """
import resource, torch
from sparring.engine.allocator import keep_freed_memory
print(keep_freed_memory())
for _ in range(3):
    blocks = [torch.ones(1 << 22) for _ in range(8)]  # 8 blocks of 16 MiB
    del blocks
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    blocks = [torch.ones(1 << 22) for _ in range(8)]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(**environment: str) -> tuple[str, int]:
    """Return what the program answers and the page faults of its rounds."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(ENVIRONMENT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**inherited, **environment}, capture_output=True, text=True, check=True
    )
    kept, faults = done.stdout.split()
    return kept, int(faults)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's option")
@pytest.mark.skipif(HUGE.exists() and "[always]" in HUGE.read_text(), reason="pages are huge, and faults few")
def test_rounds_fetch_no_new_pages_unless_the_environment_sets_the_allocator() -> None:
    kept, faults = page_faults()
    if kept == "False":
        pytest.skip("not glibc")
    own, more = page_faults(MALLOC_MMAP_THRESHOLD_="1048576")  # larger blocks go back to the system
    assert own == "False" and faults < more / 10
