"""Sums of clipped gradients, one gradient a row: the sensitive part of DP-SGD (Abadi et al. 2016, arXiv:1607.00133).

The gradient of a row is never stored where its norm follows from the inputs `a` and the output gradients `b` of the
layers: |a|^2 |b|^2 for a linear layer (Goodfellow 2015, arXiv:1510.01799), a product of Gram matrices over the
positions of a convolution (Bu et al. 2022, arXiv:2205.10683). Other networks go through `torch.func`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.linalg import vector_norm
from torch.nn.functional import pad, unfold

from sparring.engine.errors import UsageError

Forward = Callable[[Tensor], Tensor]
RowLoss = Callable[[Forward, Tensor, Tensor], Tensor]
"""Network, rows `[B, ...]` and labels `[B]` -> the loss of each row `[B]`, which no other row changes."""
CHUNK_ROWS = 64
"""Rows whose gradients are held in memory together, where norms need them."""
Calls = dict[nn.Module, list[tuple[Tensor, Tensor, int]]]
"""Layer -> its inputs, outputs and their version, of each of its calls."""
Positions = tuple[Tensor, Tensor]
"""Inputs `[B, T, I]` and output gradients `[B, T, O]` of a layer, by position."""


def clipped_sum(net: nn.Module, loss: RowLoss, x: Tensor, y: Tensor, clip: float, *, ghost: bool = True) -> Tensor:
    """Return a scalar whose gradient is sum_i min(1, clip / |g_i|) g_i, where g_i is the gradient of row i.

    The batch may be empty. A row whose gradient is not finite counts as 0, so that no row can stop a training. Without
    `ghost` the gradients themselves are formed; `ghost_norms_agree` checks whether that is necessary.
    """
    with torch.autocast(x.device.type, enabled=False):
        if not len(x):
            return torch.stack([(p * 0).sum() for p in net.parameters() if p.requires_grad]).sum()
        if not ghost:
            return _by_row(net, loss, x, y, clip)
        with _recorded(net) as calls:
            losses = loss(net, x, y).float()
        norms = _ghost_norms(calls, losses)
        finite = norms.isfinite()
        if not finite.all():
            return clipped_sum(net, loss, x[finite], y[finite], clip)
        return losses @ clip_factors(norms, clip)


def gradient_norms(net: nn.Module, loss: RowLoss, x: Tensor, y: Tensor, *, ghost: bool = True) -> Tensor:
    """Return the norm `[B]` of the gradient of each row."""
    if not ghost:
        return torch.cat([_norms(g) for g in _gradients(net, loss, x, y)])
    with _recorded(net) as calls:
        losses = loss(net, x, y).float()
    return _ghost_norms(calls, losses)


def ghost_norms_agree(net: nn.Module, loss: RowLoss, x: Tensor, y: Tensor) -> bool:
    """Return whether the norms from inputs and output gradients of layers are those of the gradients, on rows `x`.

    They are not where weights are used outside of linear layers and convolutions, are shared, or outputs are changed in
    place.
    """
    if not _has_plain_layers(net):
        return False
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ghost = gradient_norms(net, loss, x, y)
        return bool(torch.allclose(ghost, gradient_norms(net, loss, x, y, ghost=False), rtol=1e-3, atol=1e-6))


def clip_factors(norms: Tensor, clip: float) -> Tensor:
    """Return min(1, clip / norm) for each of the norms `[B]`; 0 where a norm is not finite."""
    return torch.where(norms.isfinite(), (clip / norms.clamp(min=1e-12)).clamp(max=1), 0.0)


def check_rows_are_independent(net: nn.Module, shape: tuple[int, ...]) -> None:
    """Raise UsageError where the output for a row depends on others, or a forward pass changes the network's buffers.

    Batch normalisation does both. The gradient of a row then holds other rows, and no clipping bounds what one does.
    """
    norms = [type(layer).__name__ for layer in net.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(6, *shape, generator=generator)
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    training = net.training
    net.train()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        outputs = []
        for rows in (x[:4], torch.cat([x[:1], x[3:]])):
            torch.manual_seed(0)
            outputs.append(net(rows)[0])
    changed = [name for name, buffer in net.named_buffers() if not torch.equal(buffer, before[name])]
    with torch.no_grad():
        for name, buffer in net.named_buffers():
            buffer.copy_(before[name])
    net.train(training)
    if norms or changed or not torch.allclose(outputs[0], outputs[1], atol=1e-5):
        what = f"it has {norms[0]}" if norms else f"training changes {changed[0]}" if changed else "it mixes rows"
        raise UsageError(
            f"this network cannot be trained privately: {what}, so that the gradient of a row depends on other rows. "
            "Use group or layer normalisation"
        )


def _has_plain_layers(net: nn.Module) -> bool:
    """Return whether all trainable weights belong to layers that Gram matrices cover, each to one of them."""
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)]
    plain = [
        layer
        for layer in layers
        if getattr(layer, "groups", 1) == 1 and getattr(layer, "padding_mode", "zeros") == "zeros"
    ]
    owned = [id(p) for layer in plain for p in layer.parameters(recurse=False)]
    return {id(p) for p in net.parameters() if p.requires_grad} <= set(owned) and len(owned) == len(set(owned))


@contextmanager
def _recorded(net: nn.Module) -> Iterator[Calls]:
    """Record the calls of all layers with trainable weights."""
    calls: Calls = defaultdict(list)

    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls[layer].append((inputs[0].detach(), output, output._version))

    layers = [layer for layer in net.modules() if any(p.requires_grad for p in layer.parameters(recurse=False))]
    hooks = [layer.register_forward_hook(record) for layer in layers]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _ghost_norms(calls: Calls, losses: Tensor) -> Tensor:
    """Return the norms `[B]` of the rows' gradients, from one backward pass to the outputs of the layers."""
    outputs = [output for each in calls.values() for _, output, _ in each]
    gradients = iter(torch.autograd.grad(losses.sum(), outputs, retain_graph=True, allow_unused=True))
    squares = losses.new_zeros(len(losses))
    for layer, each in calls.items():
        parts = []
        for inputs, output, version in each:
            gradient = next(gradients)
            if output._version != version:  # the gradient is that of what replaced it
                return losses.new_full([len(losses)], torch.nan)
            parts.append(_positions(layer, inputs, gradient if gradient is not None else torch.zeros_like(output)))
        a, b = parts[0] if len(parts) == 1 else (torch.cat(side, 1) for side in zip(*parts, strict=True))
        weight, bias = layer.weight, layer.bias
        if isinstance(weight, Tensor) and weight.requires_grad:
            squares = squares + _squared_norms(a, b)
        if isinstance(bias, Tensor) and bias.requires_grad:
            squares = squares + b.sum(1).square().sum(1)
    return squares.sqrt()


def _positions(layer: nn.Module, x: Tensor, gradient: Tensor) -> Positions:
    """Return what a layer multiplies its weight with, by position, and the gradients of its outputs there."""
    if isinstance(layer, nn.Linear):
        return x.reshape(len(x), -1, x.shape[-1]), gradient.reshape(len(x), -1, gradient.shape[-1])
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    if isinstance(layer, nn.Conv1d):
        x, gradient = x[:, :, None], gradient[:, :, None]
    kernel, stride, dilation = (
        (1,) * (2 - len(v)) + tuple(v) for v in (layer.kernel_size, layer.stride, layer.dilation)
    )
    reversed_padding = layer._reversed_padding_repeated_twice
    patches = unfold(pad(x, reversed_padding), kernel, dilation, 0, stride)
    return patches.transpose(1, 2), gradient.flatten(2).transpose(1, 2)


def _squared_norms(a: Tensor, b: Tensor) -> Tensor:
    """Return |sum_t b_t a_t'|^2 for each row, `[B]`, of inputs `[B, T, I]` and output gradients `[B, T, O]`."""
    if a.shape[1] == 1:
        norms: Tensor = vector_norm(a[:, 0], dim=1) * vector_norm(b[:, 0], dim=1)
        return norms.square()
    if a.shape[1] ** 2 * (a.shape[2] + b.shape[2]) < a.shape[1] * a.shape[2] * b.shape[2]:
        return ((a @ a.mT) * (b @ b.mT)).sum((1, 2))
    chunks = zip(torch.split(a, CHUNK_ROWS), torch.split(b, CHUNK_ROWS), strict=True)
    return torch.cat([(q.mT @ p).square().sum((1, 2)) for p, q in chunks])


def _gradients(net: nn.Module, loss: RowLoss, x: Tensor, y: Tensor) -> Any:
    """Yield the gradients of the rows by parameter, `[b, ...]`, CHUNK_ROWS rows at a time."""
    parameters = {name: p.detach() for name, p in net.named_parameters() if p.requires_grad}

    def of_row(values: dict[str, Tensor], row: Tensor, label: Tensor) -> Tensor:
        def forward(rows: Tensor) -> Tensor:
            output: Tensor = functional_call(net, values, (rows,))
            return output

        return loss(forward, row[None], label[None]).float()[0]

    each = vmap(grad(of_row), in_dims=(None, 0, 0), randomness="different")
    for rows, labels in zip(torch.split(x, CHUNK_ROWS), torch.split(y, CHUNK_ROWS), strict=True):
        if len(rows):
            yield each(parameters, rows, labels)


def _norms(gradients: dict[str, Tensor]) -> Tensor:
    return sum(g.flatten(1).square().sum(1) for g in gradients.values()).sqrt()  # type: ignore[union-attr]


def _by_row(net: nn.Module, loss: RowLoss, x: Tensor, y: Tensor, clip: float) -> Tensor:
    """Return a scalar whose gradient is the clipped sum, from the gradients of the rows themselves."""
    named = {name: p for name, p in net.named_parameters() if p.requires_grad}
    sums = {name: torch.zeros_like(p) for name, p in named.items()}
    for gradients in _gradients(net, loss, x, y):
        factors = clip_factors(_norms(gradients), clip)
        for name, g in gradients.items():
            sums[name] += torch.tensordot(factors, torch.nan_to_num(g), 1)
    return torch.stack([(named[name] * total.detach()).sum() for name, total in sums.items()]).sum()
