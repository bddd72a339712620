"""`sparring train`: a source and a recipe -> a run folder with a trained generator in it."""

from __future__ import annotations

import itertools
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from types import FrameType
from typing import Any

import torch
from torch import nn

from sparring import __version__
from sparring.commands.asked import Asked, as_told, check_generates, check_same, recipe_asked, recipe_of, settings_of
from sparring.commands.doctor import doctor
from sparring.commands.events import events
from sparring.commands.page import write_run
from sparring.commands.plan import Plan, check_memory, measure_speed
from sparring.commands.progress import Progress
from sparring.data.dataset import Images, open_images, parse_size
from sparring.data.feed import Feed
from sparring.engine import dist
from sparring.engine.checkpoint import check_finite
from sparring.engine.device import Hardware, memory_peak
from sparring.engine.errors import Diverged, SparringError, UsageError
from sparring.engine.loop import System, play
from sparring.engine.run import Run
from sparring.engine.seeds import mix
from sparring.engine.spec import Spec
from sparring.recipes import DEFAULT
from sparring.recipes.model import Model, card, kept_vectors
from sparring.recipes.recipe import Recipe

MINUTES = 10.0
"""Of training, where neither minutes nor images are asked for."""

Nets = Callable[[Spec], Mapping[str, nn.Module]]
"""The data's spec -> networks by player: one's own in place of the recipe's."""


class Stopped(SparringError):
    """Someone asked the training to stop; it saved, and can go on."""


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
    asked = Asked(minutes, images, seed, parse_size(size), mode, label_fraction)
    say = progress or Progress()
    dist.start()
    say.quiet = say.quiet or dist.rank() != 0
    if dist.world_size() > 1 and out is None:
        raise UsageError("several processes need --out, so that all of them mean the same run")
    hardware = Hardware.find(device, precision)
    run = Run(out if out is not None else free_name(source, recipe, DEFAULT))
    begun = run.exists
    asked = asked.taken_over(run) if begun else asked.filled()
    if not begun:
        run.claim()
    data = open_training(source, asked, say)
    if begun:
        check_same(run, recipe, data, own_nets=nets is not None)
    chosen = recipe_of(run) if begun else recipe_asked(recipe, data, hardware)
    check_generates(chosen)
    for note in _notes_on_labels(data, chosen):
        say.say(f"note: {note}")
    data = as_told(chosen, data)
    memory = check_memory(chosen, data.spec, hardware) if nets is None else None

    def build(total: int) -> System:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(asked.seed or 0))
            made = (nets or chosen.nets)(data.spec)
            return chosen.system(data.spec, {name: hardware.place(net) for name, net in made.items()}, total)

    feed = Feed(
        data,
        chosen.batch_size,
        seed=asked.seed or 0,
        parts=chosen.accumulate,
        mirror=chosen.mirror,
        device=hardware.device,
    )
    if begun:
        plan = Plan(**run.settings["plan"])
    else:
        plan = plan_of(asked, build, feed, hardware, say)
        if dist.rank() == 0:
            run.begin(settings_of(source, data, chosen, asked, plan, hardware, own_nets=nets is not None))
    dist.wait()
    if begun and (first := run.settings["hardware"]) != hardware.describe():
        say.say(
            f"note: the run was begun on {first}, and goes on with {hardware.describe()}: other bits than without a stop"
        )
    say.say(plan.in_words(hardware, memory))
    done = _play(run, plan, build(plan.images), data, feed, chosen, asked, hardware, say, own_nets=nets is not None)
    if done < plan.images:
        raise Stopped(
            f"stopped at image {done:,} of {plan.images:,}; all is saved. Go on with: sparring train {quote(str(source))} --out {quote(str(run.path))}"
        )
    return run


def _play(
    run: Run,
    plan: Plan,
    system: System,
    data: Images,
    feed: Feed,
    recipe: Recipe,
    asked: Asked,
    hardware: Hardware,
    say: Progress,
    *,
    own_nets: bool,
) -> int:
    """Play the system from its latest checkpoint to the end of the plan, or until a signal; returns the images played."""
    seed = asked.seed or 0
    start = begin_at(run, system, recipe, len(data), say)
    classes = recipe.classes(data.spec)
    counts = data.class_counts
    if len(counts) < classes:  # clusters
        counts = (1,) * classes
    vectors = kept_vectors(data.vectors)
    conditional = classes > 0 or bool(vectors)
    model = Model(system.average.net, data.spec, recipe.latents, conditional, counts, vectors=vectors)
    about = {"own_nets": own_nets, "seed": seed, "data": data.fingerprint, "sparring": __version__}
    told = card(recipe, data.spec, counts, vectors=vectors, **about)
    due = events(run, plan, system, model, data, say, told)
    say.begin("training", plan.images, start)
    try:
        with signals() as stop, diverging(system, run):
            done = play(
                system,
                feed,
                total=plan.images,
                start=start,
                seed=seed,
                hardware=hardware,
                due=due,
                until=lambda: bool(stop),
            )
    finally:
        say.end()
    if dist.rank() == 0:
        run.film()
        if done >= plan.images:
            write_run(run, doctor(run))
    return done


def begin_at(run: Run, system: System, recipe: Recipe, count: int, say: Progress) -> int:
    """The image from which to play: that of the latest checkpoint, which is put into `system`, or 0."""
    start = run.load_latest(system)
    if start is None and any(line["nimg"] > 0 for line in run.metrics()):
        raise SparringError(
            f"{run.path} has lost its checkpoints, and would begin anew over what it has: choose another --out"
        )
    for warning in run.warnings:
        say.say(f"warning: {warning}")
    say.say(f"{'going on with' if start else 'training'} {recipe.name} on {count:,} images, run {run.path}")
    return start or 0


def free_name(source: str | Path, recipe: Recipe | str | None, default: str) -> Path:
    """`runs/<source>-<recipe>`, with a number where that is taken."""
    name = Path(str(source).partition("#")[0].rstrip("/\\")).name.split(".")[0]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "data"
    kind = recipe if isinstance(recipe, str) else recipe.name if recipe else default
    names = (f"runs/{stem}-{kind}" + (f"-{k}" if k > 1 else "") for k in itertools.count(1))
    return next(Path(name) for name in names if not Path(name).exists())


def open_training(source: str | Path, asked: Asked, say: Progress) -> Images:
    """The training split; opened by process 0 first, so that the cache is built once."""
    if dist.rank() != 0:
        dist.wait()
    try:
        data = open_images(source, asked.size, asked.mode, say.counter("reading"))
    finally:
        if dist.rank() == 0:
            dist.wait()
    if asked.label_fraction is not None:
        data = data.with_labels(asked.label_fraction)
    for note in data.report.notes:
        say.say(f"note: {note}")
    if left := sum(map(len, data.report.left_out.values())):
        say.say(f"note: {left:,} files are left out; `sparring inspect` names them and tells why")
    if not len(data):
        raise SparringError(f"{source} holds test images alone: name the source of the training images")
    if len(data) < 2:
        raise SparringError(
            f"{source} holds one usable image: a generator needs two or more to learn from, and hundreds to be good"
        )
    return data


def _notes_on_labels(data: Images, recipe: Recipe) -> list[str]:
    """What is odd about the labels, for a recipe that takes them."""
    classes, counts = data.spec.classes, data.class_counts
    notes = []
    if data.label_fraction is not None and not data.report.classes:
        notes.append("no image has a label: --label-fraction changes nothing")
    if data.spec.conditions and not recipe.conditions(data.spec) and getattr(recipe, "labels", True):
        notes.append(
            f"the labels are vectors, which {recipe.name} does not take: it trains without; --recipe r3 takes them"
        )
    if data.spec.unlabelled and recipe.classes(data.spec):
        notes.append(f"{len(data) - data.spec.unlabelled:,} of {len(data):,} training images have a label")
    if len(classes) > 1 and recipe.classes(data.spec) and 1 in counts:
        alone = [name for name, count in zip(classes, counts, strict=True) if count == 1]
        others = f" and {len(alone) - 1} more" * (len(alone) > 1)
        way_out = "merge it with another class, or add images"
        if hasattr(recipe, "labels"):
            way_out += ", or train without labels (--no-labels)"
        labelled = "labelled " * (data.spec.unlabelled > 0)
        notes.append(
            f"class '{alone[0]}'{others} has one {labelled}training image: samples of it may be copies; {way_out}"
        )
    return notes


def plan_of(asked: Asked, build: Callable[[int], System], feed: Feed, hardware: Hardware, say: Progress) -> Plan:
    """How many images: as many as were asked for, or as the minutes allow at the speed of a probe."""
    if asked.images is not None:
        return Plan.of(asked.images, feed.batch_size)
    minutes = asked.minutes if asked.minutes is not None else MINUTES
    say.say("measuring the speed ...")
    speed = measure_speed(lambda: build(1 << 50), feed, hardware, minutes)
    return Plan.of(Plan.images_in(minutes, speed), feed.batch_size, minutes, speed)


@contextmanager
def diverging(system: System, run: Run) -> Iterator[None]:
    """Around the playing: tell with a divergence what is safe, and what to try."""
    try:
        yield
    except Diverged as error:
        raise Diverged(_advice(error, system, run)) from error


def _advice(error: Diverged, system: System, run: Run) -> str:
    """The error with the first bad tensor, what is safe, and what to try."""
    tensor = ""
    try:
        check_finite(system.game.players.items(), 0)
    except Diverged as found:
        tensor = f" ({str(found).split(' at image')[0]})" if "loss" in str(error) else ""
    good = run.checkpoints()
    kept = f"The last good checkpoint is {good[-1]}" if good else "No checkpoint was saved yet"
    return f"{error}{tensor}. {kept}. Begin a new run with a lower --lr"


@contextmanager
def signals() -> Iterator[list[int]]:
    """A list that fills when SIGINT or SIGTERM comes; a second one takes its usual course."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        signal.signal(number, usual[signal.Signals(number)])

    for number in usual:
        signal.signal(number, note)
    try:
        yield came
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


def summary(run: Run) -> dict[str, Any]:
    """What there is to tell at the end: where things lie, and the distance to held-out data, first and last."""
    frames = run.frames()
    told: dict[str, Any] = {
        "run": str(run.path),
        "images": run.settings["plan"]["images"],
        "samples": str(frames[-1]) if frames else None,
        "film": str(run.path / "film.webp"),
        "model": str(run.path / "model.safetensors"),
        "report": str(run.report),
        "memory_peak": memory_peak(),
    }
    if distances := [line for line in run.metrics() if "sliced_wasserstein" in line]:
        told["distance_to"] = "held-out images" if run.settings["data"].get("held_out") else "the training images"
        told["sliced_wasserstein"] = {
            name: {"nimg": line["nimg"], "value": line["sliced_wasserstein"]}
            for name, line in (("first", distances[0]), ("last", distances[-1]))
        }
    return told
