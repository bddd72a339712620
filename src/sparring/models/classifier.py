"""A saved classifier: examples in, calibrated answers out; it learns single examples without training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sparring.engine.errors import UsageError, did_you_mean
from sparring.engine.game import Batch
from sparring.models.answers import Answers
from sparring.models.capabilities import capabilities_of
from sparring.models.inputs import to_input
from sparring.models.saved import read_model, save_model
from sparring.nets.boosted_trees import TREES, BoostedClassifier, BoostedTrees
from sparring.nets.feature_head import features_of, logits_of, split_or_wrap
from sparring.nets.lda import BUFFERS, LDA
from sparring.nets.memory import Memory
from sparring.nets.ood_features import ood_features
from sparring.recipes.classifier_recipe import Change, ClassifierRecipe

CHUNK_ROWS = 250
EVIDENCE_WEIGHT = 0.1
"""Weight of the memory's log likelihood ratios: features are more correlated than its Gaussians allow for."""
VIEWS = 8
"""Changed copies that are classified besides the example itself, where a recipe has views."""


@dataclass
class Classifier:
    """A network with all that its answers need; capabilities `Predictor`, `Encoder` and `Remembers`.

    Logits have a column for each of `classes`; where the network has a background class, that is the last column.
    """

    net: nn.Module
    """A network with `features` and `head` (`games.semi_supervised.FeatureClassifier`)."""
    spec: Any
    """`DataSpec` of the data it was trained on; its classes are those of the network."""
    recipe: ClassifierRecipe
    classes: tuple[str, ...]
    """Possible answers: the classes of the network, then those that were remembered."""
    temperature: float
    """Divisor of the logits."""
    min_familiarity: float
    """Familiarity below which an example belongs to none of the classes."""
    memory: Memory
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of `classifier.json`: seed, data, version."""

    @property
    def background(self) -> bool:
        """True where the network has a class of examples that belong to none of the others."""
        return self.recipe.background

    # answers

    def predict(self, rows: NDArray[Any] | Tensor) -> Answers:
        """Return a class, or "none of these", for each of the rows `[N, ...]` that `models.inputs.to_input` takes."""
        inputs = self.to_input(rows)
        none = inputs.new_zeros(0)
        chunks = [Answers(self.classes, inputs.new_zeros(0, len(self.classes) + self.background), none.bool(), none)]
        with torch.no_grad():
            for x in torch.split(inputs, CHUNK_ROWS) if len(inputs) else ():
                h, embedding = ood_features(self.net, x)
                views = [self.logits_of(h), *(self.logits(view) for view in views_of(x, self.recipe.tta)[1:])]
                probabilities = torch.stack(views).softmax(2).mean(0)
                remembered = self.memory.holds(h)  # a fact about an image counts for it, not for changed copies
                probabilities[remembered] = views[0][remembered].softmax(1)
                familiarity = self.memory.familiarity(embedding)
                unknown = (familiarity < self.min_familiarity) | (probabilities.argmax(1) == len(self.classes))
                chunks.append(Answers(self.classes, probabilities, unknown, familiarity))
        return Answers.concatenate(chunks)

    def log_probabilities(self, x: Tensor) -> Tensor:
        """Return the log of what `predict` takes for probabilities, of network input `[B, ...]`; gradients flow."""
        views = torch.stack([self.logits(view) for view in views_of(x, self.recipe.tta)])
        return views.log_softmax(2).logsumexp(0) - math.log(len(views))

    def logits(self, x: Tensor) -> Tensor:
        """Return calibrated logits `[B, classes (+ 1)]` of network input `[B, ...]`; gradients flow."""
        return self.logits_of(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """Return features `[B, F]`, float32, of network input `[B, ...]`; gradients flow."""
        return features_of(self.net, x)

    def encode(self, rows: NDArray[Any] | Tensor) -> Tensor:
        """Return features `[N, F]`, float32, of rows as `predict` takes them."""
        with torch.no_grad():
            return torch.cat([self.features(x) for x in torch.split(self.to_input(rows), CHUNK_ROWS)])

    def logits_of(self, h: Tensor) -> Tensor:
        """Return calibrated logits of features `[B, F]`: of each class the head's, or its memory's if higher."""
        logits = logits_of(self.net, h) / self.temperature
        if not len(self.memory):
            return logits
        learnt, background = torch.split(logits, [len(self.spec.classes), int(self.background)], 1)
        evidence = self.memory.evidence(h, len(self.classes))
        remembered = learnt.amax(1, keepdim=True).detach() + EVIDENCE_WEIGHT * evidence
        unseen = learnt.new_full([len(h), len(self.classes) - learnt.shape[1]], -torch.inf)
        return torch.cat([torch.maximum(torch.cat([learnt, unseen], 1), remembered), background], 1)

    # memory

    def remember(self, rows: NDArray[Any] | Tensor, label: str | int | Sequence[str | int]) -> None:
        """Assign rows to class `label` (one for all, or one each) from now on, without gradient steps.

        A new name becomes a class. Of one example under several labels the last one counts.
        """
        x = self.to_input(rows)
        labels = [label] * len(x) if np.ndim(label) == 0 else list(label)  # type: ignore[arg-type]
        if len(labels) != len(x):
            raise UsageError(f"{len(x)} examples and {len(labels)} labels: give one label, or one for each example")
        names = [str(name) for name in labels]
        self.classes += tuple(dict.fromkeys(name for name in names if name not in self.classes))
        with torch.no_grad():
            self.memory.write(*ood_features(self.net, x), torch.tensor([self.classes.index(name) for name in names]))

    def forget(self, label: str | int | None = None) -> None:
        """Undo `remember` for class `label`; None: for all. Classes of the network stay."""
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

    # input and files

    def to_input(self, rows: NDArray[Any] | Tensor) -> Tensor:
        """Return network input `[B, ...]` on the network's device; raise UsageError on other shapes or types."""
        return to_input(self.spec, rows).to(next(self.net.parameters()).device)

    def save(self, folder: str | Path) -> None:
        """Write `classifier.safetensors` and `classifier.json` into `folder`, with all that is remembered."""
        tensors = {f"net.{k}": t for k, t in self.net.state_dict().items()}
        tensors |= {f"memory.{k}": t for k, t in self.memory.state_dict().items()}
        own = {"classes": self.classes, "temperature": self.temperature, "min_familiarity": self.min_familiarity}
        save_model(
            folder, "classifier", tensors, spec=self.spec, recipe=self.recipe, capabilities=capabilities_of(self),
            metadata={**self.metadata, **own},
        )  # fmt: skip


def views_of(x: Tensor, changes: Change | None) -> list[Tensor]:
    """Return examples `[B, ...]`, and VIEWS changed copies of them, changed alike for all examples and every time."""
    one = Batch(x[:1], torch.full((1,), -1, device=x.device))
    return [x] + ([changes(x, replace(one, seed=k)) for k in range(VIEWS)] if changes else [])


def chunks_of(idx: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield indices `[N]`, CHUNK_ROWS at a time."""
    return (idx[first : first + CHUNK_ROWS] for first in range(0, len(idx), CHUNK_ROWS))


def load_classifier(path: str | Path, net: nn.Module | None = None) -> Classifier:
    """Return the saved classifier at `path` (a run folder, or one of its two files), in eval mode on the CPU.

    Its weights are in channels_last, also those of a `net` that is given. One of custom networks needs the `net` that
    was trained. Raises UsageError where there is none, SparringError where its files are damaged or do not fit.
    """
    saved = read_model(path, "classifier")
    spec, recipe, tensors, metadata = saved.spec, saved.recipe, saved.tensors, dict(saved.metadata)
    try:
        classes = tuple(map(str, metadata.pop("classes")))
        temperature, min_familiarity = float(metadata.pop("temperature")), float(metadata.pop("min_familiarity"))
        custom = metadata["custom_nets"]
        weights = {k.removeprefix("net."): t for k, t in tensors.items() if k.startswith("net.")}
        memory = Memory(
            LDA(**{name: tensors[f"memory.classes.{name}"] for name in BUFFERS}), tensors["memory.reference"]
        )
        memory.keys, memory.embeddings, memory.values = (
            tensors[f"memory.{name}"] for name in ("keys", "embeddings", "values")
        )
    except (KeyError, TypeError, ValueError) as error:
        raise saved.damaged(error) from error
    if net is None:
        if custom:
            raise UsageError(f"{path} was trained with custom networks: load(path, net=...) needs the classifier")
        net = recipe.nets(spec)["classifier"]
    if f"{TREES}value" in weights:
        net = (
            BoostedClassifier(net, BoostedTrees.like(weights, TREES)) if not isinstance(net, BoostedClassifier) else net
        )
    if custom:
        net = split_or_wrap(net.eval(), torch.zeros(2, *spec.shape), len(spec.classes))
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise saved.damaged(error) from error
    net.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Classifier(net, spec, recipe, classes, temperature, min_familiarity, memory, metadata)
