"""Load the model to attack: a run, Python code, TorchScript, an exported program or an ONNX file."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export.passes import move_to_device_pass

from sparring.attacks.validation import Model
from sparring.commands.attacking.import_model import first_line, import_model, names_in_code
from sparring.data.files.signatures import stand_in
from sparring.engine.data_spec import DataSpec
from sparring.engine.errors import SparringError, UsageError
from sparring.models.answers import NONE
from sparring.models.capabilities import Predictor
from sparring.models.classifier import Classifier, load_classifier
from sparring.models.hub import is_hub_model
from sparring.models.load import check_capable

KINDS = (
    "a run folder, module:callable or file.py:callable, a TorchScript file (.pt, .ts), one of torch.export (.pt2) or "
    ".onnx"
)


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
    constructor: str = ""
    """Class or function of Python code that was called for the model; empty where there was none."""

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
    if os.path.isdir(path) or path.name in ("classifier.json", "classifier.safetensors") or is_hub_model(name):
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
    place, _, attribute = name.rpartition(":")
    if not (place and attribute):
        raise UsageError(_no_model(name))
    model, constructor = import_model(name, device)
    return Target(name, model, constructor=constructor)


def _no_model(name: str) -> str:
    """Return why `name` is none of the models that can be loaded, and the way out."""
    file = Path(name.rstrip(":"))
    if file.suffix != ".py" and os.path.isfile(f"{file}.py"):
        file = Path(f"{file}.py")
    if file.suffix == ".py" and os.path.isfile(file):
        names = names_in_code(file)
        example = f"{file}:{next((name for name in names if name in ('model', 'net')), names[-1] if names else 'net')}"
        return (
            f"{file} is Python code: name the model in it, as in {example}. It defines {', '.join(names) or 'nothing'}"
        )
    problem = f"{name} is a file, but no model by its ending (weights alone are none)"
    return f"{problem if os.path.isfile(name) else f'there is no model {name!r}'}: MODEL is {KINDS}"


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
        (inputs,), outputs = session.get_inputs(), [output.name for output in session.get_outputs()]
    except Exception as error:  # onnxruntime raises many types
        raise SparringError(f"{path} cannot be loaded as an ONNX model of one input: {first_line(error)}") from error

    def results(x: Tensor) -> Any:
        values = session.run(outputs, {inputs.name: x.detach().cpu().numpy()})
        tensors = {name: _tensor(value, device) for name, value in zip(outputs, values, strict=True)}
        return tensors if len(tensors) > 1 else tensors[outputs[0]]

    return results


def _tensor(value: Any, device: torch.device) -> Any:
    """Return an output of onnxruntime as a tensor; lists and maps, as of scikit-learn, stay what they are."""
    return (
        torch.from_numpy(value).to(device) if isinstance(value, np.ndarray) and value.dtype.kind in "biufc" else value
    )


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
