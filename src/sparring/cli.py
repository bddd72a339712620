"""The command line: arguments -> the function of the same name; what it returns is printed."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

import tyro

from sparring.cli_flags import (
    AttackFlags,
    AttackTableFlags,
    CertifyFlags,
    ClassifyFlags,
    DoctorFlags,
    EvaluateFlags,
    HardenFlags,
    HearFlags,
    InspectFlags,
    PredictFlags,
    RecipesFlags,
    SampleFlags,
    TrainFlags,
    WhisperFlags,
)
from sparring.engine.errors import SparringError, UsageError, did_you_mean

START = """sparring: networks that learn by playing against each other

Three commands to start with:
  sparring train digits --minutes 2            train a generator on small handwritten digits
  sparring train photos/ --minutes 30          the same on images of your own: a folder, an archive, a URL
  sparring sample runs/digits-r3 -n 64         new pictures out of what was trained

Commands:
  inspect SOURCE    what is in there, what would be used, what is wrong with it
  train SOURCE      train a generator; into an existing run: go on
  classify SOURCE   train a classifier with few labels, test it, name what to label next
  harden SOURCE     train a classifier that withstands attacks, and attack it
  attack MODEL      how a classifier of any tool stands against attacks
  attack-table CSV  how few columns of a table turn its classifier
  hear SOURCE       train a recogniser of spoken words
  whisper RUN       hide commands in sounds, and a page to listen to them
  certify RUN       how far it is certain to be right, whatever the attack
  predict RUN       what a classifier says of new images
  sample RUN        pictures, a folder of them, or an array
  doctor RUN        what ails a run, in words, and what to try
  evaluate RUN      scores that can be trusted, and a page that shows them
  recipes           what can be trained

`sparring COMMAND --help` tells the flags of each.
"""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: 0 done, 1 the work failed, 2 the command was wrong."""
    args = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold what the terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, where nothing else listens
    try:
        if not args or args[0] in ("-h", "--help"):
            print(START, end="")
        elif args[0] == "--version":
            from sparring.engine.version import __version__

            print(__version__)
        elif args[0] not in COMMANDS:
            raise UsageError(f"unknown command '{args[0]}': {did_you_mean(args[0], COMMANDS)}")
        else:
            COMMANDS[args[0]](args[1:])
        sys.stdout.flush()
    except SparringError as error:
        if os.environ.get("RANK", "0") == "0":  # of several processes one speaks
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
    options: InspectFlags = _parse(InspectFlags, "inspect", args)
    from sparring.commands.inspect import inspect, to_text
    from sparring.commands.reporting.progress import Progress

    report = inspect(options.source, size=options.size, mode=options.mode, on_progress=Progress().callback("reading"))
    print(_json(dataclasses.asdict(report)) if options.json else to_text(report))


def _train(args: list[str]) -> None:
    from sparring.commands.train import summary, train
    from sparring.commands.training.run_settings import saved_recipe
    from sparring.engine import dist
    from sparring.recipes import default_recipe, recipe_class

    saved = saved_recipe(_value(args, "--out"))
    kind = recipe_class(_value(args, "--recipe") or (saved.name if saved else default_recipe("train")))
    options, recipe = _with_knobs(TrainFlags, "train", kind, saved, args)
    run = train(recipe=recipe, **_fields(options, "recipe", "json"))
    if dist.rank() == 0:
        told = summary(run)
        print(_json(told) if options.json else _train_in_words(told))
    dist.shutdown()


def _classify(args: list[str]) -> None:
    from sparring.commands.classify import classify
    from sparring.commands.reporting.classifier_report import to_text
    from sparring.commands.training.run_settings import saved_recipe
    from sparring.recipes import default_recipe, recipe_class, recipes_for

    saved = saved_recipe(_value(args, "--out"))
    known = saved.name if saved and saved.name in recipes_for("classify") else default_recipe("classify")
    kind = recipe_class(_value(args, "--recipe") or known, "classify")
    options, recipe = _with_knobs(ClassifyFlags, "classify", kind, saved, args)
    found = classify(recipe=recipe, **_fields(options, "recipe", "json"))
    print(_json(dataclasses.asdict(found)) if options.json else to_text(found))


def _harden(args: list[str]) -> None:
    from sparring.commands.harden import harden, to_text
    from sparring.commands.training.run_settings import saved_recipe
    from sparring.recipes import default_recipe, recipe_class, recipes_for

    args = _with_number(args, "--eps")
    saved = saved_recipe(_value(args, "--out"))
    known = saved.name if saved and saved.name in recipes_for("harden") else default_recipe("harden")
    kind = recipe_class(_value(args, "--method") or known, "harden")
    options, recipe = _with_knobs(HardenFlags, "harden", kind, saved, args)
    found = harden(method=recipe, **_fields(options, "method", "json"))
    print(_json(dataclasses.asdict(found)) if options.json else to_text(found))


def _attack(args: list[str]) -> None:
    options: AttackFlags = _parse(AttackFlags, "attack", _with_number(args, "--eps"))
    from sparring.commands.attack import attack, to_text

    with redirect_stdout(sys.stderr):  # a stranger's module may print, and stdout is for what was found
        found = attack(options.model, options.source, **_fields(options, "model", "source", "json"))
    print(_json(dataclasses.asdict(found)) if options.json else to_text(found))
    _fail(found.failures)


def _attack_table(args: list[str]) -> None:
    options: AttackTableFlags = _parse(AttackTableFlags, "attack-table", args)
    from sparring.commands.attack_table import attack_table, to_text

    with redirect_stdout(sys.stderr):  # as above
        found = attack_table(options.table, options.label, **_fields(options, "table", "label", "json"))
    print(_json(dataclasses.asdict(found)) if options.json else to_text(found))
    _fail(found.failures)


def _fail(failures: Sequence[str]) -> None:
    """Exit code 1 where what was asked of a figure is not met."""
    if failures:
        raise SparringError("; ".join(failures))


def _hear(args: list[str]) -> None:
    options: HearFlags = _parse(HearFlags, "hear", args)
    from sparring.commands.hear import hear, to_text

    found = hear(**_fields(options, "json"))
    print(_json(found.to_json()) if options.json else to_text(found))


def _whisper(args: list[str]) -> None:
    options: WhisperFlags = _parse(WhisperFlags, "whisper", args)
    from sparring.commands.whisper import to_text, whisper

    found = whisper(**_fields(options, "json"))
    print(_json(found.to_json()) if options.json else to_text(found))


def _certify(args: list[str]) -> None:
    options: CertifyFlags = _parse(CertifyFlags, "certify", args)
    from sparring.commands.certify import certify, to_text

    found = certify(options.run, options.source, **_fields(options, "json", "run", "source"))
    print(_json(dataclasses.asdict(found)) if options.json else to_text(found))


def _predict(args: list[str]) -> None:
    options: PredictFlags = _parse(PredictFlags, "predict", args)
    from sparring.commands.predict import as_csv, predict, to_text

    if options.json and options.csv:
        raise UsageError("--json and --csv exclude each other: give one of them")
    found = predict(options.run, options.images, resize=options.resize)
    print(_json(dataclasses.asdict(found)) if options.json else as_csv(found) if options.csv else to_text(found))


def _sample(args: list[str]) -> None:
    options: SampleFlags = _parse(SampleFlags, "sample", args)
    from sparring.commands.sample import sample

    how = {name: getattr(options, name) for name in ("seed", "label", "checkpoint", "truncation")}
    path = sample(options.run, options.n, out=options.out, **how)
    told = {"path": str(path), "count": options.n, **how}
    print(_json(told) if options.json else f"{options.n} samples: {path}")


def _doctor(args: list[str]) -> None:
    options: DoctorFlags = _parse(DoctorFlags, "doctor", args)
    from sparring.commands.doctor import doctor, to_text

    found = doctor(options.run)
    told = {"run": options.run, "findings": [dataclasses.asdict(finding) for finding in found]}
    print(_json(told) if options.json else to_text(found))


def _evaluate(args: list[str]) -> None:
    options: EvaluateFlags = _parse(EvaluateFlags, "evaluate", args)
    from sparring.commands.evaluate import evaluate, to_text

    evaluation = evaluate(options.samples, **_fields(options, "json", "samples"))
    print(_json(evaluation.to_json()) if options.json else to_text(evaluation))


def _recipes(args: list[str]) -> None:
    options: RecipesFlags = _parse(RecipesFlags, "recipes", args)
    from sparring.recipes import RECIPES, recipes_for

    if options.json:
        print(_json({name: entry.summary for name, entry in RECIPES.items()}))
        return
    titles = {"train": "generators", "classify": "classifiers", "harden": "against attacks"}
    for command, title in titles.items():
        lines = (f"  {name:11} {entry.summary}" for name, entry in recipes_for(command).items())
        print(f"{title} (sparring {command}):", *lines, sep="\n")


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "inspect": _inspect,
    "train": _train,
    "classify": _classify,
    "harden": _harden,
    "attack": _attack,
    "attack-table": _attack_table,
    "hear": _hear,
    "whisper": _whisper,
    "certify": _certify,
    "predict": _predict,
    "sample": _sample,
    "doctor": _doctor,
    "evaluate": _evaluate,
    "recipes": _recipes,
}


def _parse(kind: Any, command: str, args: list[str]) -> Any:
    config = (tyro.conf.OmitArgPrefixes, tyro.conf.PositionalRequiredArgs)
    return tyro.cli(kind, prog=f"sparring {command}", args=args, config=config)


def _with_knobs(command: type, name: str, kind: Any, saved: Any, args: list[str]) -> tuple[Any, Any]:
    """The options of a command and those of its recipe, whose fields are flags beside the command's own."""
    knobs = saved if isinstance(saved, kind) else kind()
    both = dataclasses.make_dataclass("Both", [(name, command), (kind.name, kind, dataclasses.field(default=knobs))])
    both.__doc__ = command.__doc__
    parsed = _parse(both, name, args)
    return getattr(parsed, name), getattr(parsed, kind.name)


def _fields(options: Any, *but: str) -> dict[str, Any]:
    """The fields of a command's options but for these."""
    return {f.name: getattr(options, f.name) for f in dataclasses.fields(options) if f.name not in but}


def _value(args: list[str], flag: str) -> str | None:
    """The value of one flag, before everything else is parsed."""
    for k, given in enumerate(args):
        if given == flag and k + 1 < len(args):
            return args[k + 1]
        if given.startswith(f"{flag}="):
            return given.partition("=")[2]
    return None


def _with_number(args: list[str], flag: str) -> list[str]:
    """The arguments with a fraction after `flag`, `8/255` say, as one number: changes of pixels are often counted so."""
    value = _value(args, flag) or ""
    above, slash, below = value.partition("/")
    if not (slash and above.isdecimal() and below.isdecimal() and int(below)):
        return args
    number = repr(int(above) / int(below))
    return [number if given == value else f"{flag}={number}" if given == f"{flag}={value}" else given for given in args]


def _json(value: Any) -> str:
    return json.dumps(value, default=lambda odd: str(odd) if isinstance(odd, Path) else repr(odd))


def _train_in_words(told: dict[str, Any]) -> str:
    lines = [
        f"run      {told['run']}",
        f"samples  {told['samples']}",
        f"film     {told['film']}",
        f"model    {told['model']}",
        f"report   {told['report']}",
    ]
    if distance := told.get("sliced_wasserstein"):
        first, last = distance["first"], distance["last"]
        lines.append(
            f"distance to {told['distance_to']} (sliced Wasserstein): {first['value']:.4f} at image {first['nimg']:,}, "
            f"{last['value']:.4f} at image {last['nimg']:,}"
        )
    more = f"more     sparring sample {told['run']} -n 64\nscores   sparring evaluate {told['run']}"
    return "\n".join([*lines, more])
