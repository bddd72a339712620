"""The command line: arguments -> the function of the same name; what it returns is printed."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

from sparring.engine.errors import SparringError, UsageError, nearest

START = """sparring: networks that learn by playing against each other

Three commands to start with:
  sparring train digits --minutes 2            train a generator on small handwritten digits
  sparring train photos/ --minutes 30          the same on images of your own: a folder, an archive, a URL
  sparring sample runs/digits-r3 -n 64         new pictures out of what was trained

Commands:
  inspect SOURCE    what is in there, what would be used, what is wrong with it
  train SOURCE      train a generator; into an existing run: go on
  sample RUN        pictures, a folder of them, or an array
  recipes           what can be trained

`sparring COMMAND --help` tells the flags of each.
"""


@dataclass(frozen=True)
class Inspect:
    """What is in a source, what would be used, what is wrong with it."""

    source: str
    """A folder, an archive, a file, a URL, or a known name (digits, mnist, fashion-mnist, cifar10)."""
    size: str | None = None
    """HxW to bring the images to; chosen where not given."""
    mode: str | None = None
    """L, LA, RGB or RGBA; chosen where not given."""
    json: bool = False
    """Print one JSON object."""


@dataclass(frozen=True)
class Train:
    """Train a generator. Into an existing run (--out): go on, to the bit."""

    source: str
    """A folder, an archive, a file, a URL, or a known name (digits, mnist, fashion-mnist, cifar10)."""
    recipe: str | None = None
    """What to train: see `sparring recipes`. Its knobs are flags below. Default: r3."""
    minutes: float | None = None
    """How long to train; a short probe turns this into images. Default: 10."""
    images: int | None = None
    """How many images to train on, in place of minutes."""
    out: str | None = None
    """The run folder. Default: a new one below runs/."""
    seed: int | None = None
    """Of everything that is drawn. Default: 0."""
    size: str | None = None
    """HxW to bring the images to; chosen where not given."""
    mode: str | None = None
    """L, LA, RGB or RGBA; chosen where not given."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    precision: str = "auto"
    """auto (bf16 wherever the hardware has it), bf16 or fp32."""
    json: bool = False
    """Print one JSON object at the end."""


@dataclass(frozen=True)
class Sample:
    """Pictures out of a trained run."""

    run: str
    """A run folder, or a folder with model.safetensors and model.json."""
    n: Annotated[int, "-n"] = 64
    """How many."""
    out: str | None = None
    """NAME.png: a grid; NAME.npz: an array `arr_0`, uint8 NHWC; else a folder of PNGs. Default: in the run folder."""
    seed: int = 0
    """Sample k depends on (seed, k) alone."""
    label: str | None = None
    """The class to sample, by name."""
    json: bool = False
    """Print one JSON object."""


@dataclass(frozen=True)
class Recipes:
    """What can be trained."""

    json: bool = False
    """Print one JSON object."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: 0 done, 1 the work failed, 2 the command was wrong."""
    args = list(sys.argv[1:] if argv is None else argv)
    try:
        if not args or args[0] in ("-h", "--help"):
            print(START, end="")
        elif args[0] == "--version":
            from sparring import __version__

            print(__version__)
        elif args[0] not in COMMANDS:
            raise UsageError(f"unknown command '{args[0]}': {nearest(args[0], COMMANDS)}")
        else:
            COMMANDS[args[0]](args[1:])
        sys.stdout.flush()
    except SparringError as error:
        print(f"sparring: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("sparring: interrupted", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output went away
        sys.stderr.close()
        sys.exit(1)
    sys.exit(0)


def _inspect(args: list[str]) -> None:
    options: Inspect = _parse(Inspect, "inspect", args)
    from sparring.commands.inspect import in_words, inspect
    from sparring.commands.progress import Progress

    report = inspect(options.source, size=options.size, mode=options.mode, tell=Progress().counter("reading"))
    print(_json(dataclasses.asdict(report)) if options.json else in_words(report))


def _train(args: list[str]) -> None:
    from sparring.recipes import DEFAULT, recipe_class

    if {"-h", "--help"} & set(args) and _value(args, "--recipe") is None:
        args = [*args, "--recipe", DEFAULT] if "--recipe" not in args else args
    from sparring.commands.train import saved_recipe, summary, train

    named = _value(args, "--recipe")
    saved = saved_recipe(_value(args, "--out"))
    kind = recipe_class(named) if named else type(saved) if saved else recipe_class(DEFAULT)
    knobs = saved if isinstance(saved, kind) else kind()
    both = dataclasses.make_dataclass("Both", [("train", Train), ("knobs", kind, dataclasses.field(default=knobs))])
    both.__doc__ = Train.__doc__
    parsed = _parse(both, "train", args)
    options: Train = parsed.train
    run = train(
        options.source, parsed.knobs, minutes=options.minutes, images=options.images, out=options.out,
        seed=options.seed, size=options.size, mode=options.mode, device=options.device, precision=options.precision,
    )  # fmt: skip
    from sparring.engine import dist

    if dist.rank() == 0:
        told = summary(run)
        print(_json(told) if options.json else _train_in_words(told))
    dist.finish()


def _sample(args: list[str]) -> None:
    options: Sample = _parse(Sample, "sample", args)
    from sparring.commands.sample import sample

    path = sample(options.run, options.n, out=options.out, seed=options.seed, label=options.label)
    told = {"path": str(path), "count": options.n, "seed": options.seed, "label": options.label}
    print(_json(told) if options.json else f"{options.n} samples: {path}")


def _recipes(args: list[str]) -> None:
    options: Recipes = _parse(Recipes, "recipes", args)
    from sparring.recipes import RECIPES

    if options.json:
        print(_json({name: about for name, (_, about) in RECIPES.items()}))
    else:
        print("\n".join(f"{name:10} {about}" for name, (_, about) in RECIPES.items()))


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "inspect": _inspect,
    "train": _train,
    "sample": _sample,
    "recipes": _recipes,
}


def _parse(kind: Any, command: str, args: list[str]) -> Any:
    import tyro

    config = (tyro.conf.OmitArgPrefixes, tyro.conf.PositionalRequiredArgs, tyro.conf.FlagConversionOff)
    return tyro.cli(kind, prog=f"sparring {command}", args=args, config=config[:2])


def _value(args: list[str], flag: str) -> str | None:
    """The value of one flag, before everything else is parsed."""
    for k, arg in enumerate(args):
        if arg == flag and k + 1 < len(args):
            return args[k + 1]
        if arg.startswith(f"{flag}="):
            return arg.partition("=")[2]
    return None


def _json(value: Any) -> str:
    return json.dumps(value, default=lambda odd: str(odd) if isinstance(odd, Path) else repr(odd))


def _train_in_words(told: dict[str, Any]) -> str:
    lines = [
        f"run      {told['run']}",
        f"samples  {told['samples']}",
        f"film     {told['film']}",
        f"model    {told['model']}",
    ]
    if distance := told.get("sliced_wasserstein"):
        first, last = distance["first"], distance["last"]
        lines.append(
            f"distance to held-out images (sliced Wasserstein): {first['value']:.4f} at image {first['nimg']:,}, "
            f"{last['value']:.4f} at image {last['nimg']:,}"
        )
    return "\n".join([*lines, f"more     sparring sample {told['run']} -n 64"])
