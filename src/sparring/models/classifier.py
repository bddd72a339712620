"""A trained classifier as a thing of its own: images in, answers out, on any machine; told a fact, it knows it at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.data.classifier_augment import Augmentation
from sparring.engine.data_spec import ImageSpec
from sparring.engine.errors import SparringError, UsageError, did_you_mean
from sparring.engine.game import Batch
from sparring.engine.run_folder import Run, read_shared, write_shared
from sparring.nets.feature_head import features_of, logits_of, split_or_wrap
from sparring.nets.lda import BUFFERS, LDA
from sparring.nets.memory import Memory
from sparring.nets.ood_features import ood_features
from sparring.recipes import RECIPES, recipe_class, usage
from sparring.recipes.classifier_recipe import ClassifierRecipe
from sparring.recipes.recipe import from_settings, to_settings

AT_ONCE = 250
NAME = "classifier"
"""Of the two files, `classifier.safetensors` and `classifier.json`."""
WEIGHT = 0.1
"""Of what the memory's Gaussians say, in logits: features hang together more than these allow for (docs/lab-notebook.md, 2026-11-26)."""
VIEWS = 8
"""Besides the image as it is, where a recipe has views."""
NONE = "none of these"


class Answer(NamedTuple):
    """What a classifier says of one image."""

    label: str
    """A class, or "none of these"."""
    probability: float
    """Of the likeliest class, calibrated: of answers given with 0.9, about 90 % are right."""


@dataclass
class Classifier:
    """A network of two halves (`games.semi_supervised.FeatureClassifier`) with all that its answers need."""

    net: nn.Module
    spec: ImageSpec
    """Of the images it was trained on."""
    classes: tuple[str, ...]
    """What it may answer: the classes it learnt, and after them those it was told of."""
    temperature: float
    """Logits are divided by this."""
    least: float
    """Familiarity below which an image is none of the classes."""
    memory: Memory
    about: Mapping[str, Any]
    """Recipe and settings, seed, data: what its card tells beside."""
    views: Augmentation | None = None
    """Small changes in which each image is looked at again, the same for all images; probabilities are averaged."""

    # answers

    def look(self, images: NDArray[Any] | Tensor) -> tuple[Tensor, Tensor]:
        """Images as `as_batch` takes them -> probabilities `[N, classes]`, and how familiar each image is, `[N]`."""
        found = []
        with torch.no_grad():
            for x in torch.split(self.as_batch(images), AT_ONCE):
                h, seen = ood_features(self.net, x)
                views = [self.judged(h), *(self.logits(view) for view in views_of(x, self.views)[1:])]
                found.append((torch.stack(views).softmax(2).mean(0), self.memory.familiarity(seen)))
        probabilities, familiar = zip(*found, strict=True)
        return torch.cat(probabilities), torch.cat(familiar)

    def answers(self, images: NDArray[Any] | Tensor) -> list[Answer]:
        """A class, or "none of these", for each image, with the probability of the likeliest class."""
        probabilities, familiar = self.look(images)
        best, which = probabilities.max(1)
        known = (familiar >= self.least).tolist()
        names = [self.classes[k] if sure else NONE for k, sure in zip(which.tolist(), known, strict=True)]
        return [Answer(name, p) for name, p in zip(names, best.tolist(), strict=True)]

    def log_probabilities(self, x: Tensor) -> Tensor:
        """Images `[B, C, H, W]` in [-1, 1] -> logarithms `[B, classes]` of what `look` tells; gradients flow."""
        views = torch.stack([self.logits(view) for view in views_of(x, self.views)])
        return views.log_softmax(2).logsumexp(0) - math.log(len(views))

    def logits(self, x: Tensor) -> Tensor:
        """Images `[B, C, H, W]` in [-1, 1] -> calibrated logits `[B, classes]`; gradients flow."""
        return self.judged(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """Images `[B, C, H, W]` in [-1, 1] -> `[B, F]`, float32."""
        return features_of(self.net, x)

    def judged(self, h: Tensor) -> Tensor:
        """Calibrated logits `[B, classes]` of features `[B, F]`: those of the head, and where what was told is likelier, of that."""
        logits = logits_of(self.net, h) / self.temperature
        if not len(self.memory):
            return logits
        told = logits.amax(1, keepdim=True).detach() + WEIGHT * self.memory.evidence(h, len(self.classes))
        unknown = logits.new_full([len(logits), len(self.classes) - logits.shape[1]], -torch.inf)
        return torch.maximum(torch.cat([logits, unknown], 1), told)

    # memory

    def remember(self, images: NDArray[Any] | Tensor, label: str | int | Sequence[str | int]) -> None:
        """Know from now on that these images (or this one) are of class `label` (one for all, or one each), by no gradient.

        A name that is new becomes a class. Of one image what was told last holds, in the same call too: it is written over.
        """
        x = self.as_batch(images)
        labels = [label] * len(x) if np.ndim(label) == 0 else list(label)  # type: ignore[arg-type]
        if len(labels) != len(x):
            raise UsageError(f"{len(x)} images and {len(labels)} labels: give one label, or one for each image")
        self.classes += tuple(dict.fromkeys(str(one) for one in labels if str(one) not in self.classes))
        with torch.no_grad():
            self.memory.write(
                *ood_features(self.net, x), torch.tensor([self.classes.index(str(one)) for one in labels])
            )

    def forget(self, label: str | int | None = None) -> None:
        """Forget what was remembered of class `label`, or everything; classes that were learnt stay, new ones go."""
        learnt = len(self.spec.classes)
        if label is None:
            self.memory.forget()
            self.classes = self.classes[:learnt]
            return
        if str(label) not in self.classes:
            raise UsageError(f"unknown label '{label}': {did_you_mean(str(label), self.classes)}")
        value = self.classes.index(str(label))
        self.memory.forget(value)
        if value >= learnt:
            self.classes = self.classes[:value] + self.classes[value + 1 :]
            self.memory.values = self.memory.values - (self.memory.values > value).long()

    # images

    def as_batch(self, images: NDArray[Any] | Tensor) -> Tensor:
        """Images as the network takes them, float32 `[B, C, H, W]` in [-1, 1].

        Bytes `[B, H, W, C]`, `[B, H, W]`, or one image `[H, W, C]`, `[H, W]`; tensors `[B, C, H, W]` or `[C, H, W]` in [-1, 1] as
        they are. Raises UsageError on images of another shape or type.
        """
        channels, height, width = self.spec.shape
        if isinstance(images, Tensor):
            if not images.is_floating_point():
                raise UsageError(
                    f"tensors are images [N, C, H, W] in [-1, 1], not {images.dtype}: bytes are given as an array"
                )
            x = images.float() if images.dim() == 4 else images[None].float()
        else:
            array = np.array(images)  # a copy: a picture's own numbers are read-only
            if array.dtype != np.uint8:
                raise UsageError(
                    f"images are bytes (uint8) [N, H, W, C], or tensors [N, C, H, W] in [-1, 1]; not {array.dtype}"
                )
            if array.ndim == 2 or array.shape == (height, width, channels):
                array = array[None]
            x = torch.from_numpy(array[..., None] if array.ndim == 3 else array)
            x = x.permute(0, 3, 1, 2).float() / 127.5 - 1 if x.dim() == 4 else x
        if tuple(x.shape[1:]) != (channels, height, width):
            sides = [*x.shape[2:], x.shape[1]] if x.dim() == 4 else x.shape
            raise UsageError(
                f"the images are {'x'.join(map(str, sides))}, this classifier was trained on {height}x{width}x{channels}: "
                "bring them to that size"
            )
        return x.to(next(self.net.parameters()).device)

    # files

    def save(self, folder: str | Path) -> None:
        """Write `classifier.safetensors` and `classifier.json` into `folder`, with all that is remembered."""
        tensors = {f"net.{k}": t for k, t in self.net.state_dict().items()}
        tensors |= {f"memory.{k}": t for k, t in self.memory.state_dict().items()}
        told = {
            "spec": asdict(self.spec),
            "classes": self.classes,
            "temperature": self.temperature,
            "least": self.least,
        }
        write_shared(Path(folder), NAME, tensors, {**self.about, **told})


def views_of(x: Tensor, changes: Augmentation | None) -> list[Tensor]:
    """Images `[B, C, H, W]`, and each of them changed in VIEWS ways: the same ways for all images and all times."""
    one = Batch(x[:1], torch.full((1,), -1, device=x.device))
    return [x] + ([changes(x, replace(one, seed=k)) for k in range(VIEWS)] if changes else [])


def classifier_metadata(recipe: ClassifierRecipe, **about: Any) -> dict[str, Any]:
    """What a classifier tells of itself beside its answers."""
    return {"recipe": recipe.name, "settings": to_settings(recipe), **about}


def load_classifier(path: str | Path, net: nn.Module | None = None) -> Classifier:
    """The classifier at `path` (a run folder of `sparring classify`, or its files), in eval mode on the CPU.

    One of networks of one's own needs the `net` that was trained. No pickle is read. Raises UsageError where there is none,
    SparringError where its files are damaged or do not fit.
    """
    _check_holds_one(Path(path))
    tensors, told = read_shared(path, NAME)
    try:
        name = told["recipe"]
        kind = recipe_class(name)
        if RECIPES[name].trains != "classifier":
            raise UsageError(usage(name))
        recipe, views = from_settings(kind, told["settings"]), kind.views
        spec = ImageSpec(**told["spec"])
        classes, numbers = tuple(told["classes"]), (float(told["temperature"]), float(told["least"]))
        own, _, _ = (told[name] for name in ("own_nets", "mode", "scaled"))
        of_net = {k.removeprefix("net."): t for k, t in tensors.items() if k.startswith("net.")}
        fitted = LDA(**{name: tensors[f"memory.classes.{name}"] for name in BUFFERS})
        memory = Memory(fitted, tensors["memory.reference"])
        memory.keys, memory.embeddings, memory.values = (
            tensors[f"memory.{name}"] for name in ("keys", "embeddings", "values")
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SparringError(
            f"{path}: {NAME}.json lacks or misnames {error}: another version of Sparring wrote it"
        ) from error
    if net is None:
        if own:
            raise UsageError(
                f"{path} was trained with networks of your own: load_classifier(path, net) needs the classifier"
            )
        net = recipe.nets(spec)["classifier"]
    if own:
        net = split_or_wrap(net.eval(), torch.zeros(2, *spec.shape), len(spec.classes))
    try:
        net.load_state_dict(of_net)
    except RuntimeError as error:
        raise SparringError(
            f"{path}: the weights do not fit the network that {NAME}.json describes: {error}"
        ) from error
    about = {k: v for k, v in told.items() if k not in ("format", "spec", "classes", "temperature", "least")}
    return Classifier(net.eval().requires_grad_(False), spec, classes, *numbers, memory, about, views)


def _check_holds_one(path: Path) -> None:
    """Raise UsageError on a run that has no classifier, and tell why."""
    run = Run(path if path.is_dir() else path.parent)
    if not run.exists or (run.path / f"{NAME}.json").exists():
        return
    name = run.settings["recipe"]["name"]
    if RECIPES[name].trains == "classifier":
        command = RECIPES[name].command
        raise UsageError(
            f"{run.path} has no classifier yet: its training did not come to its end, `sparring {command}` goes on"
        )
    raise UsageError(
        f"{run.path} holds a generator of `sparring train`: `sparring classify` trains what tells classes apart"
    )
