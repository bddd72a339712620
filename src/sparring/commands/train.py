"""`sparring train`: a source and a recipe -> a run folder with a trained generator in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sparring.commands.doctor import doctor
from sparring.commands.reporting.progress import Progress
from sparring.commands.reporting.run_report import write_run
from sparring.commands.training.callbacks import events
from sparring.commands.training.run_settings import TrainRequest, as_told, check_generates, recipe_asked, recipe_of
from sparring.commands.training.session import Nets, TrainingSession
from sparring.data.dataset import Dataset
from sparring.data.image_shape import parse_size
from sparring.data.loader import BatchLoader
from sparring.engine import dist
from sparring.engine.device import Hardware, memory_peak
from sparring.engine.errors import UsageError
from sparring.engine.loop import System
from sparring.engine.run_folder import Run
from sparring.engine.seeds import mix
from sparring.models.generator import GeneratorModel, kept_vectors
from sparring.recipes import default_recipe
from sparring.recipes.recipe import GeneratorRecipe, Recipe


def train(
    source: str | Path,
    recipe: Recipe | str | None = None,
    *,
    minutes: float | None = None,
    images: int | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    size: str | tuple[int, int] | None = None,
    mode: str | None = None,
    label_fraction: float | None = None,
    device: str = "auto",
    precision: str = "auto",
    nets: Nets | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train `recipe` on SOURCE and return the run.

    Ends after about `minutes` (a probe turns them into images), or after `images`. An existing run at `out` is
    continued to the bit; settings that differ from its own are an error that names them. `label_fraction` hides all but
    this share of the labels, for experiments. `nets` puts networks of one's own in the recipe's place. Raises
    SparringError, with the way out, on all that can go wrong.
    """
    asked = TrainRequest(minutes, images, seed, parse_size(size), mode, label_fraction)
    progress = progress or Progress()
    dist.init()
    progress.quiet = progress.quiet or dist.rank() != 0
    if dist.world_size() > 1 and out is None:
        raise UsageError("several processes need --out, so that all of them mean the same run")
    hardware = Hardware.find(device, precision)
    name = recipe.name if isinstance(recipe, Recipe) else recipe or default_recipe("train")
    training = TrainingSession.of("train", source, asked, name, out, hardware, nets, progress)
    run = training.run
    if training.begun:
        check_generates(recipe_of(run))
    data = training.open()
    training.check_same(recipe, data)
    chosen = recipe_of(run) if training.begun else recipe_asked(recipe, data, hardware)
    check_generates(chosen)
    for note in _notes_on_labels(data, chosen):
        progress.info(f"note: {note}")
    data = as_told(chosen, data)

    def build(total: int) -> System:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(training.seed))
            made = (nets or chosen.nets)(data.spec)
            return chosen.system(data.spec, {name: hardware.to_device(net) for name, net in made.items()}, total)

    feed = BatchLoader(
        data,
        chosen.batch_size,
        seed=training.seed,
        parts=chosen.accumulation_steps,
        mirror=chosen.mirror,
        device=hardware.device,
    )
    plan = training.plan(chosen, data, build, feed)
    system = build(plan.images)
    start = training.begin(system, chosen, data)
    model = _shared(system, chosen, data, training.about(data))
    training.play(system, feed, plan, start, events(run, plan, system, model, data, progress))
    if dist.rank() == 0:
        write_run(run, doctor(run))
    return run


def _shared(system: System, recipe: GeneratorRecipe, data: Dataset, about: dict[str, Any]) -> GeneratorModel:
    """Return what a run saves: the averaged generator."""
    classes = recipe.classes(data.spec)
    counts = data.class_counts
    if len(counts) < classes:  # clusters
        counts = (1,) * classes
    vectors = kept_vectors(data.vectors)
    return GeneratorModel(system.ema.net, data.spec, recipe, counts, vectors, metadata=about)


def _notes_on_labels(data: Dataset, recipe: GeneratorRecipe) -> list[str]:
    """What is odd about the labels, for a recipe that takes them."""
    classes, counts = data.spec.classes, data.class_counts
    notes = []
    if data.label_fraction is not None and not data.report.classes:
        notes.append("no image has a label: --label-fraction changes nothing")
    if data.spec.condition_stats and not recipe.condition_stats(data.spec) and recipe.labels:
        notes.append(
            f"the labels are vectors, which {recipe.name} does not take: it trains without; --recipe r3 takes them"
        )
    if data.spec.unlabelled and recipe.classes(data.spec):
        notes.append(f"{len(data) - data.spec.unlabelled:,} of {len(data):,} training images have a label")
    if len(classes) > 1 and recipe.classes(data.spec) and 1 in counts:
        alone = [name for name, count in zip(classes, counts, strict=True) if count == 1]
        others = f" and {len(alone) - 1} more" * (len(alone) > 1)
        way_out = "merge it with another class, or add images, or train without labels (--recipe r3 --no-labels)"
        labelled = "labelled " * (data.spec.unlabelled > 0)
        notes.append(
            f"class '{alone[0]}'{others} has one {labelled}training image: samples of it may be copies; {way_out}"
        )
    return notes


def to_json(run: Run) -> dict[str, Any]:
    """Return where the results are, and the first and last distance to held-out data."""
    frames = run.frames()
    summary: dict[str, Any] = {
        "run": str(run.path),
        "images": run.settings["plan"]["images"],
        "samples": str(frames[-1]) if frames else None,
        "film": str(run.path / "film.webp"),
        "model": str(run.path / "generator.safetensors"),
        "report": str(run.report_path),
        "memory_peak": memory_peak(),
    }
    if distances := [line for line in run.metrics() if "sliced_wasserstein" in line]:
        summary["distance_to"] = "held-out images" if run.settings["data"].get("held_out") else "the training images"
        summary["sliced_wasserstein"] = {
            name: {"nimg": line["nimg"], "value": line["sliced_wasserstein"]}
            for name, line in (("first", distances[0]), ("last", distances[-1]))
        }
    return summary


def to_text(run: Run) -> str:
    """Return the lines that the command prints."""
    summary = to_json(run)
    lines = [f"{name:8} {summary[name]}" for name in ("run", "samples", "film", "model", "report")]
    if distance := summary.get("sliced_wasserstein"):
        first, last = distance["first"], distance["last"]
        lines.append(
            f"distance to {summary['distance_to']} (sliced Wasserstein): {first['value']:.4f} at image {first['nimg']:,}, "
            f"{last['value']:.4f} at image {last['nimg']:,}"
        )
    return "\n".join([*lines, f"more     sparring sample {run.path} -n 64", f"scores   sparring evaluate {run.path}"])
