"""Data parallelism under torchrun by one flat all-reduce per turn. On a single process these functions do nothing.

DistributedDataParallel is not used, since it handles gradient penalties wrongly, in places silently (pytorch#63929,
#63812). One all-reduce after any number of backward passes is correct and costs the same for networks of this size.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as td
from torch import Tensor, nn

from sparring.engine.errors import SparringError, UsageError

T = TypeVar("T")


def init() -> None:
    """Initialise the process group, if torchrun started several processes."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not td.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        td.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")


def check_single_process() -> None:
    """Raise UsageError if torchrun started several processes, for commands that run on one."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("this command runs on one process: start it without torchrun")


def shutdown() -> None:
    """Wait for all processes, then exit this one with code 0. Does nothing without a process group.

    It calls `os._exit`: at the interpreter's normal exit a gloo thread sometimes aborts the process ("terminate called
    without an active exception", torch 2.13), and torchrun then reports a complete training as failed.
    """
    if td.is_initialized():
        barrier()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def rank() -> int:
    """Return this process's rank. Rank 0 writes files and logs."""
    return td.get_rank() if td.is_initialized() else 0


def world_size() -> int:
    """Return the number of processes."""
    return td.get_world_size() if td.is_initialized() else 1


def barrier() -> None:
    """Wait until all processes reach this call."""
    if world_size() > 1:
        td.barrier()


@contextmanager
def first_process_first() -> Iterator[None]:
    """Run the block on process 0, then on the others: they find the files that it wrote."""
    if rank() != 0:
        barrier()
    try:
        yield
    finally:
        if rank() == 0:
            barrier()


def shared(compute: Callable[[int], T], count: int) -> list[T]:
    """Return `compute(0)` to `compute(count - 1)` on all processes; process r computes r, r + world size, and so on.

    Results are pickled where there are several processes: tensors should be on the CPU.
    """
    own = [compute(number) for number in range(rank(), count, world_size())]
    if world_size() == 1:
        return own
    of_rank: list[list[T]] = [[] for _ in range(world_size())]
    td.all_gather_object(of_rank, own)
    return [of_rank[number % world_size()][number // world_size()] for number in range(count)]


def average_(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its mean over the processes, with one flat all-reduce."""
    if world_size() == 1 or not tensors:
        return
    flat = torch.cat([t.reshape(-1).to(torch.promote_types(t.dtype, torch.float32)) for t in tensors])
    td.all_reduce(flat)
    flat /= world_size()
    for t, mean in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
        t.copy_(mean.view(t.shape))


@torch.no_grad()
def average_gradients(net: nn.Module, others: Iterable[nn.Module] = (), stats: Iterable[Tensor] = ()) -> None:
    """Average over the processes: the gradients of `net`, the float buffers of all nets, and the scalars `stats`.

    Averaged losses make a line search take the same steps on every process. A parameter without a gradient counts as
    zero, since a lazy penalty may leave some out.
    """
    if world_size() == 1:
        return
    for p in net.parameters():
        if p.requires_grad and p.grad is None:
            p.grad = torch.zeros_like(p)
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    nets = {id(n): n for n in [net, *others]}.values()
    average_([*gradients, *(b for n in nets for b in n.buffers() if b.is_floating_point()), *stats])


def any_true(flag: bool) -> bool:
    """Return True on all processes if `flag` is true on at least one."""
    if world_size() == 1:
        return flag
    total = torch.tensor(float(flag))
    td.all_reduce(total)
    return bool(total)


def broadcast(number: int) -> int:
    """Return the number that rank 0 passed."""
    if world_size() == 1:
        return number
    box = [number]
    td.broadcast_object_list(box, src=0)
    return box[0]


def check_in_sync(nets: Iterable[tuple[str, nn.Module]]) -> None:
    """Raise SparringError unless all weights and buffers are bit-identical on all processes."""
    if world_size() == 1:
        return
    local = {
        f"{player}.{name}": hashlib.blake2b(_bytes(tensor), digest_size=8).hexdigest()
        for player, net in nets
        for name, tensor in net.state_dict().items()
    }
    gathered: list[dict[str, str]] = [{} for _ in range(world_size())]
    td.all_gather_object(gathered, local)
    differing = [name for name in local if len({digests[name] for digests in gathered}) > 1]
    if differing:
        raise SparringError(
            f"the {world_size()} processes are out of sync: {len(differing)} tensors differ, e.g. {differing[0]}"
        )


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
