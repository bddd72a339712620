"""`sparring train`: train a generator or a density model, in a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Unpack

from sparring.commands.doctor import SAMPLES, doctor
from sparring.commands.private.options import LEDGER, PrivateOptions, is_private_run, is_private_training
from sparring.commands.private.train import train_private
from sparring.commands.reporting.progress import Progress
from sparring.commands.reporting.run_report import write_run
from sparring.commands.training.callbacks import generator_callbacks
from sparring.commands.training.density_callbacks import density_callbacks
from sparring.commands.training.fit_once import fit_once
from sparring.commands.training.plan import Plan, PostTraining
from sparring.commands.training.post_training import after_train
from sparring.commands.training.request import Nets, TrainRequest
from sparring.commands.training.run_settings import for_recipe
from sparring.commands.training.session import TrainingSession
from sparring.data.dataset import Dataset
from sparring.data.loader import BatchLoader
from sparring.data.read_keywords import ReadKeywords, read_options
from sparring.engine import dist
from sparring.engine.device import memory_peak
from sparring.engine.loop import Callback, System
from sparring.engine.run_folder import SECRETS, Run
from sparring.models.density import DensityModel
from sparring.models.generator import GeneratorModel, kept_vectors
from sparring.models.load_generator import generator_model
from sparring.recipes.fitted import FittedRecipe
from sparring.recipes.recipe import GeneratorRecipe, Recipe


def train(
    source: str | Path,
    recipe: Recipe | str | None = None,
    *,
    minutes: float | None = None,
    images: int | None = None,
    out: str | Path | None = None,
    seed: int | None = None,
    label_fraction: float | None = None,
    private: float | None = None,
    delta: float | None = None,
    schema: str | Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    nets: Nets | None = None,
    progress: Progress | None = None,
    **read: Unpack[ReadKeywords],
) -> Run:
    """Train a generator, of a GAN or a density model, on `source` and return the run.

    The arguments are the fields of `TrainRequest`; `read` holds fields of `ReadOptions`, such as `size` and `mode` of
    images. `nets` gives `generator` and `discriminator`. `private` is the epsilon of differential privacy at `delta`:
    only noisy sums of the rows are trained on. A private table needs a public `schema` (`data/tables/schema.py`).
    `progress` receives messages; by default they go to stderr.

    Raises:
        UsageError: Settings differ from those of the run at `out`, or do not fit the data or each other.
        SparringError: The data cannot be used, memory is too small, or a loss diverges (Diverged).
        Stopped: a stop signal came; all is saved.

    """
    request = TrainRequest(
        source=source, recipe=recipe, minutes=minutes, images=images, out=out, seed=seed, label_fraction=label_fraction,
        device=device, precision=precision, nets=nets, read=read_options(read),
    )  # fmt: skip
    dist.init()
    if is_private_training(request, options := PrivateOptions(private, delta, schema)):
        return train_private(request, options, progress)
    return _train(request, progress)


def _train(request: TrainRequest, progress: Progress | None) -> Run:
    """Train a generator on public rows, diagnose the run and write its page."""
    session, data = start_generator(request, progress)
    if isinstance(session.settings.recipe, FittedRecipe):
        return fit_once(session, data)
    before = session.run.metrics()
    play_generator(session, data)
    is_unchanged = session.run.report_path.exists() and session.run.metrics() == before
    if dist.rank() == 0 and not is_unchanged:  # a finished run keeps a page with scores
        with session.after_training("diagnosis"):
            write_run(session.run, doctor(session.run))
    return session.run


def start_generator(request: TrainRequest, progress: Progress | None) -> tuple[TrainingSession, Dataset]:
    """Start or resume the session of a generator, and open its data."""
    session = TrainingSession.start("train", request, progress)
    data = session.open_data()
    session = session.resolve(data)
    session.notes(_label_notes(data, session.settings.recipe))
    return session, data


def play_generator(session: TrainingSession, data: Dataset) -> None:
    """Train the generator of a session to its end."""
    resolved: GeneratorRecipe = session.settings.recipe
    data = for_recipe(resolved, data)
    loader = BatchLoader(
        data, resolved.batch_size, seed=session.settings.seed, parts=resolved.accumulation_steps,
        mirror=resolved.mirror, device=session.hardware.device,
    )  # fmt: skip

    def callbacks(system: System, plan: Plan) -> list[Callback]:
        model = _generator(system, resolved, data, session.metadata(data))
        if isinstance(model, DensityModel):
            return density_callbacks(session, plan, system, model, data)
        return generator_callbacks(session, plan, system, model, data)

    def then(system: System) -> PostTraining:
        return after_train(_generator(system, resolved, data, {}), SAMPLES)

    session.play(data, loader, callbacks, then)


def _generator(system: System, recipe: GeneratorRecipe, data: Dataset, metadata: dict[str, Any]) -> GeneratorModel:
    """Return the model that a run saves: the averaged generator."""
    counts = data.class_counts
    if len(counts) < (classes := recipe.classes(data.spec)):  # clusters instead of classes
        counts = (1,) * classes
    vectors = kept_vectors(data.vectors)
    return generator_model(system.ema.net, data.spec, recipe, counts, vectors, metadata=metadata)


def _label_notes(data: Dataset, recipe: GeneratorRecipe) -> list[str]:
    """Return remarks on the labels, for a recipe that uses them."""
    spec, counts, unit = data.spec, data.class_counts, data.report.unit
    notes = []
    if data.label_fraction is not None and not data.report.classes:
        notes.append("the data have no labels: --label-fraction has no effect")
    if spec.condition_stats and not recipe.condition_stats(spec) and recipe.labels:
        notes.append(f"the labels are vectors, which {recipe.name} does not use; --recipe r3 does")
    if spec.unlabelled and recipe.classes(spec):
        notes.append(f"{len(data) - spec.unlabelled:,} of {len(data):,} training {unit} have a label")
    if len(spec.classes) > 1 and recipe.classes(spec) and 1 in counts:
        single = [name for name, count in zip(spec.classes, counts, strict=True) if count == 1]
        others = f" and {len(single) - 1} more" * (len(single) > 1)
        labelled = "labelled " * (spec.unlabelled > 0)
        notes.append(
            f"class '{single[0]}'{others} has one {labelled}training example, and its samples may be copies: merge it "
            "with another class, add examples, or train without labels (--recipe r3 --no-labels)"
        )
    return notes


def to_json(run: Run) -> dict[str, Any]:
    """Return where the results are, and the first and last distance to held-out data."""
    frames = run.frames()
    summary: dict[str, Any] = {
        "run": str(run.path),
        "images": run.settings["plan"]["images"],
        "samples": str(frames[-1]) if frames else None,
        "film": str(film) if (film := run.path / "film.webp").exists() else None,
        "model": str(run.path / "generator.safetensors"),
        "report": str(run.report_path),
        "memory_peak": memory_peak(),
    }
    if is_private_run(run.path):
        summary["privacy"] = run.read_json(LEDGER)
    if distances := [line for line in run.metrics() if "sliced_wasserstein" in line]:
        summary["distance_to"] = "held-out examples" if run.settings["data"]["held_out"] else "the training examples"
        summary["sliced_wasserstein"] = {
            name: {"nimg": line["nimg"], "value": line["sliced_wasserstein"]}
            for name, line in (("first", distances[0]), ("last", distances[-1]))
        }
    return summary


def to_text(run: Run) -> str:
    """Return the lines that the command prints."""
    summary = to_json(run)
    names = ("run", "samples", "film", "model", "report")
    lines = [f"{name:8} {summary[name]}" for name in names if summary[name]]
    if distance := summary.get("sliced_wasserstein"):
        first, last = distance["first"], distance["last"]
        lines.append(
            f"distance to {summary['distance_to']} (sliced Wasserstein): "
            f"{first['value']:.4f} at image {first['nimg']:,}, {last['value']:.4f} at image {last['nimg']:,}"
        )
    public = ""
    if private := summary.get("privacy"):
        public = " --data PUBLIC_SOURCE"
        budget = f"epsilon {private['total_epsilon']:.4g}, delta {private['budget']['delta']:g}"
        lines.append(f"privacy  {budget}: the page lists what may be shared; never {run.path / SECRETS}")
    more = f"more     sparring sample {run.path} -n 64"
    return "\n".join([*lines, more, f"scores   sparring evaluate {run.path}{public}"])
