"""How each operator of PyTorch becomes operations of a `Program`.

A rule is a function of the program, the shape of the result (or, of several results, their tensors) and the operator's
arguments. It appends operations and returns their value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from sparring.commands.exporting.program import Program, Value

aten = torch.ops.aten
Rule = Callable[..., Any]
RULES: dict[Any, Rule] = {}
"""Operator -> its rule."""
EXP: dict[str, Any] = {"function": "exp", "parameters": []}
LOG: dict[str, Any] = {"function": "log", "parameters": []}


class Unsupported(Exception):
    """An option of an operator that a page cannot run."""


def name_of(target: Any) -> str:
    """Return the name of an operator without its overload: `aten.conv2d.default` -> `conv2d`."""
    return str(target).removeprefix("aten.").partition(".")[0].removeprefix("special_")


def rule(*targets: Any) -> Callable[[Rule], Rule]:
    """Register a function as the rule of operators."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(targets, function))
        return function

    return register


def _require(condition: bool, option: str) -> None:
    if not condition:
        raise Unsupported(option)


# shapes


@rule(
    aten.to.dtype, aten.contiguous.default, aten.dropout.default, aten.clone.default, aten.detach.default,
    aten.alias.default, aten._to_copy.default, aten.to.dtype_layout, aten.to.device,
)  # fmt: skip
def _same(program: Program, shape: Any, x: Value, *_: Any, **__: Any) -> Value:
    return x


@rule(aten._assert_tensor_metadata.default)
def _nothing(program: Program, shape: Any, x: Value, *_: Any, **__: Any) -> None:
    return None


@rule(aten.new_zeros.default, aten.zeros_like.default)
def _zeros(program: Program, shape: Any, x: Value, *_: Any, **options: Any) -> Tensor:
    return torch.zeros(shape, dtype=options.get("dtype"))


@rule(aten.new_full.default)
def _full(program: Program, shape: Any, x: Value, size: Any, value: float, **options: Any) -> Tensor:
    return torch.full(shape, value, dtype=options.get("dtype"))


@rule(
    aten.view.default, aten.reshape.default, aten._unsafe_view.default, aten.flatten.using_ints, aten.unflatten.int,
    aten.squeeze.dim, aten.squeeze.default, aten.squeeze.dims, aten.unsqueeze.default,
)  # fmt: skip
def _reshape(program: Program, shape: Any, x: Value, *_: Any, **__: Any) -> Value:
    return program.add("reshape", shape, [x])


@rule(aten.permute.default)
def _permute(program: Program, shape: Any, x: Value, dims: Sequence[int]) -> Value:
    return program.add("permute", shape, [x], dims=[dim % len(shape) for dim in dims])


@rule(aten.transpose.int)
def _transpose(program: Program, shape: Any, x: Value, first: int, second: int) -> Value:
    dims = list(range(len(shape)))
    dims[first], dims[second] = dims[second], dims[first]
    return program.add("permute", shape, [x], dims=dims)


@rule(aten.cat.default)
def _cat(program: Program, shape: Any, parts: Sequence[Value | Tensor], dim: int = 0) -> Value:
    return program.add("concat", shape, parts, dim=dim % len(shape))


@rule(aten.stack.default)
def _stack(program: Program, shape: Any, parts: Sequence[Value | Tensor], dim: int = 0) -> Value:
    dim = dim % len(shape)
    single = (*shape[:dim], 1, *shape[dim + 1 :])
    return program.add("concat", shape, [program.add("reshape", single, [part]) for part in parts], dim=dim)


@rule(aten.tensor_split.sections, aten.chunk.default, aten.split.Tensor, aten.split_with_sizes.default)
def _split(program: Program, shape: Any, x: Value, sizes: Any, dim: int = 0) -> list[Value]:
    dim, start, parts = dim % len(x.shape), 0, []
    for each in shape:
        parts.append(program.add("slice", each.shape, [x], dim=dim, start=start))
        start += each.shape[dim]
    return parts


@rule(aten.slice.Tensor)
def _slice(
    program: Program, shape: Any, x: Value, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Value:
    _require(step == 1, "a step")
    dim, start = dim % len(x.shape), start or 0
    return program.add("slice", shape, [x], dim=dim, start=start % x.shape[dim] if start < 0 else start)


@rule(aten.select.int)
def _select(program: Program, shape: Any, x: Value, dim: int, index: int) -> Value:
    dim = dim % len(x.shape)
    kept = (*x.shape[:dim], 1, *x.shape[dim + 1 :])
    return program.add("reshape", shape, [program.add("slice", kept, [x], dim=dim, start=index % x.shape[dim])])


# layers


@rule(aten.embedding.default)
def _embedding(program: Program, shape: Any, table: Tensor, y: Value, *_: Any) -> Value:
    return program.add("embedding", shape, [y, table])


@rule(aten.one_hot.default)
def _one_hot(program: Program, shape: Any, y: Value, classes: int) -> Value:
    column = program.add("reshape", (*y.shape, 1), [y])
    return program.add("combine", shape, [column, torch.arange(classes)], function="equal")


@rule(aten.linear.default)
def _linear(program: Program, shape: Any, x: Value, weight: Tensor, bias: Tensor | None = None) -> Value:
    return program.add("linear", shape, [x, weight, *_given(bias)])


@rule(aten.matmul.default, aten.bmm.default, aten.mm.default)
def _matmul(program: Program, shape: Any, a: Value | Tensor, b: Value | Tensor) -> Value:
    _require(len(a.shape) == len(b.shape) and a.shape[:-2] == b.shape[:-2], "broadcasting")
    return program.add("matmul", shape, [a, b])


@rule(aten.conv2d.default)
def _conv(
    program: Program, shape: Any, x: Value, weight: Tensor, bias: Tensor | None = None, stride: Any = (1, 1),
    padding: Any = (0, 0), dilation: Any = (1, 1), groups: int = 1,
) -> Value:  # fmt: skip
    _require(set(dilation) == {1} and groups == 1, "dilation or groups")
    return program.add("conv", shape, [x, weight, *_given(bias)], stride=_two(stride), padding=_two(padding))


@rule(aten.conv_transpose2d.input)
def _conv_transpose(
    program: Program, shape: Any, x: Value, weight: Tensor, bias: Tensor | None = None, stride: Any = (1, 1),
    padding: Any = (0, 0), output_padding: Any = (0, 0), groups: int = 1, dilation: Any = (1, 1),
) -> Value:  # fmt: skip
    _require(set(dilation) == {1} and groups == 1, "dilation or groups")
    return program.add("conv_transpose", shape, [x, weight, *_given(bias)], stride=_two(stride), padding=_two(padding))


@rule(aten.batch_norm.default)
def _batch_norm(
    program: Program, shape: Any, x: Value, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor,
    training: bool, momentum: float, eps: float, *_: Any,
) -> Value:  # fmt: skip
    _require(not training, "statistics of the batch")
    scale = (variance + eps).rsqrt() * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * scale
    by_channel = (-1, *[1] * (len(shape) - 2))
    scaled = program.add("combine", shape, [x, scale.view(by_channel)], function="multiply")
    return program.add("combine", shape, [scaled, shift.view(by_channel)], function="add")


@rule(aten.layer_norm.default)
def _layer_norm(
    program: Program, shape: Any, x: Value, normalised: Sequence[int], weight: Tensor | None = None,
    bias: Tensor | None = None, eps: float = 1e-5, *_: Any,
) -> Value:  # fmt: skip
    affine = [] if weight is None else [weight, torch.zeros_like(weight) if bias is None else bias]
    return program.add("normalise", shape, [x, *affine], dims=len(normalised), eps=eps)


@rule(aten.softmax.int)
def _softmax(program: Program, shape: Any, x: Value, dim: int, *_: Any) -> Value:
    _require(dim in (-1, len(shape) - 1), "another dimension than the last")
    return program.add("softmax", shape, [x])


@rule(aten.group_norm.default)
def _group_norm(
    program: Program, shape: Any, x: Value, groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5, *_: Any,
) -> Value:  # fmt: skip
    out = program.add("reshape", (shape[0], groups, math.prod(shape) // (shape[0] * groups)), [x])
    out = program.add("reshape", shape, [program.add("normalise", out.shape, [out], dims=1, eps=eps)])
    for function, values in (("multiply", weight), ("add", bias)):
        if values is not None:
            out = program.add("combine", shape, [out, values.view(-1, *[1] * (len(shape) - 2))], function=function)
    return out


@rule(aten.logsumexp.default)
def _logsumexp(program: Program, shape: Any, x: Value, dims: Sequence[int], *_: Any) -> Value:
    every = sorted(dim % len(x.shape) for dim in dims)
    kept = tuple(1 if dim in every else side for dim, side in enumerate(x.shape))
    most = program.add("reduce", kept, [x], function="max", dims=every)
    powers = program.add("map", x.shape, [program.add("combine", x.shape, [x, most], function="subtract")], **EXP)
    logs = program.add("map", kept, [program.add("reduce", kept, [powers], function="sum", dims=every)], **LOG)
    return program.add("reshape", shape, [program.add("combine", kept, [logs, most], function="add")])


@rule(aten.log_softmax.int)
def _log_softmax(program: Program, shape: Any, x: Value, dim: int, *_: Any) -> Value:
    kept = tuple(1 if k == dim % len(shape) else side for k, side in enumerate(shape))
    return program.add("combine", shape, [x, _logsumexp(program, kept, x, [dim])], function="subtract")


@rule(aten.neg.default)
def _negative(program: Program, shape: Any, x: Value) -> Value:
    return program.add("combine", shape, [x, -1.0], function="multiply")


@rule(aten.square.default)
def _square(program: Program, shape: Any, x: Value) -> Value:
    return program.add("combine", shape, [x, x], function="multiply")


def _reduction(function: str) -> Rule:
    def reduced(program: Program, shape: Any, x: Value, dims: Sequence[int] = (), *_: Any, **__: Any) -> Value:
        every = [dim % len(x.shape) for dim in dims] or list(range(len(x.shape)))
        return program.add("reduce", shape, [x], function=function, dims=sorted(every))

    return reduced


RULES |= {
    aten.mean.dim: _reduction("mean"), aten.sum.dim_IntList: _reduction("sum"), aten.amax.default: _reduction("max"),
}  # fmt: skip


@rule(aten.max_pool2d.default)
def _max_pool(
    program: Program, shape: Any, x: Value, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, *_: Any
) -> Value:
    _require(set(_two(padding)) == {0} and set(_two(dilation)) == {1}, "padding or dilation")
    return program.add("pool", shape, [x], function="max", kernel=_two(kernel), stride=_two(stride or kernel))


@rule(aten.avg_pool2d.default)
def _average_pool(
    program: Program, shape: Any, x: Value, kernel: Any, stride: Any = (), padding: Any = 0, ceil_mode: bool = False,
    *_: Any,
) -> Value:  # fmt: skip
    _require(set(_two(padding)) == {0} and not ceil_mode, "padding")
    return program.add("pool", shape, [x], function="mean", kernel=_two(kernel), stride=_two(stride or kernel))


@rule(aten.adaptive_avg_pool2d.default)
def _adaptive_pool(program: Program, shape: Any, x: Value, size: Any) -> Value:
    kernel = [have // wanted for have, wanted in zip(x.shape[2:], shape[2:], strict=True)]
    _require(all(k * n == have for k, n, have in zip(kernel, shape[2:], x.shape[2:], strict=True)), "unequal windows")
    return program.add("pool", shape, [x], function="mean", kernel=kernel, stride=kernel)


@rule(aten.upsample_nearest2d.vec)
def _nearest(program: Program, shape: Any, x: Value, *_: Any) -> Value:
    return program.add("resize", shape, [x], mode="nearest")


@rule(aten.upsample_bilinear2d.vec)
def _bilinear(program: Program, shape: Any, x: Value, size: Any, align_corners: bool, *_: Any) -> Value:
    _require(not align_corners, "align_corners")
    return program.add("resize", shape, [x], mode="bilinear")


# functions of numbers


def _map(function: str, *defaults: float) -> Rule:
    def mapped(program: Program, shape: Any, x: Value, *parameters: Any, **named: Any) -> Value:
        _require(not named, " or ".join(named))
        given = [*parameters, *defaults[len(parameters) :]]
        return program.add("map", shape, [x], function=function, parameters=given)

    return mapped


def _combine(function: str) -> Rule:
    def combined(
        program: Program, shape: Any, a: Value | Tensor, b: Value | Tensor | float, *, alpha: float = 1
    ) -> Value:
        _require(alpha == 1, "a factor")
        return program.add("combine", shape, [a, b], function=function)

    return combined


RULES |= {
    aten.relu.default: _map("relu"), aten.leaky_relu.default: _map("leaky_relu", 0.01),
    aten.tanh.default: _map("tanh"), aten.sigmoid.default: _map("sigmoid"),
    aten.softplus.default: _map("softplus", 1.0, 20.0),
    aten.special_ndtr.default: _map("normal_cdf"), aten.sqrt.default: _map("sqrt"),
    aten.exp.default: _map("exp"), aten.log.default: _map("log"),
    aten.elu.default: _map("elu", 1.0, 1.0, 1.0), aten.gelu.default: _map("gelu"), aten.silu.default: _map("silu"),
    aten.add.Tensor: _combine("add"), aten.sub.Tensor: _combine("subtract"), aten.mul.Tensor: _combine("multiply"),
    aten.div.Tensor: _combine("divide"), aten.maximum.default: _combine("maximum"),
    aten.minimum.default: _combine("minimum"), aten.lt.Scalar: _combine("less"), aten.lt.Tensor: _combine("less"),
    aten.ge.Scalar: _combine("at_least"), aten.ge.Tensor: _combine("at_least"),
}  # fmt: skip


@rule(aten.clamp.default)
def _clamp(program: Program, shape: Any, x: Value, least: float | None = None, most: float | None = None) -> Value:
    bounds = [-3e38 if least is None else least, 3e38 if most is None else most]
    return program.add("map", shape, [x], function="clamp", parameters=bounds)


@rule(aten.addcmul.default)
def _addcmul(program: Program, shape: Any, x: Value, a: Value, b: Value, *, value: float = 1) -> Value:
    _require(value == 1, "a factor")
    product = program.add("combine", torch.broadcast_shapes(a.shape, b.shape), [a, b], function="multiply")  # type: ignore[no-untyped-call]
    return program.add("combine", shape, [x, product], function="add")


@rule(aten.where.self, aten.where.ScalarSelf, aten.where.ScalarOther, aten.where.Scalar)
def _where(program: Program, shape: Any, condition: Value, a: Any, b: Any) -> Value:
    _require(all(not getattr(each, "shape", ()) or each.shape == tuple(shape) for each in (a, b)), "broadcasting")
    return program.add("where", shape, [condition, a, b])


def _given(bias: Tensor | None) -> list[Tensor]:
    return [] if bias is None else [bias]


def _two(value: Any) -> list[int]:
    """Return height and width of an option that may be one number for both."""
    values = [value] if isinstance(value, int) else list(value)
    return values * 2 if len(values) == 1 else values


def supported() -> list[str]:
    """Return the names of the operators that have a rule, without those that leave values as they are."""
    return sorted({name_of(each) for each, rule in RULES.items() if rule not in (_same, _nothing)} - {"_unsafe_view"})
