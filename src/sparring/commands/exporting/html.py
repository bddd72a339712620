"""Write a network as one HTML page that runs offline, also from a mail attachment.

The page holds the weights as base64 text and the project's own JavaScript (`static/`). It loads nothing: its content
policy allows its one script by hash, and a worker from the page's own text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from torch import Tensor, nn
from torch.export import export

import sparring.studio
from sparring.commands.exporting.lowering import lower
from sparring.commands.exporting.parity import Parity, trace_errors
from sparring.commands.exporting.portable import Portable, load_portable
from sparring.commands.exporting.program import Program
from sparring.commands.training.run_settings import open_run_data
from sparring.engine.atomic_io import write
from sparring.engine.errors import SparringError
from sparring.engine.image_io import GENERATED
from sparring.engine.run_folder import SECRETS, Run
from sparring.models.generator import GeneratorModel
from sparring.studio.attack.drawing import Framing

STATIC = Path(__file__).with_name("static")
STUDIO = Path(sparring.studio.__file__).with_name("static")
IMPORT = re.compile(r'^import \{[^}]*\} from "([^"]+)";\n', re.M)
EXPORT = re.compile(r"^export (?=function|const|async|class)", re.M)
CHECKED_EXAMPLES = 64
MEASURED = 500
"""Training images on which the framing of drawings is measured."""
LEVELS = 255
"""Steps of a pixel between 0 and 1: pixels of the page may differ by one of them."""
PROBABILITY_TOLERANCE = 0.005
"""Largest difference of a probability of a classifier."""


def write_html(run: str | Path, path: str | Path, net: nn.Module | None = None) -> Parity:
    """Write the page of the generator or classifier of `run`; return how far it is from PyTorch.

    Raises UsageError where there is none, or it has operators that a page cannot run.
    """
    return write_page(load_portable(run, net), Path(path))


def write_page(portable: Portable, path: Path) -> Parity:
    """Write the page of a network; return how far its pixels or probabilities are from PyTorch.

    Weights are rounded to 16 bits, or to 32 where the difference would be too large. Raises UsageError where the
    network has operators that a page cannot run, SparringError where it differs from PyTorch in 32 bits, too.
    """
    with torch.no_grad(), trace_errors(portable):
        program = lower(export(portable.net, portable.examples(1)))
    tolerance = PROBABILITY_TOLERANCE if portable.player == "classifier" else 1.5 / LEVELS  # a step, and rounding
    half, difference = True, _difference(portable, program, half=True)
    if not difference <= tolerance:
        half, difference = False, _difference(portable, program, half=False)
    if not difference <= tolerance:
        raise SparringError(
            f"the operations of the page differ from PyTorch by {difference:.2g}, more than {tolerance:.2g}: "
            "nothing was written. Export to onnx or torch"
        )
    write(path, page(portable, program, half=half))
    shown = "seeds" if portable.player == "generator" else "inputs"
    bits = 16 if half else 32
    return Parity(difference, f"{CHECKED_EXAMPLES} {shown}, with weights of {bits} bits")


def _difference(portable: Portable, program: Program, *, half: bool) -> float:
    """Return the largest difference of shown values, pixels in bytes or probabilities, over CHECKED_EXAMPLES."""
    worst = 0.0
    examples = portable.examples(CHECKED_EXAMPLES)
    for k in range(CHECKED_EXAMPLES):
        inputs = tuple(each[k : k + 1] for each in examples)
        expected, got = (_shown(portable, x) for x in (portable.outputs(inputs), program.run(inputs, half=half)))
        difference = float((got - expected).abs().max())
        worst = difference if not difference <= worst else worst  # NaN is the worst
    return worst


def _shown(portable: Portable, output: Tensor) -> Tensor:
    """Return what a page shows of an output: pixels rounded to bytes, or probabilities."""
    return output.softmax(1) if portable.player == "classifier" else (output * LEVELS).round() / LEVELS


def page(portable: Portable, program: Program, *, half: bool) -> str:
    """Return the HTML of a page."""
    entries, weights = program.to_json(half=half)
    script = bundle(STATIC / f"{portable.player}_page.js")
    style = (STUDIO / "studio.css").read_text(encoding="utf-8") + (STATIC / "page.css").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src blob: data:; "
        "worker-src blob:; base-uri 'none'; form-action 'none'"
    )
    environment = Environment(loader=FileSystemLoader(STATIC), autoescape=True, undefined=StrictUndefined)
    facts = _facts(portable) | {"half": half, "mark": GENERATED}
    return environment.get_template("page.html").render(
        title=f"{portable.player.capitalize()} {portable.facts['run']}", about=_about(portable), policy=policy,
        mark=f"{GENERATED}." if portable.player == "generator" else "", style=style, script=script,
        worker=bundle(STATIC / "worker.js"), facts=_json(facts), program=_json(entries), weights=weights,
    )  # fmt: skip


def bundle(path: Path, done: set[Path] | None = None) -> str:
    """Return a JavaScript module with all that it imports, as one script without imports and exports.

    A worker of a page from a file must be a classic script: browsers refuse modules there.
    """
    done = set() if done is None else done
    path = path.resolve()
    if path in done:
        return ""
    done.add(path)
    code = path.read_text(encoding="utf-8")
    imported = [bundle(path.parent / name, done) for name in IMPORT.findall(code)]
    return "".join([*imported, EXPORT.sub("", IMPORT.sub("", code))])


def _facts(portable: Portable) -> dict[str, Any]:
    """Return what the page needs to know about the network, as JSON values."""
    facts = dict(portable.metadata())
    if isinstance(portable.model, GeneratorModel):
        stats = portable.model.spec.condition_stats if portable.model.vectors else ()
        facts |= {"conditional": portable.model.conditional, "truncates": portable.model.recipe.truncates}
        facts["numbers"] = [{"mean": mean, "std": std} for mean, std in stats] or None
    else:
        facts["framing"] = asdict(_framing(portable.run))
    return facts


def _framing(run: Run) -> Framing:
    """Measure how images of the training data lie in their frame; that of MNIST where they are gone or private."""
    if not run.exists or (run.path / SECRETS).exists():
        return Framing()
    try:
        data = open_run_data(run)
    except (SparringError, KeyError):
        return Framing()
    return Framing.measure(data[np.arange(min(MEASURED, len(data)))])


def _about(portable: Portable) -> str:
    """Return one line on what the page does."""
    channels, height, width = portable.facts["shape"]
    size = f"{height}x{width}{' colour' if channels == 3 else ''}"
    work = f"generates {size} images" if portable.player == "generator" else f"classifies {size} images"
    return f"A network that {work} (recipe {portable.facts['recipe']}). It runs in this page; nothing is sent anywhere."


def _json(value: Mapping[str, Any] | list[Any]) -> str:
    """Return JSON that can stand in a page: no `<` can end its element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
