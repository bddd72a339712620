"""Speed of AutoAttack against Croce and Hein's code, and of PGD-40 against torchattacks and foolbox, at equal verdicts.

    python benchmarks/attack_speed.py --peers /tmp/peers --reference /tmp/auto-attack --robust RUN

The other packages are read from folders outside the repository (`pip install --no-deps --target /tmp/peers torchattacks
foolbox ...`; github.com/fra31/auto-attack). They alternate with ours on the same MNIST images and network, one thread
each. The undefended network is trained here for one epoch by `sparring harden --eps 0`; RUN is a run of
`sparring harden`. Ours is what `sparring attack` does, with the network in channels_last: `ours` in float32, its
default, and `ours_bf16` with `--precision bf16`, a search in bf16 and verdicts in float32. The reference gets the
network as torch builds it, and once more in channels_last, which its users could set by hand.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from judge import source
from record import alternate, data_folder, ratios, save, spread
from torch import Tensor, nn
from trials import CACHE_FOLDER, hardened

from sparring.attacks import Threat, autoattack, pgd
from sparring.attacks.surrogate import bf16_surrogate, search_with_surrogate
from sparring.data.open import open_source
from sparring.models.classifier import load_classifier

EPS = 0.3
THREAT = Threat("Linf", EPS)
STEPS = 40
PEERS = ("torchattacks", "foolbox")
TARGETS = {"undefended": 10, "robust": 3}
"""Least speed of AutoAttack, as a multiple of the reference's, by network."""


class Pixels(nn.Module):
    """A run's network on pixels from 0 to 1."""

    def __init__(self, run: Path, layout: torch.memory_format = torch.channels_last) -> None:
        super().__init__()
        classifier = load_classifier(run)
        classifier.net.to(memory_format=layout)  # type: ignore[call-overload]
        self.net, self.temperature = classifier.net.eval().requires_grad_(False), classifier.temperature

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net.head(self.net.features(x * 2 - 1)) / self.temperature  # type: ignore[operator]
        return logits


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--robust", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--images", type=int, default=50, help="for AutoAttack")
    parser.add_argument("--pgd-images", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--name", default="attack_speed", help="of the result file")
    options = parser.parse_args()
    data_folder()
    torch.set_num_threads(1)
    sys.path[:0] = [str(options.peers), str(options.reference)]
    warnings.simplefilter("ignore")
    runs = {"undefended": _undefended(), "robust": options.robust}
    runs = {name: runs[name] for name in options.networks}
    test = open_source("mnist").split("test")
    rows = np.arange(max(options.images, options.pgd_images))
    x, y = torch.from_numpy(test[rows]).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(test.labels[rows]).long()
    few = options.images
    whole = {name: _whole(run, x[:few], y[:few], options.pairs) for name, run in runs.items()}
    steps = {
        name: _steps(run, x[: options.pgd_images], y[: options.pgd_images], options.pairs) for name, run in runs.items()
    }
    faster, met = [], []
    for precision, prefix in (("float32", "times"), ("bf16", "bf16_times")):
        times = {name: summary[f"{prefix}_reference"]["median"] for name, summary in whole.items()}
        pgd_times = {
            f"{name}, {peer}": summary[f"{prefix}_{peer}"]["median"]
            for name, summary in steps.items()
            for peer in PEERS
        }
        faster.append(
            f"{precision}: AutoAttack {', '.join(f'{name} {ratio:.2f}' for name, ratio in times.items())}; "
            f"PGD-40 {', '.join(f'{name} {ratio:.2f}' for name, ratio in pgd_times.items())}"
        )
        met.append(all(ratio >= TARGETS[name] for name, ratio in times.items()) and min(pgd_times.values()) >= 2)
    save(
        options.name,
        result=f"multiples of the speed of the reference and of the peers, {'; '.join(faster)}",
        target="AutoAttack 10 (undefended) and 3 (robust) times the reference, "
        "PGD-40 2 times both, at the same verdicts",
        met=any(met),
        details={
            "eps": EPS,
            "images": few,
            "pgd_images": options.pgd_images,
            "network": load_classifier(options.robust).recipe.net,
            "autoattack": whole,
            "pgd40": steps,
        },
    )


def _undefended() -> Path:
    flags = ("--method", "fast", "--eps", "0", "--width", "32", "--images", "60000")
    return hardened(CACHE_FOLDER / "attack-speed-undefended", source("mnist"), *flags)


def _whole(run: Path, x: Tensor, y: Tensor, pairs: int) -> dict[str, Any]:
    from autoattack import AutoAttack  # Croce and Hein's

    results: dict[str, Tensor] = {}
    model = Pixels(run)

    def ours(name: str, surrogate: Callable[[Tensor], Tensor] | None) -> None:
        results[name] = autoattack(model, x, y, THREAT, surrogate=surrogate).robust

    def theirs(name: str, model: nn.Module) -> None:
        adv = AutoAttack(
            model, "Linf", EPS, version="standard", device="cpu", verbose=False, seed=0
        ).run_standard_evaluation(x, y, bs=250)
        results[name] = model(adv).argmax(1) == y

    contenders = {
        "ours": partial(ours, "ours", None),
        "ours_bf16": partial(ours, "ours_bf16", bf16_surrogate(model)),
        "reference": partial(theirs, "reference", Pixels(run, torch.contiguous_format)),
        "reference_channels_last": partial(theirs, "reference_channels_last", model),
    }
    return _summary(contenders, results, pairs)


def _steps(run: Path, x: Tensor, y: Tensor, pairs: int) -> dict[str, Any]:
    import foolbox
    import torchattacks

    results: dict[str, Tensor] = {}
    model, plain = Pixels(run), Pixels(run, torch.contiguous_format)
    steps = partial(pgd, steps=STEPS, step=1 / 30)
    searches = {"ours": steps, "ours_bf16": search_with_surrogate(bf16_surrogate(model), steps)}

    def ours(name: str) -> None:
        results[name] = ~searches[name](model, x, y, THREAT, seed=0).success

    def attacks() -> None:
        results["torchattacks"] = plain(torchattacks.PGD(plain, eps=EPS, alpha=0.01, steps=STEPS)(x, y)).argmax(1) == y

    def box() -> None:
        attack = foolbox.attacks.LinfPGD(steps=STEPS, abs_stepsize=0.01)
        results["foolbox"] = ~attack(foolbox.PyTorchModel(plain, bounds=(0, 1), device="cpu"), x, y, epsilons=EPS)[2]

    own = {name: partial(ours, name) for name in searches}
    return _summary({**own, "torchattacks": attacks, "foolbox": box}, results, pairs)


def _summary(contenders: dict[str, Callable[[], object]], results: dict[str, Tensor], pairs: int) -> dict[str, Any]:
    """Return the seconds, their ratios to ours and to ours in bf16 by peer, and how the verdicts differ from ours."""
    seconds = alternate(contenders, pairs, warm_up=0)
    peers = [name for name in contenders if not name.startswith("ours")]
    return {
        "seconds": {name: spread(values) for name, values in seconds.items()},
        **{f"times_{peer}": spread(ratios(seconds[peer], seconds["ours"])) for peer in peers},
        **{f"bf16_times_{peer}": spread(ratios(seconds[peer], seconds["ours_bf16"])) for peer in peers},
        "stand": {name: int(stands.sum()) for name, stands in results.items()},
        "verdicts_that_differ": {
            name: int((stands != results["ours"]).sum()) for name, stands in results.items() if name != "ours"
        },
    }


if __name__ == "__main__":
    main()
