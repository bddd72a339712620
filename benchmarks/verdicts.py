"""AutoAttack's verdicts against those of Croce and Hein's code, row by row, on three models of MNIST.

    python benchmarks/verdicts.py --reference /tmp/auto-attack --robust-run RUN --device cuda

`--reference` is a folder outside the repository with github.com/fra31/auto-attack; none of its code is kept. Models:
`undefended`, a network of Wong et al. trained for one epoch; `robust`, a run of `sparring harden --method pgd --net
wong --width 32`, or one trained here; `random`, the robust one behind a stochastic stage that scales, shifts and adds
noise, under version `rand`. Both codes run with each seed, so that their difference can be compared with the difference
between seeds. The results are golden data of the tests.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attack_speed import EPS, THREAT, Pixels
from record import data_folder, save
from torch import Tensor, nn
from trials import CACHE_FOLDER

from sparring.attacks import autoattack
from sparring.attacks.stochastic_models import error_rates
from sparring.commands.harden import harden
from sparring.data.open import open_source
from sparring.recipes.adversarial.base import AdversarialRecipe
from sparring.recipes.adversarial.fast import Fast
from sparring.recipes.adversarial.pgd import PGD

MODELS = ("undefended", "robust", "random")
WIDTH = 32
EPOCH = 60_000
DRAWS = 100
"""Passes of the random model in which what each code found is judged once more."""
BITS = "one bit a row in the order of `rows`, 1: it stands; numpy.packbits, big-endian, as hex"

Run = Callable[[int], tuple[Tensor, Tensor]]
"""seed -> True where a row stands, bool `[N]`, and the examples, `[N, ...]`."""


class Shaken(nn.Module):
    """A randomised defence (after Xie et al. 2018): each pass scales and moves images and adds noise, by its own draws.

    Resampling is a product of matrices: unlike `grid_sample` it has the same gradient twice on a GPU.
    """

    def __init__(self, net: nn.Module, *, scale: float = 0.1, move: float = 2.0, noise: float = 0.2) -> None:
        super().__init__()
        self.net, self.scale, self.move, self.noise = net, scale, move, noise

    def forward(self, x: Tensor) -> Tensor:
        moved = self._lines(x, x.shape[2]) @ x @ self._lines(x, x.shape[3]).transpose(2, 3)
        logits: Tensor = self.net(moved + self.noise * torch.randn_like(x))
        return logits

    def _lines(self, x: Tensor, side: int) -> Tensor:
        """For each image the weights of its lines in each new line, `[B, 1, side, side]`: linear interpolation."""
        scale, move = (torch.rand(2, len(x), 1, 1, 1, device=x.device) * 2 - 1).unbind()
        line = torch.arange(side, device=x.device, dtype=x.dtype)
        middle = (side - 1) / 2
        at = (line[:, None] - middle) / (1 + self.scale * scale) + middle + self.move * move
        return (1 - (at - line).abs()).clamp(min=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--robust-run", type=Path)
    parser.add_argument("--robust-images", type=int, default=5 * EPOCH, help="of training, where there is no run")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=1000, help="of both codes")
    parser.add_argument("--seeds", type=int, nargs=2, default=[0, 1])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--name", default="verdicts")
    options = parser.parse_args()
    if not (options.reference / "autoattack" / "autoattack.py").is_file():
        parser.error(
            f"{options.reference} holds no autoattack/autoattack.py: check out github.com/fra31/auto-attack there"
        )
    data_folder()
    sys.path.insert(0, str(options.reference.resolve()))
    warnings.simplefilter("ignore")
    _alike()
    device = torch.device(options.device)
    test = open_source("mnist").split("test")
    rows = np.arange(min(options.images, len(test)))
    x = (torch.from_numpy(test[rows]).permute(0, 3, 1, 2).float() / 255).contiguous().to(device)
    y = torch.from_numpy(test.labels[rows]).long().to(device)
    results: dict[str, Any] = {}
    for name in options.models:
        model = _model(name, options).to(device).eval()
        model(x[:2].requires_grad_()).sum().backward()  # what a device does once at first is nobody's time
        results[name] = _compared(name, model, x.detach(), y, options)
        _keep(results, [test.names[row] for row in rows], options)


def _alike() -> None:
    """Both codes in full float32 and by algorithms that do the same twice: TensorFloat32 moves verdicts."""
    torch.set_num_threads(1)
    cudnn: Any = torch.backends.cudnn
    torch.backends.cuda.matmul.fp32_precision = cudnn.conv.fp32_precision = cudnn.rnn.fp32_precision = "ieee"
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False


def _model(name: str, options: argparse.Namespace) -> nn.Module:
    """The network of this name, images in [0, 1] -> logits, on the CPU."""
    if name == "undefended":
        return Pixels(_trained("undefended", Fast(net="wong", width=WIDTH, eps=0.0), EPOCH, options.device))
    method = PGD(
        net="wong", width=WIDTH, steps=10, path_length=2.5, lr=1e-3, batch_size=100, eps_ramp=0.05, ema_half_life=0.04
    )
    run = options.robust_run or _trained("robust", method, options.robust_images, options.device)
    return Shaken(Pixels(run)) if name == "random" else Pixels(run)


def _trained(name: str, method: AdversarialRecipe, images: int, device: str) -> Path:
    """The run of this training, which is kept."""
    run = CACHE_FOLDER / f"verdicts-{name}-{images}"
    if not (run / "hardening.json").exists():
        harden("mnist", method, images=images, seed=0, out=run, device=device, precision="fp32")
    return run


def _compared(name: str, model: nn.Module, x: Tensor, y: Tensor, options: argparse.Namespace) -> dict[str, Any]:
    """What both codes say of one model with each seed, and where they differ."""
    version = "rand" if name == "random" else "standard"
    codes = {code: run(model, x, y, version, options) for code, run in {"ours": _ours, "reference": _theirs}.items()}
    stands: dict[str, list[Tensor]] = {code: [] for code in codes}
    wrong: dict[str, list[Tensor]] = {code: [] for code in codes}
    seconds: dict[str, list[float]] = {code: [] for code in codes}
    for seed in options.seeds:
        for code, run in codes.items():
            begin = _now(x.device)
            robust, adv = run(seed)
            seconds[code].append(round(_now(x.device) - begin, 3))
            stands[code].append(robust.cpu())
            if (
                version == "rand"
            ):  # the reference tells no example of rows that stand: for both the data are taken there
                at = torch.where(robust[:, None, None, None], x, adv)
                wrong[code].append(error_rates(model, at, y, draws=DRAWS, seed=seed).cpu())
            print(f"{name}, {code}, seed {seed}: {int(robust.sum())} stand, {seconds[code][-1]:.1f} s", file=sys.stderr)
    return {
        "version": version,
        "weights": _digest(model),
        "clean_accuracy": float((model(x).argmax(1) == y).double().mean()),
        **_summary(stands),
        "seconds": seconds,
        **({f"in_{DRAWS}_draws": _in_draws(wrong)} if version == "rand" else {}),
    }


def _summary(stands: Mapping[str, list[Tensor]]) -> dict[str, Any]:
    """The verdicts of both codes, a list by seed, and the rows in which they differ."""
    ours, theirs = stands["ours"], stands["reference"]
    return {
        "stand": {code: [int(one.sum()) for one in each] for code, each in stands.items()},
        "robust_accuracy": {code: [float(one.double().mean()) for one in each] for code, each in stands.items()},
        "differ": [_differ(a, b) for a, b in zip(ours, theirs, strict=True)],
        "reference_differs_between_seeds": _rows(theirs[0] != theirs[1]),
        "ours_differs_between_seeds": _rows(ours[0] != ours[1]),
        "differ_with_every_seed": _rows((ours[0] == ours[1]) & (theirs[0] == theirs[1]) & (ours[0] != theirs[0])),
        "bits": {code: [_packed(one) for one in each] for code, each in stands.items()},
    }


def _in_draws(wrong: Mapping[str, list[Tensor]]) -> dict[str, Any]:
    """The same of a random model by what is wrong in half of its passes or more.

    The codes' own verdicts hang on few draws.
    """
    right = {code: [round(1 - float(one.mean()), 4) for one in each] for code, each in wrong.items()}
    return {"right": right, **_summary({code: [one < 0.5 for one in each] for code, each in wrong.items()})}


def _ours(model: nn.Module, x: Tensor, y: Tensor, version: str, options: argparse.Namespace) -> Run:
    def run(seed: int) -> tuple[Tensor, Tensor]:
        results = autoattack(model, x, y, THREAT, version=version, seed=seed, batch_size=options.batch_size)
        return results.robust, results.adv

    return run


def _theirs(model: nn.Module, x: Tensor, y: Tensor, version: str, options: argparse.Namespace) -> Run:
    from autoattack import AutoAttack  # Croce and Hein's

    def run(seed: int) -> tuple[Tensor, Tensor]:
        attack = AutoAttack(model, "Linf", EPS, version=version, device=x.device, verbose=False, seed=seed)
        adv, said = attack.run_standard_evaluation(x, y, bs=options.batch_size, return_labels=True)
        return said == y, adv  # what was said when it broke: a random model says another thing later

    return run


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _differ(ours: Tensor, theirs: Tensor) -> dict[str, list[int]]:
    return {"only_ours_stands": _rows(ours & ~theirs), "only_reference_stands": _rows(theirs & ~ours)}


def _rows(which: Tensor) -> list[int]:
    rows: list[int] = which.nonzero().squeeze(1).tolist()
    return rows


def _packed(stands: Tensor) -> str:
    return np.packbits(stands.numpy()).tobytes().hex()


def _digest(model: nn.Module) -> str:
    """Of the weights: golden data are of these alone."""
    whole = b"".join(t.detach().cpu().contiguous().numpy().tobytes() for t in model.state_dict().values())
    return hashlib.sha256(whole).hexdigest()


def _keep(results: Mapping[str, Mapping[str, Any]], rows: list[str], options: argparse.Namespace) -> None:
    """Write what there is, after each model: a stop loses one."""
    count = {name: [sum(map(len, one.values())) for one in summary["differ"]] for name, summary in results.items()}
    within = {name: len(summary["reference_differs_between_seeds"]) for name, summary in results.items()}
    words = (
        f"{name} {' and '.join(map(str, count[name]))} (the reference by seed {within[name]}; stand "
        f"{summary['stand']['ours']} and {summary['stand']['reference']})"
        for name, summary in results.items()
    )
    save(
        options.name,
        result=f"of {len(rows):,} verdicts differ: {'; '.join(words)}",
        target="no more verdicts differ than the reference's own by seed",
        met=set(results) == set(MODELS) and all(max(count[name]) <= within[name] for name in results),
        details={
            "eps": EPS, "images": len(rows), "seeds": options.seeds, "batch_size": options.batch_size,
            "device": (
                torch.cuda.get_device_name(options.device) if options.device.startswith("cuda") else options.device
            ),
            "models": results, "bits": BITS, "rows": f"{rows[0]} to {rows[-1]}, in this order",
            "rows_digest": hashlib.sha256("\n".join(rows).encode()).hexdigest(),
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
