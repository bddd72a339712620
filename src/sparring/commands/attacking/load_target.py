"""Load the model to attack: a run, `module:callable`, TorchScript, an exported program or an ONNX file."""

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
from sparring.data.signatures import stand_in
from sparring.engine.data_spec import DataSpec
from sparring.engine.errors import SparringError, UsageError
from sparring.models.answers import NONE
from sparring.models.capabilities import Predictor
from sparring.models.classifier import Classifier, load_classifier
from sparring.models.load import check_capable

PRECISIONS = (torch.float64, torch.bfloat16, torch.float16)
"""Precisions to try with a model that fails on float32."""
KINDS = "a run folder, module:callable, a TorchScript file (.pt, .ts), one of torch.export (.pt2) or .onnx"


@dataclass(frozen=True)
class Target:
    """A model under attack."""

    name: str
    model: Model
    """Inputs `[B, ...]` -> logits `[B, K]`."""
    classifier: Classifier | None = None
    """Classifier of a run; None for models of other tools."""
    gradients: bool = True
    """False where no gradient flows, as through an ONNX file."""
    notes: tuple[str, ...] = ()
    """Notes on how the model is called."""

    @property
    def spec(self) -> DataSpec | None:
        """Spec of the data that a run was trained on; None for models of other tools."""
        return None if self.classifier is None else self.classifier.spec

    @property
    def background(self) -> bool:
        """True where the last output of the model stands for none of its classes."""
        return self.classifier is not None and self.classifier.background

    def outputs(self, names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the classes of the outputs, `names` for models of other tools, and the background class, if any."""
        if self.classifier is None:
            return names, ()
        return self.classifier.classes, (NONE,) if self.background else ()


def load_target(name: str | Path, device: torch.device | None = None, net: nn.Module | None = None) -> Target:
    """Load the model called `name` onto `device`; `net` is the network of a run with custom networks.

    Raises UsageError where there is no such model, SparringError where its file cannot be loaded.
    """
    name, path = str(name), Path(name)
    device = device or torch.device("cpu")
    if os.path.isdir(path) or path.name in ("classifier.json", "classifier.safetensors"):
        check_capable(path, Predictor)
        classifier = load_classifier(path, net)
        classifier.net.to(device)
        classifier.memory.to(device)
        return Target(name, classifier.logits, classifier)
    if path.suffix in (".onnx", ".pt", ".ts", ".pt2") and (reason := stand_in(path)):
        raise SparringError(f"{path} {reason}")
    if path.suffix == ".onnx":
        return Target(name, _from_onnx(path, device), gradients=False)
    if path.suffix in (".pt", ".ts", ".pt2"):
        return Target(name, _from_file(path, device))
    module, colon, attribute = name.partition(":")
    if not (colon and module and attribute):
        problem = f"{name} is a file, but no model by its ending (weights alone are none)"
        raise UsageError(f"{problem if os.path.isfile(path) else f'there is no model {name!r}'}: MODEL is {KINDS}")
    return Target(name, _imported(module, attribute, device))


class _Converted(nn.Module):
    """A float32 interface to a model of another precision: converts its inputs and logits."""

    def __init__(self, model: Model, dtype: torch.dtype) -> None:
        super().__init__()
        self.model, self.dtype = model, dtype
        self.training = getattr(model, "training", False)  # a function has no mode

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x.to(self.dtype)).to(x.dtype)


def in_its_precision(target: Target, x: Tensor) -> Target:
    """Return the target, wrapped where it fails on a row of `x` `[B, ...]` in float32 but not in another precision."""
    for dtype in (x.dtype, *PRECISIONS):
        model = target.model if dtype == x.dtype else _Converted(target.model, dtype)
        with suppress(Exception), torch.no_grad(), frozen(model, seed=0):  # foreign code may raise anything
            model(x[:1].clone())
            name = str(dtype).removeprefix("torch.")
            note = f"the model computes in {name}: its inputs are converted, and its logits are taken in float32"
            return target if dtype == x.dtype else replace(target, model=model, notes=(note,))
    return target


def try_out(target: Target, x: Tensor, classes: Sequence[str], inputs: str, advice: str = "") -> Tensor:
    """Return the logits of the first rows of `x` `[B, ...]`, computed on batches of one and two.

    `inputs` describes the inputs and `advice` how to adapt them, for messages. Raises UsageError where the model fails,
    writes into its inputs, does not return logits, or has another number of classes than `classes`.
    """
    logits = x.new_empty(0)
    for batch in (x[:1].clone(), x[:2].clone()):
        try:
            with torch.no_grad(), frozen(target.model, seed=0):
                logits = target.model(batch)
        except SparringError:
            raise
        except Exception as error:  # foreign code may raise anything
            raise UsageError(
                f"{target.name} fails on inputs {list(batch.shape)}: {first_line(error)}. It is given {inputs}"
                + (f": {advice}" if advice else "")
            ) from error
        if not torch.equal(batch, x[: len(batch)]):
            raise UsageError(f"{target.name} writes into its inputs: let it begin with x = x.clone()")
    if not isinstance(logits, Tensor):
        raise UsageError(f"{target.name} returns {type(logits).__name__}: it must return logits, a tensor [B, K]")
    several = logits.dim() == 2 and logits.shape[1] > 1
    if target.classifier is None and several and logits.shape[1] != len(classes):
        raise UsageError(
            f"{target.name} has {logits.shape[1]} classes, and the data have {len(classes)}: "
            f"{', '.join(classes[:10])}{', ...' if len(classes) > 10 else ''}. Name a function (module:callable) that "
            "returns the logits of just these, in this order"
        )
    return logits


def require_gradients(target: Target, attack: str) -> None:
    """Raise UsageError where no gradient flows through the target, and `attack` needs one."""
    if not target.gradients:
        raise UsageError(
            f"{target.name} gives no gradients, and {attack} needs them: give the model itself (module:callable, .pt2)"
        )


@contextmanager
def explain_foreign_errors(target: Target, inputs: str) -> Iterator[None]:
    """Turn what a model of another tool raises under attack into a SparringError; errors of a run pass through.

    `inputs` describes the inputs of the model.
    """
    try:
        yield
    except SparringError:
        raise
    except Exception as error:  # foreign code may raise anything
        if target.classifier is not None:
            raise
        raise SparringError(
            f"{target.name} failed under attack: {type(error).__name__}: {first_line(error)}. It is given {inputs}; "
            "finished chunks are kept: fix the model, and the same command goes on from there"
        ) from error


def _from_onnx(path: Path, device: torch.device) -> Model:
    """Return a function that runs onnxruntime; no gradient flows through it."""
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
    except Exception as error:  # onnxruntime raises many types
        raise SparringError(f"{path} cannot be loaded as an ONNX model of one input: {first_line(error)}") from error

    def logits(x: Tensor) -> Tensor:
        (output,) = session.run([first.name], {inputs.name: x.detach().cpu().numpy()})
        return torch.from_numpy(output).to(device)

    return logits


def _from_file(path: Path, device: torch.device) -> nn.Module:
    if not os.path.isfile(path):
        raise UsageError(f"there is no file {path}: MODEL is {KINDS}")
    try:
        if path.suffix == ".pt2":
            # `.to` moves weights only; tensors that a program creates would stay on the device of its export
            return _without_modes(move_to_device_pass(torch.export.load(path), device).module())
        with warnings.catch_warnings():  # TorchScript is deprecated, but its files are in use
            warnings.simplefilter("ignore", DeprecationWarning)
            scripted: nn.Module = torch.jit.load(path, map_location=device)  # type: ignore[no-untyped-call]
        return scripted.eval()
    except Exception as error:  # each format fails in other ways
        kind = (
            "torch.export.save"
            if path.suffix == ".pt2"
            else "torch.jit.save (weights alone are no model; a pickled model needs its code: module:callable)"
        )
        raise SparringError(f"{path} cannot be loaded: it must be a file of {kind}: {first_line(error)}") from error


def _without_modes(program: nn.Module) -> nn.Module:
    """Mark an exported program as not in training mode: it has no modes, and eval() raises."""
    for module in program.modules():
        module.training = False
    return program


def _imported(module: str, attribute: str, device: torch.device) -> Model:
    """Import a callable; a class or function without required arguments is called and returns the model."""
    name = f"{module}:{attribute}"
    if os.getcwd() not in sys.path:  # permanently: a model may import more when it is first called
        sys.path.insert(0, os.getcwd())
    try:
        value: Any = import_module(module)
        for name_part in attribute.split("."):
            value = getattr(value, name_part)
        if not isinstance(value, nn.Module) and callable(value) and not _required_arguments(value):
            value = value()
        if isinstance(value, nn.Module):
            value = value.to(device)
    except (Exception, SystemExit) as error:  # foreign code may raise anything
        raise UsageError(f"{name} cannot be loaded: {type(error).__name__}: {first_line(error)}") from error
    if isinstance(value, type) or not callable(value):
        raise UsageError(
            f"{name} is no model: name a module, a function from inputs to logits, or a function without arguments "
            "that returns either"
        )
    model: Model = value
    return model


def _required_arguments(function: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments without a default."""
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in kinds]


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
