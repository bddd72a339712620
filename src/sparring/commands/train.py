"""`sparring train`: a source and a recipe -> a run folder with a trained generator in it."""

from __future__ import annotations

import itertools
import platform
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from sparring import __version__
from sparring.commands.plan import PROBE_SECONDS, Plan, check_memory, measure_speed
from sparring.commands.progress import Progress
from sparring.data.dataset import Images, open_images, parse_size
from sparring.data.feed import Feed
from sparring.engine import dist
from sparring.engine.checkpoint import check_finite
from sparring.engine.device import Hardware, memory_peak
from sparring.engine.errors import Diverged, SparringError, UsageError
from sparring.engine.loop import Due, System, play
from sparring.engine.pictures import grid, to_bytes
from sparring.engine.run import Run
from sparring.engine.seeds import mix
from sparring.measure.sliced import sliced_wasserstein
from sparring.recipes import DEFAULT, recipe_class
from sparring.recipes.model import Model, card
from sparring.recipes.recipe import Recipe, from_settings, to_settings

MINUTES = 10.0
"""Of training, where neither minutes nor images are asked for."""
SHOWN = 64
MEASURED = 1000
"""Samples in the sliced Wasserstein distance, at most."""

Nets = Callable[[Any], Mapping[str, nn.Module]]
"""spec -> networks by player: one's own in place of the recipe's."""


class Stopped(SparringError):
    """Someone asked the training to stop; it saved, and can go on."""


@dataclass
class _Given:
    """What was asked for; None: as in the run, or by default."""

    minutes: float | None
    images: int | None
    seed: int | None
    size: tuple[int, int] | None
    mode: str | None


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
    device: str = "auto",
    precision: str = "auto",
    nets: Nets | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train `recipe` on SOURCE and return the run.

    Ends after about `minutes` (a probe turns them into images), or after `images`. An existing run at `out` is
    continued to the bit; settings that differ from its own are an error that names them. `nets` puts networks of one's
    own in the recipe's place.
    """
    say = progress or Progress()
    given = _Given(minutes, images, seed, parse_size(size), mode)
    _check(given)
    dist.start()
    say.quiet = say.quiet or dist.rank() != 0
    hardware = Hardware.find(device, precision)
    run = Run(out if out is not None else _free_name(source, recipe))
    if dist.world_size() > 1 and out is None:
        raise UsageError("several processes need --out, so that all of them mean the same run")
    saved = run.settings if run.exists else None
    if saved:
        given = _taken_over(run, saved, given)
    data = _open(source, given, say)
    chosen = _recipe(run, saved, recipe, data, hardware)
    if saved:
        _check_same(run, saved, data, nets)
    memory = check_memory(chosen, data.spec, hardware) if nets is None else 0
    seed = given.seed or 0

    def build(total: int) -> System:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(seed, 0))
            made = dict(nets(data.spec) if nets else chosen.nets(data.spec))
            placed = {name: hardware.place(net) for name, net in made.items()}
            return chosen.system(data.spec, placed, total)

    feed = Feed(
        data, chosen.batch_size, seed=seed, parts=chosen.accumulate, mirror=chosen.mirror, device=hardware.device
    )
    plan = Plan(**saved["plan"]) if saved else _plan(given, build, feed, hardware)
    if dist.rank() == 0 and not saved:
        run.begin(_settings(source, data, chosen, given, plan, hardware, nets))
    dist.wait()
    system = build(plan.images)
    start = run.load_latest(system) or 0
    for warning in run.warnings:
        say.say(f"warning: {warning}")
    say.say(plan.in_words(hardware, memory))
    say.say(f"{'continuing' if start else 'training'} {chosen.name} on {data.report.used:,} images, run {run.path}")
    model = Model(
        system.average.net,
        data.spec,
        chosen.latents,
        chosen.conditional(data.spec),
        tuple(data.report.classes.values()),
    )
    due = _events(run, plan, system, model, data, say, _card(chosen, data, given, nets))
    say.begin("training", plan.images, start)
    try:
        with _signals() as asked:
            done = play(
                system,
                feed,
                total=plan.images,
                start=start,
                seed=seed,
                hardware=hardware,
                due=due,
                until=lambda: bool(asked),
            )
    except Diverged as error:
        raise Diverged(_advice(error, system, run)) from error
    finally:
        say.end()
    if dist.rank() == 0:
        run.film()
    if done < plan.images:
        raise Stopped(
            f"stopped at image {done:,} of {plan.images:,}; all is saved. Go on with: sparring train {source} --out {run.path}"
        )
    return run


def saved_recipe(out: str | Path | None) -> Recipe | None:
    """The recipe of the run at `out` with its settings, or None where there is no run."""
    if out is None or not Run(out).exists:
        return None
    told = Run(out).settings["recipe"]
    return from_settings(recipe_class(told["name"]), told["settings"])


def _check(given: _Given) -> None:
    if given.minutes is not None and given.images is not None:
        raise UsageError("--minutes and --images exclude each other: give one of them")
    if given.minutes is not None and not 0 < given.minutes < 1e6:
        raise UsageError(f"--minutes must be above 0, not {given.minutes}")
    if given.images is not None and given.images < 1:
        raise UsageError(f"--images must be 1 or more, not {given.images}")
    if given.seed is not None and not 0 <= given.seed < 1 << 63:
        raise UsageError(f"--seed must be 0 or more, and below 2^63, not {given.seed}")


def _free_name(source: str | Path, recipe: Recipe | str | None) -> Path:
    """`runs/<source>-<recipe>`, with a number where that is taken."""
    stem = (
        re.sub(r"[^A-Za-z0-9._-]+", "-", Path(str(source).partition("#")[0].rstrip("/\\")).name.split(".")[0]).strip(
            "-."
        )
        or "data"
    )
    name = recipe if isinstance(recipe, str) else recipe.name if recipe else DEFAULT
    names = (f"runs/{stem}-{name}{f'-{k}' if k > 1 else ''}" for k in itertools.count(1))
    return next(Path(candidate) for candidate in names if not Path(candidate).exists())


def _taken_over(run: Run, saved: dict[str, Any], given: _Given) -> _Given:
    """What the run has, where nothing was given; raises UsageError naming all that was given and differs."""
    had = saved["asked"]
    had = {**had, "size": tuple(had["size"]) if had["size"] else None}
    differing = [
        f"{name} is {had[name]} there, {value} was asked"
        for name, value in asdict(given).items()
        if value is not None and (tuple(value) if name == "size" else value) != had[name]
    ]
    if differing:
        raise UsageError(
            f"{run.path} was begun with other settings: {'; '.join(differing)}. Leave them out, or choose another --out"
        )
    return _Given(**had)


def _open(source: str | Path, given: _Given, say: Progress) -> Images:
    """The training split; process 0 first, so that the cache is built once."""
    if dist.rank() != 0:
        dist.wait()
    try:
        data = open_images(source, given.size, given.mode, say.counter("reading"))
    finally:
        if dist.rank() == 0:
            dist.wait()
    for note in data.report.notes:
        say.say(f"note: {note}")
    if left := sum(map(len, data.report.left_out.values())):
        say.say(f"note: {left:,} files are left out; `sparring inspect` names them and tells why")
    if not len(data):
        raise SparringError(
            f"{source} holds test images alone: rename the folder, or name the source of the training images"
        )
    if data.report.used < 2:
        raise SparringError(
            f"{source} holds one usable image: a generator needs two or more to learn from, hundreds to be good"
        )
    return data


def _recipe(
    run: Run, saved: dict[str, Any] | None, asked: Recipe | str | None, data: Images, hardware: Hardware
) -> Recipe:
    """The recipe with nothing left to choose: the run's own, or the one asked for."""
    if saved is None:
        fresh = asked if isinstance(asked, Recipe) else recipe_class(asked or DEFAULT)()
        return fresh.resolve(data.spec, hardware)
    had = from_settings(recipe_class(saved["recipe"]["name"]), saved["recipe"]["settings"])
    name = asked if isinstance(asked, str) else asked.name if asked else had.name
    if name != had.name:
        raise UsageError(
            f"{run.path} was begun with other settings: recipe is {had.name} there, {name} was asked. Choose another --out"
        )
    if isinstance(asked, Recipe):
        old, new = to_settings(had), to_settings(asked)
        differing = [
            f"{k} is {old[k]} there, {new[k]} was asked" for k in old if new[k] is not None and new[k] != old[k]
        ]
        if differing:
            raise UsageError(
                f"{run.path} was begun with other settings: {'; '.join(differing)}. Leave them out, or choose another --out"
            )
    return had


def _check_same(run: Run, saved: dict[str, Any], data: Images, nets: Nets | None) -> None:
    if saved["data"]["fingerprint"] != data.fingerprint:
        raise UsageError(
            f"{run.path} was trained on other data: {saved['data']['source']} with {saved['data']['count']:,} images of "
            f"{saved['data']['height']}x{saved['data']['width']}; now it is {data.spec.count:,} images of "
            f"{data.spec.height}x{data.spec.width}. Choose another --out"
        )
    if saved["own_nets"] != (nets is not None):
        raise UsageError(
            f"{run.path} was trained with {'networks of your own' if saved['own_nets'] else 'the recipe’s networks'}: give the same"
        )


def _plan(given: _Given, build: Callable[[int], System], feed: Feed, hardware: Hardware) -> Plan:
    if given.images is not None:
        return Plan.of(given.images, feed.batch_size)
    minutes = given.minutes if given.minutes is not None else MINUTES
    speed = measure_speed(lambda: build(1 << 50), feed, hardware, min(PROBE_SECONDS, minutes * 6))
    return Plan.of(Plan.images_in(minutes, speed), feed.batch_size, minutes, speed)


def _settings(
    source: str | Path, data: Images, recipe: Recipe, given: _Given, plan: Plan, hardware: Hardware, nets: Nets | None
) -> dict[str, Any]:
    """All of run.json."""
    spec = {k: v for k, v in asdict(data.spec).items() if k != "classes"}
    return {
        "recipe": {"name": recipe.name, "settings": to_settings(recipe)},
        "own_nets": nets is not None,
        "asked": asdict(given),
        "data": {"source": str(source), "fingerprint": data.fingerprint, **spec, "classes": list(data.spec.classes)},
        "plan": plan.settings(),
        "hardware": hardware.describe(),
        "processes": dist.world_size(),
        "versions": {
            "sparring": __version__, "python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__,
        },
        "command": sys.argv,
    }  # fmt: skip


def _card(recipe: Recipe, data: Images, given: _Given, nets: Nets | None) -> dict[str, Any]:
    return card(
        recipe, data.spec, tuple(data.report.classes.values()), own_nets=nets is not None, seed=given.seed or 0,
        data=data.fingerprint, sparring=__version__,
    )  # fmt: skip


def _events(
    run: Run, plan: Plan, system: System, model: Model, data: Images, say: Progress, told: dict[str, Any]
) -> list[Due]:
    """What is due when: logging, showing, then measuring and saving together."""
    game = system.game
    z, y = model.latents_of(range(SHOWN), seed=0)
    if model.conditional:
        y = torch.arange(SHOWN) % len(data.spec.classes)
    held_out = _held_out(data)

    def log(nimg: int, means: Mapping[str, float]) -> None:
        if dist.rank() == 0 and means:
            run.log(nimg, means)
            say.at(nimg, {name: means[name] for name in game.players if name in means})

    def show(nimg: int, means: Mapping[str, float]) -> None:
        if dist.rank() == 0:
            run.show(nimg, grid(to_bytes(model.generate(z, y))))

    def measure_and_save(nimg: int, means: Mapping[str, float]) -> None:
        check_finite(game.players.items(), nimg)
        dist.check_agreement(game.players.items())
        if dist.rank() == 0:
            run.log(nimg, {"sliced_wasserstein": sliced_wasserstein(_some(model, len(held_out)), held_out)})
            run.write_model(model.generator.state_dict(), {**told, "nimg": nimg})
            run.save(system, nimg)

    return [Due(plan.log_every, log), Due(plan.show_every, show), Due(plan.save_every, measure_and_save)]


def _held_out(data: Images) -> Tensor:
    """Up to a thousand images of the test split, or of the training split where there is none, in [-1, 1]."""
    split: Literal["train", "test"] = "test" if data.report.splits["test"] else "train"
    images = data.split(split)
    rows = np.random.default_rng(0).permutation(len(images))[:MEASURED]
    return torch.from_numpy(images[rows]).permute(0, 3, 1, 2).float() / 127.5 - 1


def _some(model: Model, count: int) -> Tensor:
    images = [torch.from_numpy(chunk) for chunk in model.samples(count, seed=1)]
    return torch.cat(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def _advice(error: Diverged, system: System, run: Run) -> str:
    """The error with the first bad tensor, what is safe, and what to try."""
    try:
        check_finite(system.game.players.items(), 0)
        tensor = ""
    except Diverged as found:
        tensor = f" ({str(found).split(' at image')[0]})"
    good = run.checkpoints()
    kept = f"The last good checkpoint is {good[-1]}" if good else "No checkpoint was saved yet"
    return f"{error}{tensor}. {kept}. Start a new run with a lower --lr"


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that fills when SIGINT or SIGTERM comes; a second one takes its usual course."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        signal.signal(number, usual[signal.Signals(number)])

    for number in usual:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


def summary(run: Run) -> dict[str, Any]:
    """What there is to tell at the end: where things lie, and the distance to held-out data, first and last."""
    distances = [line for line in run.metrics() if "sliced_wasserstein" in line]
    told: dict[str, Any] = {
        "run": str(run.path), "images": run.settings["plan"]["images"], "film": str(run.path / "film.webp"),
        "samples": str(run.frames()[-1]) if run.frames() else None, "model": str(run.path / "model.safetensors"),
        "memory_peak": memory_peak(),
    }  # fmt: skip
    if distances:
        told["sliced_wasserstein"] = {
            name: {"nimg": line["nimg"], "value": line["sliced_wasserstein"]}
            for name, line in (("first", distances[0]), ("last", distances[-1]))
        }
    return told
