"""The command line: arguments -> the function of the same name -> text, or one JSON object, on stdout."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import sys
from collections.abc import Collection, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from sparring import cli_flags as flags
from sparring.cli_help import described_flags
from sparring.commands.explaining.flags import ExplainFlags
from sparring.commands.exporting.flags import ExportFlags
from sparring.commands.solving.flags import SolveFlags
from sparring.commands.tracking.flags import TrackFlags
from sparring.engine.errors import SparringError, UsageError, did_you_mean
from sparring.engine.stop_signals import STOPPED, interrupt_on_signals
from sparring.studio.flags import StudioFlags

START = """sparring: adversarial learning - networks that learn by playing against each other

Start with:
  sparring train digits --minutes 2         train a generator of small handwritten digits
  sparring sample runs/digits-r3 -n 64      draw 64 new digits from it
  sparring classify photos/ --minutes 10    train a classifier on your own images, one folder a class

SOURCE is your data: a folder, an archive, a file or a URL. RUN is the folder that a training writes, or a model of the
Hugging Face hub, hf:owner/name.

Commands:
{commands}

`sparring COMMAND --help` explains a command, with examples.
"""


class Command(NamedTuple):
    """A command: `sparring.commands.NAME` holds a function NAME and `to_text` of its result."""

    flags: type
    """Dataclass of `cli_flags`."""
    usage: str
    """Positional arguments."""
    summary: str
    """Line of the first page."""
    examples: tuple[str, str]
    """Arguments of two examples in the help."""
    recipe_flag: str = ""
    """Flag that names the recipe, in a command that trains one; its fields are flags of the command."""
    parallel: bool = False
    """Whether several processes of torchrun share the work."""


COMMANDS = {
    "inspect": Command(
        flags.InspectFlags, "SOURCE", "report what is in the data and what is wrong with it",
        ("photos/", "scans.zip --size 64 --json"),
    ),
    "train": Command(
        flags.TrainFlags, "SOURCE", "train a generator or a density model, or continue a run",
        ("digits --minutes 2", "photos/ --size 64 --minutes 60 --out runs/photos"), "--recipe", parallel=True,
    ),
    "sample": Command(
        flags.SampleFlags, "RUN", "draw samples from a trained generator",
        ("runs/digits-r3 -n 64", "runs/digits-r3 -n 100 --label 7 --out sevens/"),
    ),
    "evaluate": Command(
        flags.EvaluateFlags, "RUN_OR_SAMPLES", "score samples against real data, or answers on labelled examples",
        ("runs/digits-r3", "samples/ --data photos/ -n 5000"), parallel=True,
    ),
    "classify": Command(
        flags.ClassifyFlags, "SOURCE", "train, calibrate and test a classifier",
        ("photos/ --minutes 10", "adult.csv --label income"), "--recipe",
    ),
    "regress": Command(
        flags.RegressFlags, "SOURCE", "train a model that predicts numbers, with intervals",
        ("houses.csv --label price", "faces.npz --minutes 10"), "--recipe",
    ),
    "tune": Command(
        flags.TuneFlags, "SOURCE", "search the settings of a recipe, and test the gain",
        ("digits --recipe dcgan --minutes 30", "adult.csv --label income --trials 40 --fields lr dropout"), "--recipe",
    ),
    "predict": Command(
        flags.PredictFlags, "RUN SOURCE", "predict classes or numbers of new examples, or how likely they are",
        ("runs/photos-consistent new.jpg", "runs/adult-tabular_mlp new.csv --csv"),
    ),
    "encode": Command(
        flags.EncodeFlags, "RUN SOURCE", "write the features of new examples, for other tools and for an audit",
        ("runs/photos-consistent new/", "runs/adult-tabular_mlp new.csv --out codes.npz"),
    ),
    "obfuscate": Command(
        flags.ObfuscateFlags, "SOURCE", "train a network that hides a group in examples, and audit it",
        ("adult.csv --label income --protect sex", "words/ --protect-from '{label}_{group}_{n}.wav'"), "--recipe",
    ),
    "harden": Command(
        flags.HardenFlags, "SOURCE", "train a classifier that is robust to small changes",
        ("photos/ --minutes 10", "cifar10 --method trades --eps 8/255"), "--method",
    ),
    "attack": Command(
        flags.AttackFlags, "MODEL SOURCE", "measure the robustness of a classifier by attacks",
        ("runs/photos-fast photos/", "my_package.model:net cifar10 --eps 8/255 --count 1000"), parallel=True,
    ),
    "certify": Command(
        flags.CertifyFlags, "RUN SOURCE", "certify the robustness of a classifier",
        ("runs/mnist-noisy mnist", "runs/mnist-consistent mnist --sigma 0.25"), parallel=True,
    ),
    "explain": Command(
        ExplainFlags, "RUN", "state what the handles of a model change, and test it",
        ("runs/digits-r3", "runs/photos --finder sefa --handles 4"),
    ),
    "pack": Command(
        flags.PackFlags, "SOURCE", "compress images without loss, by a density model",
        ("digits/ --with runs/digits-pixelcnn", "scans/ --with runs/scans --out scans.sparring"),
    ),
    "unpack": Command(
        flags.UnpackFlags, "FILE", "restore packed images",
        ("digits.sparring --with runs/digits-pixelcnn", "scans.sparring --with runs/scans --out scans/"),
    ),
    "doctor": Command(
        flags.DoctorFlags, "RUN", "diagnose a run and name the flag to try next",
        ("runs/digits-r3", "runs/digits-r3 --json"),
    ),
    "restore": Command(
        flags.RestoreFlags, "PICTURE", "fill holes, remove noise or enlarge one picture, without training data",
        ("photo.png --mask mask.png", "photo.jpg --noise --minutes 10"),
    ),
    "solve": Command(
        SolveFlags, "TEXT", "understand a task in words, get its data, train and predict",
        ('"tell the pictures in photos/ apart"', '"who earns more than 50K? adult.csv" --plan'),
    ),
    "export": Command(
        ExportFlags, "RUN", "write a model for other programs or to share: onnx, torch, an html page, a hub folder",
        ("runs/digits-r3 --to html", "runs/mnist-consistent --to onnx --out digits.onnx"),
    ),
    "track": Command(
        TrackFlags, "RUN", "send metrics and samples of a run to an experiment tracker",
        ("runs/digits-r3 --to tensorboard", "runs/digits-r3 --to mlflow --once"),
    ),
    "studio": Command(
        StudioFlags, "[FOLDER]", "open a page in the browser: train, watch, explore, attack, label",
        ("", "runs/ --port 0 --no-browser"),
    ),
    "recipes": Command(flags.RecipesFlags, "", "list what can be trained", ("", "--json")),
}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit: 0 done, 1 failed, 2 wrong command, 75 stopped by a signal with everything saved."""
    args = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):  # a file name may hold what the terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    interrupt_on_signals()
    try:
        if not args or args[0] in ("-h", "--help"):
            print(start_page(), end="")
        elif args[0] == "--version":
            from sparring.engine.version import __version__

            print(__version__)
        elif args[0] not in COMMANDS:
            raise UsageError(f"unknown command '{args[0]}': {did_you_mean(args[0], COMMANDS)}")
        else:
            run_command(args[0], args[1:])
        sys.stdout.flush()
    except SparringError as error:  # of each process: torchrun stops the others at once, perhaps the first
        print(f"sparring: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("sparring: interrupted; the same command starts again", file=sys.stderr)
        sys.exit(STOPPED)
    except MemoryError as error:
        detail = f" ({first})" if (first := str(error).partition("\n")[0]) else ""
        print(
            f"sparring: out of memory{detail}: a smaller --size or --batch-size, or fewer examples, need less",
            file=sys.stderr,
        )
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output went away
        sys.stderr.close()
        sys.exit(1)
    sys.exit(0)


def start_page() -> str:
    """Return what `sparring` without arguments prints."""
    lines = [f"  {f'{name} {command.usage}':25} {command.summary}" for name, command in COMMANDS.items()]
    return START.format(commands="\n".join(lines))


def run_command(name: str, args: list[str]) -> None:
    """Parse `args`, call the command's function and print its result; raise SparringError where it has failures."""
    options, arguments = parse(name, args)
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if several and not COMMANDS[name].parallel:
        from sparring.engine import dist

        dist.check_single_process()
    module = import_module(f"sparring.commands.{name}")
    with redirect_stdout(sys.stderr):  # a user's module may print, and stdout is for the result
        result = getattr(module, name)(**arguments)
    if _is_first_process():
        print(_output(module, result, options))
    if failures := getattr(result, "failures", ()):
        raise SparringError("; ".join(failures))
    if several:
        from sparring.engine import dist

        dist.shutdown()


def parse(name: str, args: list[str]) -> tuple[Any, dict[str, Any]]:
    """Return the flags of a command, and the arguments of its function; exit with 2 where `args` are wrong."""
    command = COMMANDS[name]
    options, recipe = _parse_training(name, args) if command.recipe_flag else (_parse(command.flags, name, args), None)
    if getattr(options, "json", False) and getattr(options, "csv", False):
        raise UsageError("--json and --csv exclude each other: give one of them")
    arguments = arguments_of(options, without=("csv", recipe.name if recipe else ""))
    return options, arguments | ({command.recipe_flag.removeprefix("--"): recipe} if recipe else {})


def _is_first_process() -> bool:
    """Return True on one process, or the first of several: the one that prints."""
    return os.environ.get("RANK", "0") == "0"


def _output(module: Any, result: Any, options: Any) -> str:
    """Return the result as text, CSV or JSON."""
    if getattr(options, "json", False):
        if isinstance(options, flags.SampleFlags):
            given = ("seed", "label", "checkpoint", "truncation")
            fields = {"path": result} if isinstance(result, Path) else dataclasses.asdict(result)
            result = {**fields, "count": options.n, **{name: getattr(options, name) for name in given}}
        elif isinstance(options, flags.DoctorFlags):
            result = {"run": options.run, "findings": [dataclasses.asdict(finding) for finding in result]}
        else:
            own: Any = getattr(module, "to_json", None) or getattr(type(result), "to_json", dataclasses.asdict)
            result = own(result)
        return json.dumps(result, default=lambda value: str(value) if isinstance(value, Path) else repr(value))
    text: str = module.as_csv(result) if getattr(options, "csv", False) else module.to_text(result)
    return text


# arguments


def arguments_of(options: Any, *, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the values of all fields by name, those of groups among them, but for `json` and those in `without`."""
    values: dict[str, Any] = {}
    for each in dataclasses.fields(options):
        value = getattr(options, each.name)
        if each.name in ("json", *without):
            continue
        values |= arguments_of(value, without=without) if dataclasses.is_dataclass(value) else {each.name: value}
    return values


def _parse(flags_class: Any, name: str, args: list[str]) -> Any:
    command = COMMANDS[name]
    examples = "\n".join(f"  sparring {name} {arguments}".rstrip() for arguments in command.examples)
    return tyro.cli(
        flags_class,
        prog=f"sparring {name}",
        description=f"{(command.flags.__doc__ or '').strip()}\n\nExamples:\n{examples}",
        args=args,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.PositionalRequiredArgs),
        registry=_registry(),
    )


def _registry() -> ConstructorRegistry:
    """Let every flag for a number take a fraction as well, 8/255, and describe flags by their docstrings."""
    registry = ConstructorRegistry()
    registry.struct_rule(described_flags)

    @registry.primitive_rule
    def number(type_info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[float] | None:
        if type_info.type is not float:
            return None
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar="FLOAT",
            instance_from_str=lambda values: to_number(values[0]),
            is_instance=lambda value: isinstance(value, int | float),
            str_from_instance=lambda value: [str(value)],
        )

    return registry


def to_number(text: str) -> float:
    """Return the number that `text` is: 0.03, 1e-3, or a fraction of two numbers, 8/255; raise ValueError on others."""
    numerator, slash, denominator = text.partition("/")
    if slash and float(denominator) == 0:
        raise ValueError(f"{text} divides by zero")
    return float(numerator) / float(denominator) if slash else float(numerator)


def _parse_training(name: str, args: list[str]) -> tuple[Any, Any]:
    """Return the flags of a command that trains, and the recipe: its fields are flags beside the command's own.

    The recipe is named by its flag, else that of the run at --out, else the default.
    """
    from sparring.commands.training.run_settings import saved_recipe
    from sparring.recipes import RECIPES, recipe_class

    command = COMMANDS[name]
    args = [arg.removeprefix("--pair=") for arg in args if arg != "--pair"]  # it only marks SOURCE
    if _value(args, "--adapt-to") and not _value(args, command.recipe_flag):  # every candidate, none with own flags
        return _parse(command.flags, name, args), None
    saved = saved_recipe(_value(args, "--out"))
    if saved is not None and RECIPES[saved.name].command != name:
        saved = None
    recipe_name = _value(args, command.recipe_flag) or _default_recipe(name, args, saved)
    kind = recipe_class(recipe_name, None if name == "tune" else name)
    default = saved if isinstance(saved, kind) else kind()
    both = dataclasses.make_dataclass(
        "Both", [(recipe_name, kind, dataclasses.field(default=default))], bases=(command.flags,), frozen=True
    )
    parsed = _parse(both, name, args)
    return parsed, getattr(parsed, recipe_name)


def _default_recipe(name: str, args: list[str], saved: Any) -> str:
    """Return the recipe of the options --protect and --private, of the `saved` run, or the default of the kind."""
    from sparring.recipes import FAIR_BASELINE, PRIVATE_DEFAULTS, default_recipe

    if name == "classify" and (_value(args, "--protect") or _value(args, "--protect-from")):
        return FAIR_BASELINE
    if saved:
        return str(saved.name)
    kind = _kind(args)
    if name == "tune":
        from sparring.commands.tune import tuned_recipe

        return tuned_recipe(kind, _value(args, "--label"))
    private = PRIVATE_DEFAULTS.get((name, kind)) if _value(args, "--private") else None
    return private or default_recipe(name, kind)


def _kind(args: list[str]) -> str:
    """Guess the kind of data of SOURCE, the first argument that follows no flag; image where there is none to read."""
    from sparring.data.open import guess_kind
    from sparring.data.reader_api import ReadOptions

    sources = [arg for k, arg in enumerate(args) if not arg.startswith("-") and not (k and args[k - 1].startswith("-"))]
    source, kind = sources[:1] or [arg for arg in args if not arg.startswith("-")][-1:], _value(args, "--kind")
    options = ReadOptions(label=_value(args, "--label"), pair_with=_value(args, "--with"))
    try:
        return kind or guess_kind(source[0], options)
    except (SparringError, IndexError):  # the command names what is wrong
        return "image"


def _value(args: list[str], flag: str) -> str | None:
    """Return the value of one flag, before everything else is parsed."""
    for k, arg in enumerate(args):
        if arg == flag and k + 1 < len(args):
            return args[k + 1]
        if arg.startswith(f"{flag}="):
            return arg.partition("=")[2]
    return None
