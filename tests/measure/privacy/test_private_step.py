"""The audits pass the real step of DP-SGD, and each of seven planted bugs is caught by one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import sparring
from sparring.data.in_memory import InMemoryDataset
from sparring.engine.game import Batch, Stats
from sparring.games import private_sgd
from sparring.games.private_sgd import PrivateSGD
from sparring.measure.privacy.invariants import inputs_are_independent, sampling_audit, sensitivity
from sparring.measure.privacy.step_audit import FixedRows, StepAudit, audit_step, releases, step_audit
from sparring.privacy import clipping, poisson
from sparring.privacy.clipping import check_rows_are_independent
from sparring.privacy.poisson import PoissonBatches
from sparring.privacy.secret import SecretNoise
from sparring.recipes.supervised.scattering import row_loss

NOISE, CLIP, TRIALS = 1.25, 0.5, 500
SECRET = SecretNoise(b"test" * 8)


def game(net: nn.Module | None = None) -> PrivateSGD:
    torch.manual_seed(0)
    net = net or nn.Linear(6, 3)
    return PrivateSGD(net, net, row_loss, CLIP, ghost=not any(isinstance(m, nn.BatchNorm1d) for m in net.modules()))


def rows(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 6, generator=generator), torch.arange(count) % 3


WORST = 30 * torch.ones(1, 6), torch.tensor([2])


def audit(count: int = 4, parts: int = 1, trials: int = TRIALS) -> StepAudit:
    return audit_step(game(), rows(count), WORST, NOISE, trials=trials, parts=parts)


def numbered(count: int, last: int = 0) -> InMemoryDataset:
    """Rows whose labels are their numbers."""
    values = np.random.default_rng(0).integers(0, 200, (count, 1, 1, 4)).astype(np.uint8)
    values[-1] += np.uint8(last)
    return InMemoryDataset(values, np.arange(count), sparring.ImageSpec(1, 1, 4, count=count), None)


def sampled(data: InMemoryDataset | None = None, batch: int = 10) -> PoissonBatches:
    return PoissonBatches(data or numbered(40), batch, SECRET)


# the real code


@pytest.mark.parametrize(("count", "parts"), [(4, 1), (4, 2), (0, 1)])
def test_the_step_hides_a_row_as_in_theory(count: int, parts: int) -> None:
    result = audit(count, parts)
    assert result.passes and not result.breaks_guarantee, result.message
    assert result.mu.low > 0.3, "the audit has no power"
    assert "as in theory" in result.message and 0 < result.epsilon(1e-5) < 5


@pytest.mark.slow
def test_the_step_hides_a_row_as_in_theory_in_ten_thousand_runs() -> None:
    result = audit(trials=10_000)
    assert result.passes, result.message
    assert result.mu.high - result.mu.low < 0.15


def test_sensitivity_sampling_and_inputs() -> None:
    x, y = rows(12)
    assert sensitivity(game(), torch.cat([x, WORST[0]]), torch.cat([y, WORST[1]])) == pytest.approx(1, abs=1e-3)
    assert sampling_audit(sampled(), 400, 40, 0.25).passes
    assert inputs_are_independent(sampled(), sampled(numbered(40, 55)), 39)


def test_releases_are_noise_alone_on_an_empty_batch() -> None:
    drawn = releases(game(), FixedRows(torch.zeros(0, 6), torch.zeros(0, dtype=torch.int64), 8), NOISE, 500, SECRET)
    assert float(drawn.std()) == pytest.approx(NOISE * CLIP / 8, rel=0.03)
    assert not torch.equal(drawn[0], drawn[1])


def test_one_step_is_the_sum_of_clipped_gradients_over_the_expected_rows() -> None:
    x, y = rows(5)
    released = releases(game(), FixedRows(x, y, 8), 0.0, 1, SECRET)[0]
    loss = clipping.clipped_sum(learner := game().learner, row_loss, x, y, CLIP)
    gradients = torch.autograd.grad(loss, list(learner.parameters()))
    torch.testing.assert_close(released, torch.cat([g.flatten() for g in gradients]) / 8)


# seven planted bugs


def test_missing_clip_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clipping, "clip_factors", lambda norms, clip: torch.ones_like(norms))
    assert audit(trials=100).breaks_guarantee
    assert sensitivity(game(), *WORST) > 10


def test_half_of_the_noise_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    normal = SecretNoise.normal
    monkeypatch.setattr(SecretNoise, "normal", lambda self, *given: normal(self, *given) / 2)
    assert audit(trials=200).breaks_guarantee


def test_shuffling_instead_of_poisson_samples_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def shuffled(self: PoissonBatches, nimg: int, turn: int) -> Sequence[Batch]:
        epoch, place = divmod(nimg, len(self.data))
        order = np.random.default_rng(epoch).permutation(len(self.data))[place : place + self.batch_size]
        return [Batch(torch.zeros(len(order), 1), torch.from_numpy(self.data.labels[order]))]

    monkeypatch.setattr(PoissonBatches, "batches", shuffled)
    result = sampling_audit(sampled(), 400, 40, 0.25)
    assert not result.passes and result.size_p < 1e-6 and result.count_p < 1e-6


def test_batch_norm_is_caught() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 3))
    with pytest.raises(sparring.UsageError, match="BatchNorm1d"):
        check_rows_are_independent(net, (6,))

    def mixed(forward: Any, x: Tensor, y: Tensor) -> Tensor:  # and where that check is bypassed
        return row_loss(lambda rows: net[1](net[0](rows)), x, y)

    player = PrivateSGD(net, net[1], mixed, CLIP, ghost=True)
    x, y = rows(6)
    assert sensitivity(player, torch.cat([x, WORST[0]]), torch.cat([y, WORST[1]])) > 1.05


def test_bounds_from_the_data_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def scaled(self: PoissonBatches, place: np.ndarray, idx: np.ndarray) -> Tensor:
        every = self.data[np.arange(len(self.data))].astype(np.float32)
        return torch.from_numpy((self.data[idx] - every.min()) / (every.max() - every.min()))

    monkeypatch.setattr(poisson.PoissonBatches, "_inputs", scaled)
    assert not inputs_are_independent(sampled(), sampled(numbered(40, 55)), 39)


def test_skipped_empty_batches_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    normal = SecretNoise.normal
    played = {"rows": 0}
    loss = PrivateSGD.loss

    def counted(self: PrivateSGD, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        played["rows"] = len(batch.x)
        return loss(self, player, batch, at)

    monkeypatch.setattr(PrivateSGD, "loss", counted)
    monkeypatch.setattr(SecretNoise, "normal", lambda self, *given: normal(self, *given) * (played["rows"] > 0))
    assert audit(0, trials=200).breaks_guarantee
    assert audit(4, trials=200).passes  # only the audit of empty batches sees it


def test_noise_for_each_micro_batch_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    add_noise = private_sgd.add_noise
    loss = PrivateSGD.loss

    def noisy(self: PrivateSGD, player: str, batch: Batch, at: float) -> tuple[Tensor, Stats]:
        value, stats = loss(self, player, batch, at)
        for k, p in enumerate(self.learner.parameters()):
            drawn = SECRET.normal(tuple(p.shape), "micro", batch.step, self.parts, k, str(batch.x.sum().item()))
            value = value + (p * torch.from_numpy(drawn).float() * NOISE * CLIP).sum()
        return value, stats

    def silent(optimizer: Any, player: PrivateSGD, noise: float, *given: Any) -> None:
        add_noise(optimizer, player, 0.0, *given)

    monkeypatch.setattr(PrivateSGD, "loss", noisy)
    monkeypatch.setattr("sparring.measure.privacy.step_audit.add_noise", silent)
    monkeypatch.setattr("sparring.measure.privacy.step_audit.clipped_gradient_sum", _silent_sum)
    result = audit(parts=4, trials=400)
    assert not result.passes and not result.breaks_guarantee, result.message  # more noise than is accounted for


def _silent_sum(player: PrivateSGD, x: Tensor, y: Tensor) -> Tensor:
    loss = clipping.clipped_sum(player.learner, player.row_loss, x, y, player.clip)
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(player.learner.parameters()))])


# the audit itself


def test_a_row_with_a_short_gradient_is_refused() -> None:
    learnt = WORST[0], game().learner(WORST[0]).argmax(1)
    with pytest.raises(ValueError, match="below the clip"):
        audit_step(game(), rows(2), learnt, NOISE, trials=1)


def test_limits_cover_the_true_distance() -> None:
    rng = np.random.default_rng(0)
    results = [step_audit(rng.normal(0, 1.5, 300), rng.normal(1, 1.5, 300), 1.5) for _ in range(200)]
    assert np.mean([result.passes for result in results]) >= 0.95
    assert np.mean([result.breaks_guarantee for result in results]) <= 0.025
