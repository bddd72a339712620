"""Networks as lists of operations: PyTorch's definition and the JavaScript of pages both give the network's output."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import export
from torch.nn import functional

from sparring.commands.exporting.html import STATIC, bundle
from sparring.commands.exporting.lowering import lower
from sparring.commands.exporting.portable import _plain
from sparring.commands.exporting.program import Program
from sparring.engine.errors import UsageError
from sparring.engine.seeds import mix
from sparring.models.generator import truncated
from sparring.nets import biggan, cnn_classifier, dcgan, encoder, improved_gan, laplacian, mlp, robustness_cnns
from sparring.nets import strided_gan as strided

SHAPE = (2, 13, 10)
Net = Callable[[], nn.Module]
GENERATORS: dict[str, tuple[Net, bool]] = {
    "r3": (lambda: strided.Generator(SHAPE, 20, 4, 8, 3), True),
    "r3 without labels": (lambda: strided.Generator((1, 3, 3), 20, 4, 8), False),
    "dcgan": (lambda: dcgan.Generator(SHAPE, 20, 4), False),
    "biggan": (lambda: biggan.Generator((3, 16, 16), 20, 8, 16, 3, 4), True),
    "lapgan": (lambda: laplacian.Generator(2, [(13, 10), (6, 5)], 20, 4, 8, 3), True),
    "gan2014": (lambda: mlp.Generator(SHAPE, 20, 8), False),
    "improved, small": (lambda: improved_gan.MLPGenerator(SHAPE, 20, 8), False),
    "improved, large": (lambda: improved_gan.ConvGenerator(SHAPE, 20, 4), False),
}
CLASSIFIERS: dict[str, Net] = {
    "consistent": lambda: cnn_classifier.CNNClassifier(SHAPE, 4, 8, 6, 3),
    "strided": lambda: strided.StridedClassifier(SHAPE, 4, 8, 3),
    "encoder": lambda: encoder.Encoder(SHAPE, 4, 8, 6, 3),
    "improved, small": lambda: improved_gan.MLPClassifier(SHAPE, 3, [8, 8]),
    "improved, large": lambda: improved_gan.ConvClassifier(SHAPE, 3, 4),
    "maxout": lambda: robustness_cnns.MaxoutClassifier(SHAPE, 8, 3),
    "pooled": lambda: robustness_cnns.Convolutional(SHAPE, [robustness_cnns.Conv(4, 3, 1, 1, pool=True)], [8], 3),
}


class Rest(nn.Module):
    """Operators that no network above has."""

    def forward(self, x: Tensor) -> Tensor:
        h = functional.group_norm(functional.avg_pool2d(x, 2), 1)
        h = torch.stack([functional.elu(h), functional.gelu(h), functional.silu(h)], 1).flatten(1, 2)
        h = functional.interpolate(h, (7, 9), mode="nearest")
        parts = torch.cat([h.log_softmax(1).square(), h[:, 1:3], h.sum(1, keepdim=True).exp().sqrt()], 1)
        return torch.minimum(parts, torch.maximum(-parts * 0 + 0.1, parts - 1)).mean((2, 3)) / 3


def random(net: nn.Module) -> nn.Module:
    """Give every weight of a network a value that matters, those which start at zero as well."""
    torch.manual_seed(0)
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        if tensor.is_floating_point() and not name.endswith(".u"):
            tensor.data = torch.rand_like(tensor) + 0.5 if "var" in name else torch.randn_like(tensor) * 0.3
    return net.eval().requires_grad_(False)


@torch.no_grad()
def case(name: str) -> tuple[Program, tuple[Tensor, ...], Tensor]:
    """Return the program of a network, an input and the network's output."""
    kind, _, rest = name.partition(" ")
    torch.manual_seed(1)
    if kind == "generator":
        make, labels = GENERATORS[rest]
        net, inputs = random(make()), (torch.randn(1, 20), *([torch.tensor([1])] if labels else []))
    elif kind == "classifier":
        net, inputs = random(CLASSIFIERS[rest]()), (torch.rand(1, *SHAPE) * 2 - 1,)
    else:
        net, inputs = Rest(), (torch.rand(1, *SHAPE),)
    return lower(export(_plain(net), inputs)), inputs, net(*inputs)


CASES = [*(f"generator {name}" for name in GENERATORS), *(f"classifier {name}" for name in CLASSIFIERS), "rest"]


@pytest.mark.parametrize("name", CASES)
def test_a_program_equals_its_network(name: str) -> None:
    program, inputs, want = case(name)
    assert torch.allclose(program.run(inputs), want, atol=2e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(which("node") is None, reason="no node: apt-get install nodejs")
def test_javascript_computes_programs_and_noise_as_pytorch_does(tmp_path: Path) -> None:
    programs: list[dict[str, Any]] = []
    wanted = []
    for name in CASES:
        program, inputs, want = case(name)
        for half in (False, True):
            entries, weights = program.to_json(half=half)
            numbers = [each.flatten().tolist() for each in inputs]
            programs.append({"entries": entries, "weights": weights, "half": half, "inputs": numbers})
            wanted.append(program.run(inputs, half=half) if half else want)
    noise = [
        {"seed": seed, "size": size, "limit": limit}
        for seed in (0, 7, 2**53 - 1)
        for size in (1, 7, 16, 20, 64, 100)
        for limit in (None, 0.5, 2.0)
    ]
    (tmp_path / "jobs.json").write_text(json.dumps({"programs": programs, "noise": noise}))
    script = Path(__file__).with_name("run_programs.mjs")
    done = subprocess.run(["node", script, tmp_path / "jobs.json"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    for k, (got, want) in enumerate(zip(results["outputs"], wanted, strict=True)):
        np.testing.assert_allclose(got, want.flatten().numpy(), atol=5e-5, rtol=5e-4, err_msg=CASES[k // 2])
    for job, got in zip(noise, results["noise"], strict=True):
        z = torch.randn(job["size"], generator=torch.Generator().manual_seed(mix(job["seed"], 0)))
        want = z if job["limit"] is None else truncated(z, job["limit"])
        np.testing.assert_allclose(got, want.numpy(), atol=5e-6, rtol=1e-4)


def test_unsupported_operators_are_all_named_beforehand() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cumsum(torch.sort(x, 1).values, 1) + functional.avg_pool2d(x, 3, 1, 1)

    with pytest.raises(UsageError, match=r"avg_pool2d with padding, cumsum, sort\. It runs .*conv2d.*onnx or torch"):
        lower(export(Odd(), (torch.rand(1, *SHAPE),)))


@pytest.mark.parametrize("name", ["worker.js", "generator_page.js", "classifier_page.js"])
def test_a_bundle_is_one_script(name: str) -> None:
    code = bundle(STATIC / name)
    assert "import " not in "".join(line for line in code.splitlines() if not line.lstrip().startswith("//"))
    assert not [text for text in ("</script", "eval(", "\nexport ", "fetch(", "https:") if text in code]
