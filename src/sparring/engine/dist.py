"""Several processes as one: torchrun, and one flat all-reduce a turn. On one process everything here does nothing.

No DistributedDataParallel: it mis-handles gradient penalties (pytorch#63929, #63812), and silently so in places. One
all-reduce after any number of backward passes is right by construction, and costs the same at this size.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Sequence

import torch
import torch.distributed as td
from torch import Tensor, nn

from sparring.engine.errors import SparringError, UsageError


def init() -> None:
    """Join the group that torchrun made, if it made one."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not td.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        td.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")


def check_single_process() -> None:
    """Raise UsageError where torchrun made several processes, for work that only one can do."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("this command works on one process: give it without torchrun")


def shutdown() -> None:
    """Leave the group, and with it the process: all at once, when the last one has done its work.

    By `os._exit`: at the interpreter's own end a thread of gloo now and then aborts the process ("terminate called
    without an active exception", torch 2.13), and torchrun then calls a training failed that is whole.
    """
    if td.is_initialized():
        barrier()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def rank() -> int:
    """This process's number, 0 for the one that writes and speaks."""
    return td.get_rank() if td.is_initialized() else 0


def world_size() -> int:
    """How many processes play together."""
    return td.get_world_size() if td.is_initialized() else 1


def barrier() -> None:
    """Hold until all processes are here."""
    if world_size() > 1:
        td.barrier()


def average_(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its mean over the processes: one flat all-reduce."""
    if world_size() == 1 or not tensors:
        return
    flat = torch.cat([t.reshape(-1).to(torch.promote_types(t.dtype, torch.float32)) for t in tensors])
    td.all_reduce(flat)
    flat /= world_size()
    for t, mean in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
        t.copy_(mean.view(t.shape))


@torch.no_grad()
def average_gradients(net: nn.Module, others: Iterable[nn.Module] = (), told: Iterable[Tensor] = ()) -> None:
    """Average the gradients of `net` over the processes, and with them the buffers (batch statistics) of all nets.

    Also what was `told`, losses and the like: every process then sees one loss, and a line search goes one way.
    A parameter without a gradient counts as zero, so that a lazy penalty may leave some out.
    """
    if world_size() == 1:
        return
    for p in net.parameters():
        if p.requires_grad and p.grad is None:
            p.grad = torch.zeros_like(p)
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    nets = {id(n): n for n in [net, *others]}.values()
    average_([*gradients, *(b for n in nets for b in n.buffers() if b.is_floating_point()), *told])


def any_true(flag: bool) -> bool:
    """True on all processes if `flag` is true on one of them."""
    if world_size() == 1:
        return flag
    total = torch.tensor(float(flag))
    td.all_reduce(total)
    return bool(total)


def broadcast(number: int) -> int:
    """The number that process 0 has."""
    if world_size() == 1:
        return number
    box = [number]
    td.broadcast_object_list(box, src=0)
    return box[0]


def check_in_sync(nets: Iterable[tuple[str, nn.Module]]) -> None:
    """Raise unless every process holds the same bits in every weight and buffer."""
    if world_size() == 1:
        return
    mine = {
        f"{player}.{name}": hashlib.blake2b(_bytes(tensor), digest_size=8).hexdigest()
        for player, net in nets
        for name, tensor in net.state_dict().items()
    }
    everyone: list[dict[str, str]] = [{} for _ in range(world_size())]
    td.all_gather_object(everyone, mine)
    apart = [name for name in mine if len({each[name] for each in everyone}) > 1]
    if apart:
        raise SparringError(
            f"the {world_size()} processes have drifted apart: {len(apart)} tensors differ, first {apart[0]}"
        )


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
