"""Test errors on MNIST at each checkpoint that a run of `sparring classify` kept, during training or after it.

    python benchmarks/checkpoints.py \\
        benchmarks/cache/trials/classify-18000000-images/mnist-recipe-improved-labels-100-seed-0

A run keeps its last three checkpoints. To measure more, copy others during the training into a `checkpoints` folder
beside a copy of its run.json. The EMA of the classifier is tested on all 10,000 test images, without test-time
augmentation.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from record import save
from safetensors.torch import load_file

from sparring.data.open import open_source
from sparring.engine.run_folder import Run
from sparring.recipes import recipe_class
from sparring.recipes.recipe import from_settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run folder of `sparring classify mnist`")
    parser.add_argument("--name", default="improved_checkpoints")
    options = parser.parse_args()
    run, mnist = Run(options.run), open_source("mnist")
    test = mnist.split("test")
    x, labels = test.spec.encode(test[np.arange(len(test))], torch.device("cpu")), torch.from_numpy(test.labels)
    recipe = from_settings(recipe_class(run.settings["recipe"]["name"]), run.settings["recipe"]["settings"])
    net = recipe.nets(mnist.spec)["classifier"].eval()
    errors: dict[int, int] = {}
    for checkpoint in run.checkpoints():
        weights = load_file(checkpoint / "average.safetensors")
        own = "classifier."
        net.load_state_dict({k.removeprefix(own): v for k, v in weights.items() if k.startswith(own)})
        with torch.no_grad():
            guesses = torch.cat([net(part).argmax(1) for part in torch.split(x, 1000)])
        errors[int(checkpoint.name)] = int((guesses != labels).sum())
    save(
        options.name,
        result=", ".join(f"{count} errors after {nimg:,} images" for nimg, count in errors.items()),
        target="at most 100 errors",
        met=list(errors.values())[-1] <= 100,
        details={"recipe": recipe.name, "of": len(test), "errors": errors, "request": run.settings["request"]},
    )


if __name__ == "__main__":
    main()
