"""Compute the duality gap of a run's game from a checkpoint."""

from __future__ import annotations

from sparring.commands.reporting.progress import Progress
from sparring.commands.training.run_settings import as_trained, recipe_of, spec_of
from sparring.data.dataset import Dataset
from sparring.data.loader import BatchLoader
from sparring.engine import checkpoint
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError
from sparring.engine.loop import System
from sparring.engine.run_folder import Run
from sparring.measure.diagnostics.duality_gap import duality_gap
from sparring.recipes.recipe import GANRecipe

ROUNDS, HELD_OUT = 200, 8
"""Number of batches on which each player is trained alone, and on which the game's value is computed."""


def gap_of(run: Run, data: Dataset, hardware: Hardware, progress: Progress, which: str | int = "last") -> float | None:
    """Return the duality gap; None without a checkpoint, with custom networks, or in a game without the two players.

    A generator that is trained by likelihood as well (FlowGAN) has none: its loss is not that of the game.

    Raises SparringError where the data have other classes than the run's, or the checkpoint is damaged.
    """
    if not run.exists or not run.checkpoints() or run.settings["custom_nets"]:
        return None
    recipe, settings = recipe_of(run), run.settings
    if not isinstance(recipe, GANRecipe):
        return None
    data = as_trained(run, data)
    if data.spec.classes != spec_of(run).classes:
        raise SparringError(f"{data.report.source} has other classes than the data that {run.path} was trained on")
    if len(data.spec.condition_stats) != len(spec_of(run).condition_stats):
        raise SparringError(f"{data.report.source} has other vectors than the data that {run.path} was trained on")
    path = run.checkpoint_path(which)

    def build() -> System:
        nets = {name: hardware.to_device(net) for name, net in recipe.nets(data.spec).items()}
        system = recipe.system(data.spec, nets, settings["plan"]["images"])
        checkpoint.load(system, path)
        return system

    if not {"generator", "discriminator"} <= set(build().game.turns):
        return None
    progress.info("training each player alone, for the duality gap ...")
    seed = settings["request"]["seed"] + 1  # other batches than in the training
    feed = BatchLoader(data, recipe.batch_size, seed=seed, mirror=recipe.mirror, device=hardware.device)
    fresh = data.split("test") if data.report.splits["test"] else data
    held_out = BatchLoader(fresh, recipe.batch_size, seed=seed, device=hardware.device)
    batches = [held_out.batches(k * recipe.batch_size, 0)[0] for k in range(HELD_OUT)]
    return duality_gap(build, feed, batches, images=ROUNDS * recipe.batch_size, seed=seed, hardware=hardware)
