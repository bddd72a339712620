"""R3's game on tables: relativistic pairs with R1 and R2 (`recipes/generators/r3.py`) on codes of the columns.

Differences to CTGAN (Xu et al. 2019, "Modeling tabular data using conditional GAN"):

- Numbers are ranks, with the commonest values and gaps as choices of their own (CTGAN: a mixture of Gaussians).
- The generator's choices are hard, as those of real rows are (CTGAN: soft ones, by whose entropy they are recognised).
- Each column begins with its marginal distribution, so the game has only the dependences to learn.
- Neither network has dropout or batch normalisation, and the penalties are those of r3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sparring.data.in_memory import IndexedDataset
from sparring.data.tables.codes import MAX_CODES, ColumnCodes, cells_of, learn_codes
from sparring.engine.data_spec import TableSpec
from sparring.engine.device import Hardware
from sparring.engine.errors import UsageError
from sparring.engine.loop import System
from sparring.engine.schedules import cosine
from sparring.engine.seeds import mix
from sparring.games.gan import GAN
from sparring.games.objectives import OBJECTIVES
from sparring.games.penalties import r1, r2
from sparring.nets.table_gan import BETWEEN, COMMON, GAP, NEVER, TableCode, TableDiscriminator, TableGenerator
from sparring.recipes.generators.forests import fit_judge, word_order
from sparring.recipes.recipe import Unconditional, adams, check_positive, check_range, ema_of, tunable

COMMON_SHARE = 0.05
"""Proportion of the rows from which a number is a choice of its own."""
MOST_ROWS = 100_000
"""Training rows from which codes are learnt, at most."""
LEAST_ROWS, LAST_ROWS = 40, 50_000
"""Fewest training rows with a last adversary, and those that it sees at most."""
LAST_STREAM = 52
"""Number of its stream of random numbers."""
CHUNK = 512
"""Rows that are generated at a time for it."""
CODES = 2 * MAX_CODES
"""Codes of a column of numbers, at most."""


@dataclass(frozen=True, kw_only=True)
class TabularR3(Unconditional):
    """R3's game on tables."""

    name: ClassVar[str] = "tabular_r3"
    paper: ClassVar[str] = "Huang et al. 2024, arXiv:2501.05441"
    kinds: ClassVar[tuple[str, ...]] = ("table",)
    reads_whole: ClassVar[bool] = True
    labels: ClassVar[bool] = True
    mirror: ClassVar[bool] = False

    width: int = 256
    """Features of the hidden layers of both networks."""
    layers: int = 2
    """Residual blocks of two layers in both networks."""
    latent_dim: int = 64
    """Dimension of the noise that goes through the generator's network."""
    batch_size: int = 512
    """Rows per round, over all processes."""
    accumulation_steps: int = 1
    """Micro-batches per batch and process, to save memory."""
    lr: float = tunable(1e-3, 1e-4, 1e-2, log=True)
    """Adam's initial learning rate of both players."""
    lr_end: float = tunable(1e-4, 1e-5, 1e-3, log=True)
    """Adam's final learning rate."""
    beta2: float = tunable(0.99, 0.9, 0.999)
    """Adam's decay of the second moment (beta1 is 0)."""
    gamma: float = tunable(0.1, 0.001, 10.0, log=True)
    """Initial weight of R1 and R2."""
    gamma_end: float | None = None
    """Final weight of R1 and R2. None: a third of gamma."""
    penalty_interval: int = 1
    """Rounds between uses of R1 and R2, which are multiplied by this number."""
    ema_half_life: float = tunable(0.08, 0.002, 0.2, log=True)
    """Half-life of the generator's EMA, as a fraction of the run."""
    candidates: int = 5
    """Rows from which a last adversary, of boosted trees, selects each sample; 1: no last adversary."""

    def __post_init__(self) -> None:
        check_positive(
            self, "width", "layers", "latent_dim", "batch_size", "accumulation_steps", "lr", "lr_end", "gamma",
            "penalty_interval", "ema_half_life", "candidates",
        )  # fmt: skip
        check_range(self, 0, 1, "beta2")
        check_range(self, 0, math.inf, "gamma_end")

    def resolve(self, spec: TableSpec, hardware: Hardware) -> Self:
        """Return the recipe itself; raise UsageError where it cannot be trained."""
        if not spec.is_whole:
            raise UsageError("tabular_r3 generates tables that are read whole: take `sparring train`")
        if hardware.device.type == "mps":  # values of cells are float64
            raise UsageError("tabular_r3 needs float64, which mps lacks: add --device cpu")
        if self.candidates > 1 and find_spec("sklearn") is None:
            raise UsageError(
                "the last adversary of tabular_r3 needs scikit-learn: pip install 'sparring[tables]', or --candidates 1"
            )
        return self

    def nets(self, spec: TableSpec) -> dict[str, nn.Module]:
        """Return fresh networks, by player."""
        columns = [spec.columns[k] for k in spec.learnt]
        generator, discriminator = (TableCode(columns, *spec.shape, CODES) for _ in range(2))
        return {
            "generator": TableGenerator(generator, self.latent_dim, self.width, self.layers, self.candidates),
            "discriminator": TableDiscriminator(discriminator, self.width, self.layers),
        }

    def fit_parts(self, nets: Mapping[str, nn.Module], data: IndexedDataset) -> None:
        """Fit the codes of both networks to the training rows, MOST_ROWS at most."""
        idx = np.random.default_rng(0).permutation(len(data))[:MOST_ROWS]
        generator, discriminator = nets["generator"], nets["discriminator"]
        if not isinstance(generator, TableGenerator) or not isinstance(discriminator, TableDiscriminator):
            raise UsageError("tabular_r3 takes no other networks: leave `nets` out")
        fit_code(generator.code, data.spec, data[np.sort(idx)])
        discriminator.code.load_state_dict(generator.code.state_dict())

    def fit_last(self, generator: nn.Module, data: IndexedDataset, seed: int) -> None:
        """Fit the last adversary to training rows and as many generated ones; few rows have none."""
        assert isinstance(generator, TableGenerator)
        if self.candidates == 1 or len(data) < LEAST_ROWS:
            return
        device = next(generator.parameters()).device
        idx = np.random.default_rng([seed, LAST_STREAM]).permutation(len(data))[:LAST_ROWS]
        noise = torch.Generator().manual_seed(mix(seed, LAST_STREAM, 0))
        sizes = [min(CHUNK, len(idx) - first) for first in range(0, len(idx), CHUNK)]
        with torch.no_grad():
            fake = [generator(torch.randn(size, generator.latent_dim, generator=noise).to(device)) for size in sizes]
            rows = torch.from_numpy(data[np.sort(idx)]).to(device), torch.cat(fake)
            real_ranks, fake_ranks = (generator.code.ranks(x).cpu().numpy() for x in rows)
        fit_judge(real_ranks, fake_ranks, seed, generator.judge)
        generator.judge.to(device)

    def system(self, spec: TableSpec, nets: Mapping[str, nn.Module], total: int) -> System:
        """Return the game with optimizers and schedules."""
        gamma = cosine(self.gamma, self.gamma / 3 if self.gamma_end is None else self.gamma_end)
        generator = nets["generator"]
        assert isinstance(generator, TableGenerator)
        game = GAN(
            generator,
            nets["discriminator"],
            OBJECTIVES["relativistic"],
            latent_dim=generator.row_noise,
            penalties=[penalty(gamma, self.penalty_interval) for penalty in (r1, r2)],
        )
        schedules = {"lr": cosine(self.lr, self.lr_end)}
        ema = ema_of(generator, total, half_life=self.ema_half_life, ramp=self.ema_half_life)
        return System(game, adams(nets, self.lr, 0.0, self.beta2), ema, dict.fromkeys(nets, schedules))


def fit_code(code: TableCode, spec: TableSpec, rows: NDArray[np.float32]) -> None:
    """Write codes, common values, shares and ranks of stored rows `[N, F]` into `code`."""
    cells = cells_of(spec, rows)
    every = learn_codes(spec, cells)
    learnt = sorted(spec.learnt, key=lambda k: not every[k].is_word)  # the order of the choices of a code
    codes = [every[k] for k in learnt]
    encoded = np.stack([each.encode(cells[:, k]) for k, each in zip(learnt, codes, strict=True)], 1)
    shares, first = list[NDArray[np.float64]](), 0
    for j, each in enumerate(codes):
        share = np.bincount(encoded[:, j], minlength=len(each)) / len(cells)
        if each.is_word:
            if (rare := code.rare[j]) is not None and share[rare] < 1:
                share[rare] = 0
                share /= share.sum()
            order = torch.from_numpy(word_order(encoded, j))
            code.word_rank[first : first + len(order)] = order
            first += len(each)
        else:
            share = _fit_number(code, j - len(code.words), each, share)
        shares.append(share)
    share = np.concatenate(shares)
    logs = np.where(share > 0, np.log(np.maximum(share, 1 / (10 * len(cells)))), NEVER)
    code.log_share.copy_(torch.from_numpy(logs))


def _fit_number(
    code: TableCode, n: int, codes: ColumnCodes, counts: NDArray[np.float64]
) -> NDArray[np.float64]:  # fmt: skip
    """Write the codes of number `n`, whose proportions are `counts`; return the proportion of each choice."""
    there = ~np.isnan(codes.low)
    low, high, masses = codes.low[there], codes.high[there], counts[: there.sum()]
    common = np.flatnonzero((low == high) & (masses >= COMMON_SHARE))
    common = common[np.argsort(-masses[common], kind="stable")][:COMMON]
    between = masses.copy()
    between[common] = 0
    total = between.sum()
    shares = np.zeros(2 + COMMON)
    shares[[BETWEEN, GAP]] = total, counts[there.sum() :].sum()
    shares[2 : 2 + len(common)] = masses[common]
    code.low[n, : len(low)], code.high[n, : len(low)] = torch.from_numpy(low), torch.from_numpy(high)
    code.scale[n] = round(1 / codes.step) if codes.step else 0
    code.common[n, : len(common)] = torch.from_numpy(common)
    if total > 0:
        edges = 2 * np.concatenate([[0], between.cumsum()]) / total - 1
        code.edges[n, : len(edges)] = torch.from_numpy(edges)
    return shares
