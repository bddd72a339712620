"""A network as a list of typed operations with fixed shapes, which `static/operations.js` runs in a browser.

Each entry is an input, a constant or an operation on earlier entries, for one example (a batch of 1). This module
defines the operations by PyTorch, so that a program is compared with its network before it is written.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "relu": torch.relu,
    "leaky_relu": functional.leaky_relu,
    "elu": torch.ops.aten.elu.default,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": functional.softplus,
    "normal_cdf": torch.special.ndtr,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "clamp": torch.clamp,
}
"""Functions of one number, for `map`; further arguments are its `parameters`."""
COMBINATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "less": torch.lt,
    "at_least": torch.ge,
    "equal": torch.eq,
}
"""Functions of two numbers, for `combine`, with broadcasting."""
REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "mean": torch.mean,
    "sum": torch.sum,
    "max": torch.amax,
}


@dataclass(frozen=True)
class Entry:
    """An input, a constant or an operation."""

    op: str
    shape: tuple[int, ...]
    inputs: tuple[int, ...] = ()
    """Numbers of earlier entries."""
    options: dict[str, Any] = field(default_factory=dict)
    value: Tensor | None = None
    """Value of a constant."""


@dataclass(frozen=True)
class Value:
    """A value that depends on the input: the number of its entry."""

    number: int
    shape: tuple[int, ...]


@dataclass
class Program:
    """Operations in the order in which they are computed; the last entry is the output."""

    entries: list[Entry] = field(default_factory=list)

    def add(
        self, op: str, shape: Sequence[int], inputs: Sequence[Value | Tensor | float] = (), **options: Any
    ) -> Value:
        """Append an entry; tensors and numbers among the inputs become constants."""
        numbers = tuple(each.number if isinstance(each, Value) else self._constant(each) for each in inputs)
        self.entries.append(Entry(op, tuple(shape), numbers, options))
        return Value(len(self.entries) - 1, tuple(shape))

    def _constant(self, value: Tensor | float) -> int:
        tensor = torch.as_tensor(value).detach().float().contiguous()
        self.entries.append(Entry("constant", tuple(tensor.shape), value=tensor))
        return len(self.entries) - 1

    def run(self, inputs: Sequence[Tensor], *, half: bool = False) -> Tensor:
        """Return the output of one example, inputs `[1, ...]`; `half`: constants are rounded to 16 bits."""
        values: list[Tensor] = []
        remaining = iter(inputs)
        for entry in self.entries:
            if entry.op == "input":
                values.append(next(remaining))
            elif entry.value is not None:
                values.append(entry.value.half().float() if half and entry.value.numel() > 1 else entry.value)
            else:
                arguments = [values[k] for k in entry.inputs]
                values.append(OPERATIONS[entry.op](arguments, entry))
        return values[-1]

    def to_json(self, *, half: bool) -> tuple[list[dict[str, Any]], str]:
        """Return the entries as JSON values, and the constants in base64: float16 or float32, little-endian.

        A constant has `offset`, its first number among all constants, or its one `value`.
        """
        rows, parts, start = [], [], 0
        for entry in self.entries:
            row = {"op": entry.op, "shape": list(entry.shape)} | entry.options
            if entry.inputs:
                row["inputs"] = list(entry.inputs)
            if entry.value is not None and entry.value.numel() == 1:
                row["value"] = float(entry.value)
            elif entry.value is not None:
                row["offset"] = start
                start += entry.value.numel()
                parts.append(entry.value.numpy().astype("<f2" if half else "<f4").tobytes())
            rows.append(row)
        return rows, base64.b64encode(b"".join(parts)).decode()


# operations: (inputs, entry) -> value of entry.shape

Arguments = list[Tensor]


def _conv_transpose(x: Arguments, entry: Entry) -> Tensor:
    """Compute a transposed convolution; its output has the size of the entry."""
    stride, padding = entry.options["stride"], entry.options["padding"]
    sizes = [
        size - ((side - 1) * step + kernel - 2 * pad)
        for size, side, step, kernel, pad in zip(
            entry.shape[2:], x[0].shape[2:], stride, x[1].shape[2:], padding, strict=True
        )
    ]
    return functional.conv_transpose2d(x[0], x[1], _bias(x), stride, padding, sizes)


def _pool(x: Arguments, entry: Entry) -> Tensor:
    """Take the maximum or the mean of windows. Windows of a maximum may exceed the image at the end."""
    kernel, stride = entry.options["kernel"], entry.options["stride"]
    if entry.options["function"] == "mean":
        return functional.avg_pool2d(x[0], kernel, stride)
    missing = [
        (size - 1) * step + side - have
        for size, step, side, have in zip(entry.shape[2:], stride, kernel, x[0].shape[2:], strict=True)
    ]
    padded = functional.pad(x[0], (0, max(missing[1], 0), 0, max(missing[0], 0)), value=-torch.inf)
    return functional.max_pool2d(padded, kernel, stride)[..., : entry.shape[2], : entry.shape[3]]


def _bias(x: Arguments) -> Tensor | None:
    return x[2] if len(x) > 2 else None


OPERATIONS: dict[str, Callable[[Arguments, Entry], Tensor]] = {
    "reshape": lambda x, entry: x[0].reshape(entry.shape),
    "permute": lambda x, entry: x[0].permute(entry.options["dims"]),
    "concat": lambda x, entry: torch.cat(x, entry.options["dim"]),
    "slice": lambda x, entry: x[0].narrow(
        entry.options["dim"], entry.options["start"], entry.shape[entry.options["dim"]]
    ),
    "embedding": lambda x, entry: functional.embedding(x[0].long(), x[1]),
    "linear": lambda x, entry: functional.linear(x[0], x[1], _bias(x)),
    "matmul": lambda x, entry: x[0] @ x[1],
    "conv": lambda x, entry: functional.conv2d(x[0], x[1], _bias(x), entry.options["stride"], entry.options["padding"]),
    "conv_transpose": _conv_transpose,
    "normalise": lambda x, entry: functional.layer_norm(
        x[0], x[0].shape[-entry.options["dims"] :], *_scale_and_shift(x, entry), eps=entry.options["eps"]
    ),
    "softmax": lambda x, entry: x[0].softmax(-1),
    "reduce": lambda x, entry: REDUCTIONS[entry.options["function"]](x[0], entry.options["dims"]).reshape(entry.shape),
    "pool": _pool,
    "resize": lambda x, entry: functional.interpolate(x[0], entry.shape[2:], mode=entry.options["mode"]),
    "map": lambda x, entry: FUNCTIONS[entry.options["function"]](x[0], *entry.options["parameters"]),
    "combine": lambda x, entry: COMBINATIONS[entry.options["function"]](x[0], x[1]).float(),
    "where": lambda x, entry: torch.where(x[0] != 0, x[1], x[2]),
}
"""All operations by name."""


def _scale_and_shift(x: Arguments, entry: Entry) -> tuple[Tensor | None, Tensor | None]:
    shape = x[0].shape[-entry.options["dims"] :]
    return (x[1].reshape(shape), x[2].reshape(shape)) if len(x) > 2 else (None, None)
