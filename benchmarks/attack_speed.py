"""Speed of AutoAttack against Croce and Hein's code, and of PGD-40 against torchattacks and foolbox, at equal verdicts.

    python benchmarks/attack_speed.py --peers /tmp/peers --reference /tmp/auto-attack --robust RUN

The other packages are read from folders outside the repository (`pip install --no-deps --target /tmp/peers torchattacks
foolbox ...`; github.com/fra31/auto-attack). They alternate with ours on the same MNIST images and network, one thread
each. The undefended network is trained here for one epoch by `sparring harden --eps 0`; RUN is a run of
`benchmarks/hardened.py`.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from judge import source
from record import alternate, data_folder, ratios, save, spread
from torch import Tensor, nn
from trials import CACHE_FOLDER, hardened

from sparring.attacks import Threat, autoattack, pgd
from sparring.data.open import open_source
from sparring.models.classifier import load_classifier

EPS = 0.3
THREAT = Threat("Linf", EPS)
STEPS = 40


class Pixels(nn.Module):
    """A run's network on pixels from 0 to 1."""

    def __init__(self, run: Path) -> None:
        super().__init__()
        classifier = load_classifier(run)
        self.net, self.temperature = classifier.net.eval().requires_grad_(False), classifier.temperature

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net.head(self.net.features(x * 2 - 1)) / self.temperature  # type: ignore[operator]
        return logits


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--robust", type=Path, required=True)
    parser.add_argument("--images", type=int, default=50, help="for AutoAttack")
    parser.add_argument("--pgd-images", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--name", default="attack_speed", help="of the result file")
    options = parser.parse_args()
    data_folder()
    torch.set_num_threads(1)
    sys.path[:0] = [str(options.peers), str(options.reference)]
    warnings.simplefilter("ignore")
    models = {"undefended": Pixels(_undefended()), "robust": Pixels(options.robust)}
    test = open_source("mnist").split("test")
    rows = np.arange(max(options.images, options.pgd_images))
    x, y = torch.from_numpy(test[rows]).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(test.labels[rows]).long()
    few = options.images
    whole = {name: _whole(model, x[:few], y[:few], options.pairs) for name, model in models.items()}
    steps = {
        name: _steps(model, x[: options.pgd_images], y[: options.pgd_images], options.pairs)
        for name, model in models.items()
    }
    faster = {name: summary["times_reference"]["median"] for name, summary in whole.items()}
    against = {
        f"{name}, {peer}": summary[f"times_{peer}"]["median"]
        for name, summary in steps.items()
        for peer in ("torchattacks", "foolbox")
    }
    save(
        options.name,
        result=f"AutoAttack "
        f"{', '.join(f'{name} {times:.1f}' for name, times in faster.items())} times the reference's speed; PGD-40 "
        f"{', '.join(f'{name} {times:.1f}' for name, times in against.items())} times",
        target="AutoAttack 10 (undefended) and 3 (robust) times the reference, "
        "PGD-40 2 times both, at the same verdicts",
        met=faster["undefended"] >= 10 and faster["robust"] >= 3 and min(against.values()) >= 2,
        details={"eps": EPS, "images": few, "pgd_images": options.pgd_images, "autoattack": whole, "pgd40": steps},
    )


def _undefended() -> Path:
    flags = ("--method", "fast", "--eps", "0", "--width", "32", "--images", "60000")
    return hardened(CACHE_FOLDER / "attack-speed-undefended", source("mnist"), *flags)


def _whole(model: nn.Module, x: Tensor, y: Tensor, pairs: int) -> dict[str, Any]:
    from autoattack import AutoAttack  # Croce and Hein's

    results: dict[str, Tensor] = {}

    def ours() -> None:
        results["ours"] = autoattack(model, x, y, THREAT).robust

    def theirs() -> None:
        adv = AutoAttack(
            model, "Linf", EPS, version="standard", device="cpu", verbose=False, seed=0
        ).run_standard_evaluation(x, y, bs=250)
        results["theirs"] = model(adv).argmax(1) == y

    return _summary({"ours": ours, "reference": theirs}, results, pairs)


def _steps(model: nn.Module, x: Tensor, y: Tensor, pairs: int) -> dict[str, Any]:
    import foolbox
    import torchattacks

    results: dict[str, Tensor] = {}

    def ours() -> None:
        results["ours"] = ~pgd(model, x, y, THREAT, steps=STEPS, step=1 / 30).success

    def attacks() -> None:
        results["torchattacks"] = model(torchattacks.PGD(model, eps=EPS, alpha=0.01, steps=STEPS)(x, y)).argmax(1) == y

    def box() -> None:
        attack = foolbox.attacks.LinfPGD(steps=STEPS, abs_stepsize=0.01)
        results["foolbox"] = ~attack(foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), x, y, epsilons=EPS)[2]

    return _summary({"ours": ours, "torchattacks": attacks, "foolbox": box}, results, pairs)


def _summary(contenders: dict[str, Callable[[], object]], results: dict[str, Tensor], pairs: int) -> dict[str, Any]:
    seconds = alternate(contenders, pairs, warm_up=0)
    own, others = results.pop("ours"), results
    return {
        "seconds": {name: spread(values) for name, values in seconds.items()},
        **{f"times_{name}": spread(ratios(seconds[name], seconds["ours"])) for name in contenders if name != "ours"},
        "stand": {"ours": int(own.sum()), **{name: int(stands.sum()) for name, stands in others.items()}},
        "verdicts_that_differ": {name: int((stands != own).sum()) for name, stands in others.items()},
    }


if __name__ == "__main__":
    main()
