import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sparring.engine.safetensors_io import load_file, write_tensors


def test_any_layout_and_shared_memory(tmp_path: Path) -> None:
    base = torch.randn(2, 3, 4, 5)
    tensors = {
        "plain": base, "tied": base, "view": base[0], "last": base.contiguous(memory_format=torch.channels_last),
        "turned": base.mT, "wide": base[:1, :1, :1, :1].expand(2, 2, 2, 2), "whole": torch.tensor(7),
        "none": torch.zeros(0, 3), "half": base.bfloat16(), "grad": torch.nn.Parameter(base),
    }  # fmt: skip
    write_tensors(tensors, tmp_path / "a.safetensors")
    stored = load_file(tmp_path / "a.safetensors")
    assert stored.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(stored[name], tensor) and stored[name].dtype == tensor.dtype and stored[name].is_contiguous()


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on files there")
def test_a_full_disk_is_an_os_error(tmp_path: Path) -> None:
    """A file size limit fails where a full disk would: inside safetensors, which raises its own exceptions."""
    script = f"""
import resource
from pathlib import Path
import torch
from sparring.engine.errors import SparringError
from sparring.engine.atomic_io import atomic_replace
from sparring.engine.safetensors_io import write_tensors
path = Path({str(tmp_path)!r}) / "a.safetensors"
with atomic_replace(path) as temporary:
    write_tensors({{"a": torch.ones(3)}}, temporary)
before = path.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    with atomic_replace(path) as temporary:
        write_tensors({{"a": torch.ones(1_000_000)}}, temporary)
except SparringError as error:
    print(error)
assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == [path.name]
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "the disk is full" in done.stdout and "a.safetensors" in done.stdout
