"""All generator recipes with the same minutes on one core, measured alike.

    python benchmarks/history.py                 # hours: --minutes 5 --seeds 0 1 2

Data: MNIST, Fashion-MNIST, CIFAR-10 (JPEG re-encoded) and the ORL faces at 112x92. Measured: Fréchet distance and
coverage in one feature network for each data set, accuracy of a fresh discriminator (50 % is equilibrium), images per
second, parameters. Seeds after the first are for MNIST alone. A picture shows samples of each recipe by year.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import numpy as np
from judge import Judge
from PIL import Image, ImageDraw, ImageFont
from record import RESULTS, save
from trials import Trial, run

from sparring.engine.image_io import to_image
from sparring.models.load_generator import load_generator

RECIPES = {"gan2014": 2014, "lapgan": 2015, "dcgan": 2015, "biggan": 2019, "s3gan": 2019, "r3": 2024}
DATA = ("mnist", "fashion-mnist", "cifar10-jpeg", "orl-faces")


def trials(minutes: float, seeds: list[int], data: list[str], recipes: list[str]) -> list[Trial]:
    """All of them: the first seed of everything first."""
    made = []
    for seed in seeds:
        for name in data if seed == seeds[0] else ["mnist"] if "mnist" in data else []:
            for recipe in recipes:
                flags = ("--recipe", recipe, "--minutes", f"{minutes:g}", "--seed", str(seed))
                made.append(Trial(f"history-{minutes:g}/{name}-{recipe}-{seed}", name, flags))
    return made


def picture(table: dict[str, list[Trial]], data: list[str]) -> Image.Image:
    """A row a recipe, six samples of each data set beside one another."""
    height, gap, label = 112, 6, 120
    rows = []
    for recipe, done in table.items():
        strips = []
        for trial in done:
            model = load_generator(trial.folder / "run")
            chunk = next(iter(model.samples(32, seed=3)))
            tiles = [to_image(pixels).convert("RGB") for pixels in chunk[:6]]
            size = (round(height * tiles[0].width / tiles[0].height), height)
            strips.append(np.concatenate([np.asarray(t.resize(size, Image.Resampling.NEAREST)) for t in tiles], 1))
        white = np.full((height, gap, 3), 255, np.uint8)
        name = Image.new("RGB", (label, height), "white")
        font = ImageFont.load_default(24)
        ImageDraw.Draw(name).multiline_text((8, 26), f"{RECIPES[recipe]}\n{recipe}", fill="black", font=font)
        rows.append(np.concatenate([np.asarray(name), *(part for strip in strips for part in (strip, white))], 1))
    return Image.fromarray(np.concatenate(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--name", default="history", help="of the result files")
    options = parser.parse_args()
    todo = trials(options.minutes, options.seeds, options.data, options.recipes)
    reports = run(todo, options.workers)
    baselines = {name: Judge(name).baseline() for name in options.data}
    shown = ("fd", "coverage", "recall", "nash", "images_per_second", "parameters", "images")
    table: dict[str, Any] = {}
    wins = []
    for name in options.data:
        column: dict[str, Any] = {}
        for recipe in options.recipes:
            results = [reports[t.name] for t in todo if t.source == name and t.flags[1] == recipe]
            column[recipe] = {key: [r.get(key) for r in results] for key in shown}
        table[name] = {"floor": baselines[name], **column}
        medians = {recipe: statistics.median(column[recipe]["fd"]) for recipe in options.recipes}
        wins.append(min(medians, key=lambda recipe: medians[recipe]) == "r3")
    first = options.seeds[0]
    by_recipe = {
        recipe: [t for t in todo if t.flags[1] == recipe and t.flags[-1] == str(first)] for recipe in options.recipes
    }
    picture(by_recipe, options.data).save(RESULTS / f"{options.name}.png")
    words = "; ".join(
        f"{name}: " + ", ".join(f"{r} {statistics.median(table[name][r]['fd']):.2f}" for r in options.recipes)
        for name in options.data
    )
    save(
        options.name,
        result=words,
        target="the default has the lowest Fréchet distance of every column",
        met=all(wins),
        details={"minutes": options.minutes, "seeds": options.seeds, "threads_each": 1, "at_a_time": 2, "table": table},
    )


if __name__ == "__main__":
    main()
