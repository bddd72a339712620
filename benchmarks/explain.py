"""Hit rates of sentences on the effects of handles: recipes, and finders of directions.

    python benchmarks/explain.py --run r3 runs/mnist-r3 regression --run r3 runs/mnist-r3-copy sefa

Protocol. Each run is one that `sparring train` wrote; a saved explanation of equal protocol is taken as it is. One
finder gives 8 directions at most; sentences from n latents, hits on n fresh ones, a step of one standard deviation;
beside them the sentences of other handles and 200 random directions of equal change. The upper limit is a renderer of
strokes with known handles, by the same readings. Where the run holds a classifier, `edits` stands for the finder.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from record import log, save

from sparring.commands.explain import explain
from sparring.commands.explaining.classifier import RANDOM_EDITS
from sparring.commands.explaining.generator import DIRECTIONS
from sparring.engine.data_spec import ImageSpec
from sparring.engine.run_folder import Run
from sparring.measure.effects.chance import RandomDirections
from sparring.measure.effects.drawn_strokes import draw, known_directions
from sparring.measure.effects.effects import Effects, measure_effects
from sparring.measure.effects.latents import Latents
from sparring.measure.effects.readings import Readings

EDITS = "edits"
"""In place of a finder: the run holds a classifier, whose handles are edits of its examples."""
KEPT = ("rate", "chance", "beyond_chance", "doses", "by_label", "path_length")


def renderer_effects(n: int) -> Effects:
    """Effects of the renderer's handles; its latents are uniform between -1.5 and 1.5."""
    generator = torch.Generator().manual_seed(0)
    fit, written, fresh = (
        Latents(torch.rand(count, 6, generator=generator) * 3 - 1.5, torch.full((count,), -1)) for count in (1000, n, n)
    )
    readings = Readings.fit(ImageSpec(28, 28, 1), draw(fit))
    random = RandomDirections(draw, readings, written[:30], fresh[:30], 24)
    return measure_effects(draw, readings, known_directions(6), written, fresh, random)


def about(path: Path) -> dict[str, Any]:
    """What the saved model was trained on, and how long."""
    settings, nimg = Run(path).settings, int(Run(path).checkpoints()[-1].name)
    metrics = [line for line in Run(path).metrics() if line["nimg"] <= nimg]
    logged = [line for line in metrics if "sliced_wasserstein" in line or "coverage" in line]
    return {
        "data": settings["data"]["source"], "recipe": settings["recipe"]["name"],
        "settings": settings["recipe"]["settings"], "images": nimg,
        "last_metrics": {k: round(v, 4) for k, v in (logged[-1] if logged else {}).items() if isinstance(v, float)},
    }  # fmt: skip


def explained(path: Path, finder: str, n: int, seed: int) -> dict[str, Any]:
    """Return explain.json of a run: the saved one where its protocol is equal, else a new one."""
    saved = Run(path).read_json("explain")
    if finder == EDITS:
        settings, wanted = {}, {"fresh examples": n, "seed": seed, "random edits": RANDOM_EDITS}
    else:
        settings, wanted = {"finder": finder}, {"finder": finder, "fresh samples": n, "seed": seed}
        wanted["random directions"] = DIRECTIONS
    if saved and wanted.items() <= saved["protocol"].items():
        return saved
    return explain(path, n=n, seed=seed, **settings).to_json()


def _kept(fields: dict[str, Any]) -> dict[str, Any]:
    """Return what is recorded of explain.json: of handles and edits, the sentences and how often they hold."""
    handles = fields.get("handles") or fields["edits"]
    short = [{key: each[key] for key in ("sentence", "rate", "p_value", "beyond_chance")} for each in handles]
    return {key: fields[key] for key in KEPT if key in fields} | {"sentences": short}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--run", action="append", nargs=3, default=[], metavar=("NAME", "PATH", "FINDER"))
    parser.add_argument("-n", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0, help="of the latents")
    parser.add_argument("--name", default="explain", help="of the result file")
    options = parser.parse_args()
    renderer = renderer_effects(100)
    details: dict[str, Any] = {
        "renderer": {"rate": renderer.rate.to_json(), "chance": renderer.chance.level}, "n": options.n,
        "seed": options.seed, "runs": {}, "effects": [],
    }  # fmt: skip
    above, results = [], [f"renderer {renderer.rate.value:.3f}"]
    for name, path, finder in options.run:
        details["runs"][name] = about(Path(path))
        fields = explained(Path(path), finder, options.n, options.seed)
        details["effects"].append({"run": name, "finder": finder} | _kept(fields))
        log(f"{name} {finder}: {fields['verdict']}")
        results.append(f"{name} {finder} {fields['rate']['value']:.3f}, chance {fields['chance']['level']:.3f}")
        above.append(fields["beyond_chance"])
        save(
            options.name, result="; ".join(results), target="renderer 1; every lower end above chance",
            met=renderer.rate.value == 1 and all(above), details=details,
        )  # fmt: skip


if __name__ == "__main__":
    main()
