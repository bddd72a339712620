"""Run several commands in one process: `python run_commands.py COMMANDS.json RESULTS.json`.

COMMANDS.json maps names to argument lists. RESULTS.json gets, for each name, the exit code, standard output and
standard error; and the torch version and a hash of what its CPU kernels compute, on which the bits of a training
depend.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import sys
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any


def run(args: list[str]) -> dict[str, Any]:
    """Exit code, output and duration of one command; an exception counts as exit code 70."""
    from sparring.cli import main

    out, err, start = io.StringIO(), io.StringIO(), time.perf_counter()
    code = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(args)
        except SystemExit as left:
            code = int(left.code or 0)
        except BaseException:
            traceback.print_exc()
            code = 70
    seconds = round(time.perf_counter() - start, 2)
    return {"code": code, "stdout": out.getvalue(), "stderr": err.getvalue(), "seconds": seconds}


def kernel_hash() -> str:
    """Hash of the results of the torch operations that trainings use: it tells CPUs with other kernels apart."""
    import torch
    from torch.nn import functional as F

    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).requires_grad_()

    inputs = [draw(16, 4, 8, 8), draw(12, 4, 3, 3), draw(12, 4, 4, 4), draw(16, 300), draw(1000, 300), draw(1000)]
    x, kernel, transposed, rows, weight, bias = inputs
    maps = F.conv2d(x, kernel, padding=1)
    upsampled = F.conv_transpose2d(F.batch_norm(maps, None, None, training=True), transposed, stride=2, padding=1)
    features = F.linear(rows, weight, bias)
    outputs = [maps, upsampled.tanh(), F.softplus(features), features.log_softmax(1), features.exp().rsqrt()]
    loss = sum((output.square().mean() for output in outputs), torch.zeros(()))
    results = [*outputs, *torch.autograd.grad(loss, inputs)]
    return hashlib.sha256(b"".join(result.detach().numpy().tobytes() for result in results)).hexdigest()[:12]


def vendor() -> str:
    """Vendor of the CPU: kernels that `kernel_hash` does not compute may differ between vendors as well."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.split()[-1] for line in lines if line.startswith("vendor_id")), platform.machine())


def main() -> None:
    commands = json.loads(Path(sys.argv[1]).read_text())
    results = {name: run(args) for name, args in commands.items()}
    import torch

    versions = {"torch": torch.__version__, "kernels": f"{kernel_hash()} {vendor()}"}
    Path(sys.argv[2]).write_text(json.dumps({"commands": results, **versions}))


if __name__ == "__main__":
    main()
