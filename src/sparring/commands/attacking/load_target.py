"""What `sparring attack` attacks: a run of ours, `module:callable`, TorchScript, an exported program, or an ONNX file."""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.passes import move_to_device_pass

from sparring.attacks.validation import Model, frozen
from sparring.engine.errors import SparringError, UsageError
from sparring.models.classifier import Classifier, load_classifier

PRECISIONS = (torch.float64, torch.bfloat16, torch.float16)
"""In which a model may compute that fails on float32."""
KINDS = "a run folder, module:callable, a TorchScript file (.pt, .ts), one of torch.export (.pt2) or .onnx"


@dataclass(frozen=True)
class Target:
    """A model by the name it was given."""

    name: str
    model: Model
    """Images `[B, C, H, W]` in its box -> logits `[B, K]`."""
    classifier: Classifier | None = None
    """Where it is a run of ours, whose box is [0, 1]."""
    gradients: bool = True
    """False: nothing flows through it, as through an ONNX file."""
    notes: tuple[str, ...] = ()
    """What is to be told of how it is asked."""


def load_target(name: str | Path, device: torch.device | None = None) -> Target:
    """The model called `name`, on `device`; raises SparringError, with the way out, where there is none."""
    name, path = str(name), Path(name)
    device = device or torch.device("cpu")
    if os.path.isdir(path) or path.name in ("classifier.json", "classifier.safetensors"):
        classifier = load_classifier(path)
        classifier.net.to(device)
        classifier.memory.to(device)
        return Target(name, lambda x: classifier.logits(x * 2 - 1), classifier)
    if path.suffix == ".onnx":
        return Target(name, _from_onnx(path, device), gradients=False)
    if path.suffix in (".pt", ".ts", ".pt2"):
        return Target(name, _from_file(path, device))
    module, colon, attribute = name.partition(":")
    if not (colon and module and attribute):
        odd = f"{name} is a file, but no model by its ending (weights alone are none)"
        raise UsageError(f"{odd if os.path.isfile(path) else f'there is no model {name!r}'}: MODEL is {KINDS}")
    return Target(name, _imported(module, attribute, device))


class _Converted(nn.Module):
    """A model that computes in another precision, as one of float32: its inputs go over into its own, and its logits back."""

    def __init__(self, model: Model, dtype: torch.dtype) -> None:
        super().__init__()
        self.model, self.dtype = model, dtype
        self.training = getattr(model, "training", False)  # a function is in no mode

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x.to(self.dtype)).to(x.dtype)


def in_its_precision(attacked: Target, x: Tensor) -> Target:
    """The model, wrapped where it fails on a row of `x` `[B, ...]` in float32, and answers one in another precision."""
    for dtype in (x.dtype, *PRECISIONS):
        model = attacked.model if dtype == x.dtype else _Converted(attacked.model, dtype)
        with suppress(Exception), torch.no_grad(), frozen(model, seed=0):  # whatever a stranger's code raises
            model(x[:1].clone())
            note = f"it computes in {str(dtype).removeprefix('torch.')}: what it is given is converted, and its logits taken in float32"
            return attacked if dtype == x.dtype else replace(attacked, model=model, notes=(note,))
    return attacked


def try_out(attacked: Target, x: Tensor, classes: Sequence[str]) -> Tensor:
    """The logits of the first images of `x` `[B, C, H, W]`, given alone and as two.

    Raises UsageError where that fails, where the model writes into the images, or where it has other classes than they have,
    and says how to help it.
    """
    logits = x.new_empty(0)
    for few in (x[:1].clone(), x[:2].clone()):
        try:
            with torch.no_grad(), frozen(attacked.model, seed=0):
                logits = attacked.model(few)
        except SparringError:
            raise
        except Exception as error:  # whatever a stranger's code raises
            raise UsageError(
                f"{attacked.name} fails on images {list(few.shape)}: {first_line(error)}. It is given float32 "
                "[B, C, H, W] of any B: --size and --mode bring the images to its shape"
            ) from error
        if not torch.equal(few, x[: len(few)]):
            raise UsageError(f"{attacked.name} writes into the images it is given: let it begin with x = x.clone()")
    if not isinstance(logits, Tensor):
        raise UsageError(f"{attacked.name} returns {type(logits).__name__}: it must return logits, a tensor [B, K]")
    several = logits.dim() == 2 and logits.shape[1] > 1
    if attacked.classifier is None and several and logits.shape[1] != len(classes):
        raise UsageError(
            f"{attacked.name} tells {logits.shape[1]} classes apart, and the images are of {len(classes)}: "
            f"{', '.join(classes[:10])}{', ...' if len(classes) > 10 else ''}. Name a function (module:callable) that gives "
            "the logits of just these, in this order"
        )
    return logits


@contextmanager
def a_strangers(name: str | None, given: str) -> Iterator[None]:
    """Tell what `name`, a model of others, raises under attack, in a large batch or in its backward pass, progress, as its own failure.

    `given` says what it is given, and the way out. None is a model of ours, whose errors stay as they are.
    """
    try:
        yield
    except SparringError:
        raise
    except Exception as error:  # whatever a stranger's code raises
        if name is None:
            raise
        raise SparringError(
            f"{name} failed under attack: {type(error).__name__}: {first_line(error)}. It is given {given}"
        ) from error


def _from_onnx(path: Path, device: torch.device) -> Model:
    """A function through onnxruntime: it answers, and lets no gradient through."""
    try:
        import onnxruntime
    except ImportError:
        raise SparringError(
            f"{path} is read with onnxruntime, which is missing: pip install 'sparring[export]'"
        ) from None
    if not os.path.isfile(path):
        raise UsageError(f"there is no file {path}: MODEL is {KINDS}")
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (inputs,), (first, *_) = session.get_inputs(), session.get_outputs()
    except Exception as error:  # of a library that has many
        raise SparringError(f"{path} cannot be loaded as an ONNX model of one input: {first_line(error)}") from error

    def logits(x: Tensor) -> Tensor:
        (told,) = session.run([first.name], {inputs.name: x.detach().cpu().numpy()})
        return torch.from_numpy(told).to(device)

    return logits


def _from_file(path: Path, device: torch.device) -> nn.Module:
    if not os.path.isfile(path):
        raise UsageError(f"there is no file {path}: MODEL is {KINDS}")
    try:
        if path.suffix == ".pt2":
            # `.to` moves weights alone; what a program makes as it goes stays where it was exported
            return _without_modes(move_to_device_pass(torch.export.load(path), device).module())
        with warnings.catch_warnings():  # torch asks authors to leave TorchScript; their users have its files
            warnings.simplefilter("ignore", DeprecationWarning)
            scripted: nn.Module = torch.jit.load(path, map_location=device)  # type: ignore[no-untyped-call]
        return scripted.eval()
    except Exception as error:  # each format fails in ways of its own
        kind = (
            "torch.export.save"
            if path.suffix == ".pt2"
            else "torch.jit.save (weights alone are no model, and of a pickled one the code is wanted: module:callable)"
        )
        raise SparringError(f"{path} cannot be loaded, it must be one of {kind}: {first_line(error)}") from error


def _without_modes(program: nn.Module) -> nn.Module:
    """An exported program, no longer said to be in training mode: it has no modes, does as it was exported, and refuses eval()."""
    for module in program.modules():
        module.training = False
    return program


def _imported(module: str, attribute: str, device: torch.device) -> Model:
    """A callable as it is; a class or function that needs no argument is called, and gives the model."""
    name = f"{module}:{attribute}"
    if os.getcwd() not in sys.path:  # for good: a model may import more when it is first asked
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
        if not isinstance(found, nn.Module) and callable(found) and not _needed(found):
            found = found()
        if isinstance(found, nn.Module):
            found = found.to(device)
    except (Exception, SystemExit) as error:  # of a stranger's module
        raise UsageError(f"{name} cannot be loaded: {type(error).__name__}: {first_line(error)}") from error
    if isinstance(found, type) or not callable(found):
        raise UsageError(
            f"{name} is no model: name a module, a function from images to logits, or one without arguments that returns these"
        )
    model: Model = found
    return model


def _needed(function: Callable[..., Any]) -> list[str]:
    """The arguments that it cannot do without."""
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in kinds]


def first_line(error: BaseException) -> str:
    """What an exception says first, or else its name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
