"""A network as other programs use it: plain tensors in and out, with names, ranges and metadata.

A generator maps noise `latent` `[B, D]`, and `label` `[B]` or `[B, K]` where it has one, to `pixels`. A classifier maps
`pixels` to `logits`. Pixels are float32 `[B, C, H, W]` in [0, 1].
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sparring.engine.data_spec import DataSpec, ImageSpec
from sparring.engine.errors import UsageError
from sparring.engine.run_folder import Run
from sparring.engine.seeds import mix
from sparring.engine.version import __version__
from sparring.models.answers import NONE
from sparring.models.capabilities import Predictor, Sampler
from sparring.models.classifier import Classifier
from sparring.models.density import DensityModel
from sparring.models.generator import GeneratorModel
from sparring.models.hub import results_folder
from sparring.models.load import load_capable
from sparring.models.saved import main_player, model_folder

CHECKED_BATCHES = 1, 3, 17
"""Sizes of the batches on which an exported file is compared with PyTorch."""
CHECK_SEED = 27


@dataclass(frozen=True)
class Port:
    """An input or output of an exported network."""

    name: str
    shape: tuple[int, ...]
    """Shape of one example."""
    about: str
    """Range and meaning of the values."""


@dataclass(frozen=True)
class Portable:
    """A network with what its users need to know."""

    net: nn.Module
    """Inputs -> one float32 output, in eval mode on the CPU."""
    model: GeneratorModel | Classifier
    run: Run
    player: str
    """`generator` or `classifier`."""
    inputs: tuple[Port, ...]
    output: Port
    facts: Mapping[str, Any]
    """Run, recipe, version, classes: what is written into the file."""

    def examples(self, count: int, seed: int = CHECK_SEED) -> tuple[Tensor, ...]:
        """Return random inputs of `count` examples: noise and labels as `sparring sample` draws them, or pixels."""
        if isinstance(self.model, GeneratorModel):
            return self.model.draw_inputs(range(count), seed)[: len(self.inputs)]
        generator = torch.Generator().manual_seed(mix(seed, count))
        return (torch.rand(count, *self.inputs[0].shape, generator=generator),)

    @torch.no_grad()
    def outputs(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the network's output for inputs."""
        out: Tensor = self.net(*inputs)
        return out

    def metadata(self) -> dict[str, Any]:
        """Return the facts, inputs and output as JSON values."""
        ports = {port.name: {"shape": ["batch", *port.shape], "about": port.about} for port in self.inputs}
        output = {self.output.name: {"shape": ["batch", *self.output.shape], "about": self.output.about}}
        return {**self.facts, "player": self.player, "inputs": ports, "outputs": output}


class PixelGenerator(nn.Module):
    """Noise (and labels) -> pixels in [0, 1]."""

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        """Map noise `[B, D]` (and labels) to pixels `[B, C, H, W]`."""
        x: Tensor = self.generator(latent) if label is None else self.generator(latent, label)
        return (x.float() / 2 + 0.5).clamp(0, 1)


class PixelClassifier(nn.Module):
    """Pixels in [0, 1] -> calibrated logits."""

    def __init__(self, net: nn.Module, temperature: float) -> None:
        super().__init__()
        self.net, self.temperature = net, temperature

    def forward(self, pixels: Tensor) -> Tensor:
        """Map pixels `[B, C, H, W]` to logits `[B, K]`."""
        logits: Tensor = self.net(pixels * 2 - 1)
        return logits.float() / self.temperature


def load_portable(
    run: str | Path, net: nn.Module | None = None, *, checkpoint: str | int | None = None, raw: bool = False
) -> Portable:
    """Load the generator or classifier that a run is about; `net` is its network where that is a custom one.

    `checkpoint` and `raw` choose the weights of a generator (`load_generator`). Raises UsageError where there is
    neither, or it is of a kind of data or model that is not exported.
    """
    capability: type[Any] = Predictor if main_player(run) == "classifier" else Sampler
    weights = {"checkpoint": checkpoint, "raw": raw} if checkpoint is not None or raw else {}
    model = load_capable(run, capability, net=net, **weights)
    facts = {"format": "sparring export 1", "run": results_folder(run).resolve().name, "sparring": __version__}
    return portable_of(model.spec, model, Run(model_folder(run)), facts | {"recipe": model.recipe.name})


@singledispatch
def portable_of(spec: DataSpec, model: Any, run: Run, facts: Mapping[str, Any]) -> Portable:
    """Return a model of a kind of data as other programs use it; raise UsageError where that is not possible."""
    raise UsageError(f"the model is of {spec.plural}: generators and classifiers of images can be exported")


@portable_of.register
def _(spec: ImageSpec, model: Any, run: Run, facts: Mapping[str, Any]) -> Portable:
    pixels = Port("pixels", spec.shape, "float32 in [0, 1]; channels, height, width")
    facts = {**facts, "shape": list(spec.shape)}
    if isinstance(model, DensityModel):
        raise UsageError(
            f"{model.recipe.name} is a density model, which samples step by step: "
            "generators with one forward pass can be exported, such as r3, biggan or dcgan"
        )
    if isinstance(model, GeneratorModel):
        facts |= {"classes": list(model.label_names), "latent_dim": model.latent_dim}
        net = PixelGenerator(_plain(model.generator))
        return Portable(net.eval(), model, run, "generator", _generator_inputs(model), pixels, facts)
    if not isinstance(model, Classifier):
        raise UsageError(f"a {type(model).__name__} cannot be exported: generators and classifiers of images can")
    if len(model.memory):
        raise UsageError("the classifier remembers examples, which a file cannot hold: forget() them, then export it")
    classes = [*model.classes, *[NONE] * model.background]
    logits = Port("logits", (len(classes),), "calibrated logits, one for each of the classes; softmax: probabilities")
    classifier = PixelClassifier(_plain(model.net), model.temperature)
    return Portable(classifier.eval(), model, run, "classifier", (pixels,), logits, {**facts, "classes": classes})


def _generator_inputs(model: GeneratorModel) -> tuple[Port, ...]:
    latent = Port("latent", (model.latent_dim,), "float32, standard normal")
    if model.vectors:
        return latent, Port("label", (len(model.vectors[0]),), "float32, the numbers of the vector labels")
    if model.conditional:
        return latent, Port("label", (), "int64, number of the class; -1: unlabelled")
    return (latent,)


def _plain(net: nn.Module) -> nn.Module:
    """Return a copy of a network with plain weights, by rows, in place of parametrized ones, such as spectral norms."""
    net = copy.deepcopy(net).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for module in list(net.modules()):
        if parametrize.is_parametrized(module):
            weights = {name: getattr(module, name).detach() for name in module.parametrizations}  # type: ignore[union-attr]
            del module.parametrizations
            module.__class__ = type(module).__bases__[0]  # PyTorch's removal would change the original's class, too
            for name, weight in weights.items():
                module.register_parameter(name, nn.Parameter(weight, requires_grad=False))
    return net
