"""A generator and a discriminator of table rows, which play on codes of the columns.

A word is one of the choices of its column. A number is a gap, one of the column's commonest values, or a rank between
these: its position. Real and generated rows are coded alike, so that the discriminator sees one-hot choices and
positions on one grid from both. The generator's gradient passes both roundings straight through (Bengio et al. 2013,
"Estimating or propagating gradients through stochastic neurons", section 4), and choices are drawn by Gumbel noise
(Jang et al. 2017, "Categorical reparameterization with Gumbel-softmax", Eq. 1 and 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, one_hot, relu, softplus

from sparring.engine.data_spec import Column
from sparring.engine.table_form import RARE
from sparring.nets.layers import Head
from sparring.nets.tree_odds import TreeOdds

COMMON = 8
"""Values of a column of numbers that are choices of their own, at most."""
BETWEEN, GAP = 0, 1
"""Choices of a column of numbers before those values: a rank between them, and a missing value."""
FREQUENCIES = 8
"""Cosines of a position that the discriminator sees; the amplitude of the k-th is 1 / k."""
TEMPERATURE = 0.5
"""Of the softmax through which the gradient of a choice passes."""
FAR = 1e300
"""Values of codes that do not exist."""
NEVER = -1e4
"""Logit of a choice that does not exist."""
SLOPE = 0.2
BRANCH_SCALE = 0.1
"""Factor on the initial weights of the last layer of a residual branch, and of the generator's last layer."""
EPS = 1e-6


class TableCode(nn.Module):
    """Rows `[B, F]` <-> choices `[B, M]`, one-hot within each column, and positions `[B, N]` in (-1, 1) of N numbers.

    Code k of number n holds the values from `low[n, k]` to `high[n, k]`, `scale[n]` values a unit (0: all real
    numbers), and the positions from `edges[n, k]` to `edges[n, k + 1]`. Common values have codes without positions.
    `log_share` is the log of the proportion of each choice among the training rows, `word_rank` the place of each word
    among those of its column, by which trees cut. Rare words, for which files have no others, are replaced by the other
    words of their column, in their proportions.
    """

    low: Tensor
    high: Tensor
    edges: Tensor
    common: Tensor
    scale: Tensor
    log_share: Tensor
    word_rank: Tensor
    groups: Tensor
    slots: Tensor
    frequencies: Tensor
    multipliers: Tensor

    def __init__(self, columns: Sequence[Column], width: int, codes: int) -> None:
        super().__init__()
        self.width = width
        words = [column for column in columns if column.categories]
        self.words = [list(column.indices) for column in words]
        self.numbers = [column.indices[0] for column in columns if not column.categories]
        sizes = [*map(len, self.words), *[2 + COMMON] * len(self.numbers)]
        starts = [0, *accumulate(sizes)]
        self.of_words = [slice(*ends) for ends in pairwise(starts[: len(words) + 1])]
        self.rare = [_rare_choice(column) for column in words]
        self.choices, self.word_choices, count = starts[-1], starts[len(words)], len(self.numbers)
        size = self.choices + count * FREQUENCIES
        self.padding = int(size == width)  # rows and features differ in their width
        self.size = size + self.padding
        for name, buffer in {
            "low": torch.full((count, codes), FAR, dtype=torch.float64),
            "high": torch.full((count, codes), FAR, dtype=torch.float64),
            "edges": torch.full((count, codes + 1), 2.0),
            "common": torch.full((count, COMMON), -1),
            "scale": torch.zeros(count, dtype=torch.float64),
            "log_share": torch.zeros(self.choices),
            "word_rank": torch.zeros(self.word_choices),
        }.items():
            self.register_buffer(name, buffer)
        most = max(sizes, default=1)
        groups = torch.full((len(sizes), most), self.choices)  # the last index is padding
        for k, size in enumerate(sizes):
            groups[k, :size] = torch.arange(starts[k], starts[k + 1])
        slots = torch.tensor([k * most + j for k, size in enumerate(sizes) for j in range(size)])
        self.register_buffer("groups", groups, persistent=False)
        self.register_buffer("slots", slots, persistent=False)
        multipliers = torch.arange(2, width + 2, dtype=torch.float64).sqrt()  # a row times these has an even fraction
        self.register_buffer("multipliers", multipliers, persistent=False)
        self.register_buffer("frequencies", torch.arange(1, FREQUENCIES + 1) * math.pi / 2, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows to features: what the discriminator sees."""
        parts = self._words(x)
        code, missing = self._codes(x[:, self.numbers].T.double())
        choice = torch.where(missing, GAP, BETWEEN)
        for k in range(COMMON):
            choice = torch.where(~missing & (code == self.common[:, k : k + 1]), 2 + k, choice)
        position = torch.where(choice == BETWEEN, self._centre(code), 0).T
        parts.append(one_hot(choice.T, 2 + COMMON).flatten(1).to(x.dtype))
        return self.features(torch.cat(parts, 1), position)

    def features(self, choices: Tensor, position: Tensor) -> Tensor:
        """Return choices `[B, M]`, and cosines of the positions `[B, N]` of numbers between common values."""
        between = choices[:, self.word_choices :: 2 + COMMON]
        angles = (position[..., None] + 1) * self.frequencies
        waves = angles.cos() * (math.pi / 2 / self.frequencies) * between[..., None]
        return torch.cat([choices, waves.flatten(1), choices.new_zeros(len(choices), self.padding)], 1)

    def ranks(self, x: Tensor) -> Tensor:
        """Return rows `[B, F]` as one number a column `[B, C]`, the rank of a word or code; -1: a missing number."""
        ranks = [word @ self.word_rank[of, None] for word, of in zip(self._words(x), self.of_words, strict=True)]
        code, missing = self._codes(x[:, self.numbers].T.double())
        return torch.cat([*ranks, code.masked_fill(missing, -1).T.to(x.dtype)], 1)

    def _words(self, x: Tensor) -> list[Tensor]:
        """Return the one-hot words `[B, K]` of each column of words, others in place of rare ones.

        Which word replaces a rare one depends on the row alone, so that several processes play the game of one.
        """
        parts = [x[:, indices] for indices in self.words]
        for k, rare in enumerate(self.rare):
            if rare is not None:
                share = self.log_share[self.of_words[k]].exp().cumsum(0)
                place = (x.double().nan_to_num() @ self.multipliers).frac().abs().to(share.dtype)
                word = torch.searchsorted(share / share[-1], place).clamp(max=len(share) - 1)
                others = one_hot(word, len(share)).to(x.dtype)
                parts[k] = torch.where(parts[k][:, rare, None] > 0, others, parts[k])
        return parts

    def choose(self, logits: Tensor) -> Tensor:
        """Return the largest of the logits `[B, M]` in each column, one-hot, with the gradient of a softmax."""
        padded = torch.cat([logits, logits.new_full((len(logits), 1), -torch.inf)], 1)[:, self.groups]
        soft = (padded / TEMPERATURE).softmax(2)
        hard = one_hot(soft.argmax(2), soft.shape[2]).to(soft.dtype)
        selected = hard + soft - soft.detach()
        return selected.flatten(1)[:, self.slots]

    def snap(self, position: Tensor) -> Tensor:
        """Return the centres of the codes that hold positions `[B, N]`, with the gradient of the positions."""
        centre = self._centre(self._at(position)).T
        return centre + position - position.detach()

    def rows(self, choices: Tensor, position: Tensor) -> Tensor:
        """Return the rows `[B, F]` of one-hot choices and positions; missing numbers are NaN."""
        x, choices = choices.new_zeros(len(choices), self.width), choices.round()  # hard + soft - soft is not quite 1
        for indices, of in zip(self.words, self.of_words, strict=True):
            x[:, indices] = choices[:, of]
        if self.numbers:
            choice = choices[:, self.word_choices :].view(len(x), len(self.numbers), -1).argmax(2).T
            code = self._at(position)
            common = self.common.gather(1, (choice - 2).clamp(min=0))
            left, right = self.edges.gather(1, code), self.edges.gather(1, code + 1)
            within = ((position.T - left) / (right - left).clamp(min=EPS)).clamp(0, 1).double()
            code, within = torch.where(choice > GAP, common, code), torch.where(choice > GAP, 0.0, within)
            x[:, self.numbers] = self._values(code, within).masked_fill(choice == GAP, torch.nan).T.to(x.dtype)
        return x

    def _values(self, code: Tensor, within: Tensor) -> Tensor:
        """Return the values `[N, B]` at fractions `within` of codes."""
        low, high, scale = self.low.gather(1, code), self.high.gather(1, code), self.scale[:, None]
        steps = ((high - low) * scale).round() + 1  # values of the code, which share its positions
        stepped = ((low * scale).round() + (within * steps).floor().clamp(max=steps - 1)) / scale.clamp(min=EPS)
        return torch.where(scale > 0, stepped, torch.lerp(low, high, within))

    def _codes(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the code of each value `[N, B]`, and which are missing.

        A single value has priority over a range. Between two codes it is a range before a single value, else the nearer
        one (`ColumnCodes.encode`).
        """
        missing = values.isnan()
        values = values.nan_to_num().contiguous()
        last = ((self.low < FAR).sum(1, keepdim=True) - 1).clamp(min=0)
        code = (torch.searchsorted(self.low, values, right=True) - 1).clamp(min=0)
        above = torch.minimum(code + 1, last)
        low, high = self.low.gather(1, above), self.high.gather(1, code)
        is_range = self.low.gather(1, code) < high, low < self.high.gather(1, above)
        nearer = torch.where(is_range[0] == is_range[1], low - values < values - high, is_range[1])
        code = torch.where((values > high) & nearer, above, code)
        before = torch.searchsorted(self.low, values).clamp(max=self.low.shape[1] - 1)
        single = (self.low.gather(1, before) == values) & (self.high.gather(1, before) == values)
        return torch.where(single, before, torch.minimum(code, last)), missing

    def _at(self, position: Tensor) -> Tensor:
        """Return the codes `[N, B]` that hold positions `[B, N]`."""
        inside = position.detach().float().clamp(-1, 1 - EPS).T.contiguous()
        return (torch.searchsorted(self.edges, inside, right=True) - 1).clamp(0, self.low.shape[1] - 1)

    def _centre(self, code: Tensor) -> Tensor:
        """Return the middle of the positions of codes `[N, B]`."""
        return (self.edges.gather(1, code) + self.edges.gather(1, code + 1)) / 2


class Residual(nn.Module):
    """Features `[B, W]` -> x plus two linear layers of x, each after a rectifier; `normalised` as the generator's."""

    def __init__(self, width: int, *, normalised: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width) if normalised else nn.Identity()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        for layer, scale in ((self.first, 1.0), (self.second, BRANCH_SCALE)):
            _he_init(layer, scale)

    def forward(self, x: Tensor) -> Tensor:
        """Map features to features."""
        branch: Tensor = self.second(leaky_relu(self.first(leaky_relu(self.norm(x), SLOPE)), SLOPE))
        return x + branch


class TableGenerator(nn.Module):
    """Noise `[B, latent_dim]` -> rows `[B, F]`; in training mode `[B, row_noise]` -> their features.

    The first numbers of the noise of a row go through the network; then each choice and each number has one of its own,
    so that a network without influence draws every column from its marginal distribution. That is how training begins.

    Each row is selected from `candidates` by the odds of `judge` that it is real: sampling-importance resampling (Rubin
    1987). Without trees, which are fitted after the training, all odds are alike.
    """

    def __init__(self, code: TableCode, noise: int, width: int, layers: int, candidates: int = 1) -> None:
        super().__init__()
        self.code, self.noise, self.candidates = code, noise, candidates
        numbers = len(code.numbers)
        self.row_noise = noise + code.choices + numbers
        self.latent_dim = candidates * self.row_noise + (candidates > 1)
        self.first = nn.Linear(noise, width)
        self.layers = nn.Sequential(*(Residual(width, normalised=True) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), Head(width, code.choices + 2 * numbers)
        self.judge = TreeOdds()
        with torch.no_grad():
            self.head.weight.mul_(BRANCH_SCALE)
            self.head.bias.zero_()

    def forward(self, z: Tensor) -> Tensor:
        """Map noise to rows."""
        if self.training:
            choices, position = self._draw(z)
            return self.code.features(choices, self.code.snap(position))
        rows = self.code.rows(*self._draw(z[:, : self.candidates * self.row_noise].reshape(-1, self.row_noise)))
        if self.candidates == 1:
            return rows
        return rows[self.judge.select(self.code.ranks(rows), torch.special.ndtr(z[:, -1:].double()))]

    def _draw(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return choices `[B, M]` and positions `[B, N]` of the noise of rows."""
        noise, own_choice, own_number = z.split([self.noise, self.code.choices, len(self.code.numbers)], 1)  # type: ignore[no-untyped-call]
        out = self.head(relu(self.norm(self.layers(self.first(noise)))))
        logits, mean, spread = out.split([self.code.choices, own_number.shape[1], own_number.shape[1]], 1)
        uniform = torch.special.ndtr(own_choice.float()).clamp(EPS, 1 - EPS)
        choices = self.code.choose(self.code.log_share + logits - (-uniform.log()).log())
        position = torch.erf((mean + softplus(spread) / math.log(2) * own_number.float()) / math.sqrt(2))
        return choices, position


class TableDiscriminator(nn.Module):
    """Rows `[B, F]`, or their features, -> logits `[B]`, positive for real; no normalisation."""

    def __init__(self, code: TableCode, width: int, layers: int) -> None:
        super().__init__()
        self.code = code
        self.first = nn.Linear(code.size, width)
        _he_init(self.first)
        self.layers = nn.Sequential(*(Residual(width, normalised=False) for _ in range(layers)))
        self.head = Head(width, 1)

    def represent(self, x: Tensor) -> Tensor:
        """Map rows to the form that the generator makes in training mode."""
        features: Tensor = self.code(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Map rows to logits."""
        if x.shape[1] != self.code.size:
            x = self.represent(x)
        logits: Tensor = self.head(leaky_relu(self.layers(self.first(x)), SLOPE))
        return logits[:, 0]


def _he_init(layer: nn.Linear, scale: float = 1.0) -> None:
    """Initialise a layer for leaky rectifiers (He et al. 2015, Eq. 15), times `scale`."""
    nn.init.kaiming_normal_(layer.weight, SLOPE)
    with torch.no_grad():
        layer.weight.mul_(scale)
    nn.init.zeros_(layer.bias)


def _rare_choice(column: Column) -> int | None:
    """Return the position of rare words among the words of a column, where files have no others for them."""
    is_refilled = column.form is not None and column.form.refill
    return column.categories.index(RARE) if RARE in column.categories and not is_refilled else None
