"""Try a model on a few rows before an attack: how it must be called, what it accepts, and whether it returns logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from sparring.attacks.outputs import are_probabilities, check_logits, tensors_in
from sparring.attacks.validation import Model, frozen
from sparring.commands.attacking.import_model import first_line
from sparring.commands.attacking.load_target import Target
from sparring.engine.errors import SparringError, UsageError
from sparring.measure.classifier.alternatives import Alternative

PRECISIONS = (torch.float64, torch.bfloat16, torch.float16)
"""Precisions to try with a model that fails on float32."""
ONE_LOGIT_ROWS = 32
"""Rows on which one number a row must look like a logit."""
TRIED_ROWS = 3
"""Rows of the largest batch that a model is tried on."""
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Numbers of rows to try with a model that does not accept any number."""


class _Adapted(nn.Module):
    """A model that is called in another precision, with a fixed number of rows, or for one of several outputs."""

    def __init__(
        self, model: Model, dtype: torch.dtype | None = None, batch: int | None = None, key: int | str | None = None
    ) -> None:
        super().__init__()
        self.model, self.dtype, self.batch, self.key = model, dtype, batch, key
        self.training = getattr(model, "training", False)  # a function has no mode

    def forward(self, x: Tensor) -> Tensor:
        if self.batch is None:
            whole: Tensor = self._output(x)
            return whole
        chunks = torch.split(x, self.batch)
        return torch.cat([self._output(repeated(chunk, self.batch))[: len(chunk)] for chunk in chunks])

    def _output(self, x: Tensor) -> Any:
        outputs: Any = self.model(x if self.dtype is None else x.to(self.dtype))
        if self.key is not None:
            outputs = tensors_in(outputs)[self.key]
        return outputs if self.dtype is None else outputs.to(x.dtype)


class _TwoLogits(nn.Module):
    """A model of one logit z a row, as one with the logits 0 and z."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model, self.training = model, getattr(model, "training", False)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.model(x)
        return torch.stack([torch.zeros_like(z.reshape(-1)), z.reshape(-1)], 1)


def adapted(target: Target, x: Tensor, classes: Sequence[str]) -> Target:
    """Return the target, wrapped where it needs it to answer for one and for two rows of `x` `[B, ...]`.

    Tried are other precisions, fixed numbers of rows, and, of several outputs, the one with a number for each of
    `classes`. One logit becomes two where there are two classes. A target that answers in none of these ways is
    returned as it is.
    """
    return _with_two_logits(_called(_with_two_logits(target, x, classes), x, classes), x, classes)


def _with_two_logits(target: Target, x: Tensor, classes: Sequence[str]) -> Target:
    """Return a target of one logit a row as one of two; any other as it is."""
    if len(classes) != 2 or target.classifier is not None:
        return target
    for count in (1, 2, min(len(x), ONE_LOGIT_ROWS)):
        z = _outputs(target.model, repeated(x, count))
        if not isinstance(z, Tensor) or not z.is_floating_point() or z.numel() != count:
            return target
    if bool((z == z.round()).all()) or bool(((z >= 0) & (z <= 1)).all()):  # classes, or probabilities
        return target
    note = (
        f"the model returns one number z a row: it is taken for the logits 0 and z of '{classes[0]}' and '{classes[1]}'"
    )
    return replace(target, model=_TwoLogits(target.model), notes=(*target.notes, note))


def _called(target: Target, x: Tensor, classes: Sequence[str]) -> Target:
    """Return the target in the precision, with the number of rows and for the output that it answers with."""
    plain = [_outputs(target.model, repeated(x, rows)) for rows in (1, 2)]
    answers = [_has_rows(outputs, rows) for outputs, rows in zip(plain, (1, 2), strict=True)]
    failed = any(outputs is None for outputs in plain)
    batches = (None, *BATCHES) if failed or answers[0] != answers[1] else (None,)
    for batch, dtype in product(batches, (None, *PRECISIONS)):
        rows = repeated(x, batch or 2)
        outputs = _outputs(target.model, rows if dtype is None else rows.to(dtype))
        key = _logits_key(outputs, len(rows), len(classes))
        model = _Adapted(target.model, dtype, batch, key)
        whole = _outputs(_Adapted(target.model, dtype, None, key), rows)
        if _has_rows(whole, len(rows)) and all(
            _has_rows(_outputs(model, repeated(x, count)), count) for count in (1, 2)
        ):
            notes = _notes(dtype, batch, key, outputs)
            return replace(target, model=model, notes=(*target.notes, *notes)) if notes else target
    return target


def try_out(
    target: Target, x: Tensor, classes: Sequence[str], inputs: str, forms: Sequence[Alternative] = ()
) -> Tensor:
    """Return the logits of the first rows of `x` `[B, ...]`, computed on batches of several sizes.

    `inputs` describes the inputs, and `forms` are others that models may expect, for messages. Raises UsageError where
    the model fails, writes into its inputs, does not return logits, or has another number of classes than `classes`.
    """
    outputs: dict[int, Any] = {}
    for count in (1, 2, TRIED_ROWS):
        batch = repeated(x, count)
        try:
            with torch.no_grad(), frozen(target.model, seed=0):
                outputs[count] = target.model(batch)
        except SparringError:
            raise
        except Exception as error:  # foreign code may raise anything
            raise UsageError(
                f"{target.name} fails on inputs {list(batch.shape)}: {first_line(error)}. It is given {inputs}"
                + _accepted(target.model, x, forms)
            ) from error
        if not torch.equal(batch, repeated(x, count)):
            raise UsageError(f"{target.name} writes into its inputs: let it begin with x = x.clone()")
    logits, *_ = [check_logits(outputs[count], count, target.name) for count in (TRIED_ROWS, 2, 1)]
    if target.classifier is None and logits.shape[1] != len(classes):
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


def repeated(x: Tensor, count: int) -> Tensor:
    """Return a copy of the first `count` rows of `x` `[B, ...]`, repeated where there are fewer."""
    return x[torch.arange(count, device=x.device) % len(x)]


def _outputs(model: Model, rows: Tensor) -> Any:
    """Return what the model returns for `rows`; None where it fails."""
    with suppress(Exception), torch.no_grad(), frozen(model, seed=0):  # foreign code may raise anything
        return model(rows)
    return None


def _has_rows(outputs: Any, count: int) -> bool:
    return isinstance(outputs, Tensor) and outputs.dim() > 0 and len(outputs) == count


def _logits_key(outputs: Any, rows: int, classes: int) -> int | str | None:
    """Return the place or name of the only tensor that may be the logits; None where there is none, or several."""
    fitting = {
        key: tensor
        for key, tensor in tensors_in(outputs).items()
        if tensor.shape == (rows, classes) and tensor.is_floating_point()
    }
    if len(fitting) > 1:
        fitting = {key: tensor for key, tensor in fitting.items() if not are_probabilities(tensor)}
    if len(fitting) > 1:
        fitting = {key: tensor for key, tensor in fitting.items() if key == "logits"}
    return next(iter(fitting)) if len(fitting) == 1 else None


def _notes(dtype: torch.dtype | None, batch: int | None, key: int | str | None, outputs: Any) -> list[str]:
    notes = []
    if dtype is not None:
        name = str(dtype).removeprefix("torch.")
        notes.append(f"the model computes in {name}: its inputs are converted, and its logits are taken in float32")
    if batch is not None:
        notes.append(
            f"the model accepts no other number of inputs than {batch}: it is called "
            + ("for one after another" if batch == 1 else "with as many, the last ones repeated where some are missing")
        )
    if key is not None:
        shapes = ", ".join(f"{name}: {list(tensor.shape)}" for name, tensor in tensors_in(outputs).items())
        notes.append(
            f"the model returns several outputs ({shapes}): '{key}', with a number for each class, is attacked"
        )
    return notes


def _accepted(model: Model, x: Tensor, forms: Sequence[Alternative]) -> str:
    """Return which of other `forms` of the inputs the model accepts, as the end of a message."""
    accepted = [form for form in forms if _outputs(form.wrap(model), repeated(x, 2)) is not None]
    if accepted:
        return f". It accepts {accepted[0].name}: {accepted[0].advice}"
    return ". Other usual shapes fail as well" if forms else ""
