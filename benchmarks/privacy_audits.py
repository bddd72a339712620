"""Audits of the private classifier: of 10,000 real steps, from one run, and by membership attacks.

    python benchmarks/privacy_audits.py [--trials 10000] [--canaries 1000] [--shadows 16]

The one-run audit adds canaries to MNIST's features: each is a row with a weight of its own, so that its clipped
gradient is a unit vector, the worst that a row can be. It is repeated on a run without noise and on one with a tenth of
it: that it shows these is its power. Membership: LiRA on 2,000 rows, private and without privacy.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from record import data_folder, save
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

DELTA, EPSILON = 1e-5, 3.0
ROWS, STEPS, BATCH = 6_000, 150, 600
LIRA_ROWS = 2_000


class WithCanaries(nn.Module):
    """A linear classifier, and a weight for each canary: rows are features, then the number of a canary or -1."""

    def __init__(self, features: int, classes: int, canaries: int) -> None:
        super().__init__()
        self.head, self.canaries = nn.Linear(features, classes), nn.Linear(canaries, 1, bias=False)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        nn.init.zeros_(self.canaries.weight)

    def forward(self, x: Tensor) -> Tensor:
        marks = torch.nn.functional.one_hot(x[:, -1].long() + 1, self.canaries.in_features + 1)[:, 1:].float()
        return torch.cat([self.head(x[:, :-1]), self.canaries(marks)], 1)


def with_canaries_loss(forward: Any, x: Tensor, y: Tensor) -> Tensor:
    """Cross entropy of ordinary rows; the gradient of a canary is long, and along its own weight alone."""
    out = forward(x)
    ordinary = cross_entropy(out[:, :-1], y, reduction="none")
    return torch.where(x[:, -1] >= 0, -100 * out[:, -1], ordinary)


class Sampled:
    """Poisson samples of rows in memory, by a key."""

    def __init__(self, x: Tensor, y: Tensor, batch_size: int, key: bytes) -> None:
        from sparring.privacy.secret import SecretNoise

        self.x, self.y, self.batch_size, self._secret = x, y, batch_size, SecretNoise(key)

    def batches(self, nimg: int, turn: int) -> list[Any]:
        from sparring.engine.game import Batch

        chance = self._secret.uniform((len(self.x),), "sample", nimg // self.batch_size)
        idx = torch.from_numpy(np.flatnonzero(chance < self.batch_size / len(self.x)))
        return [Batch(self.x[idx], self.y[idx], nimg // self.batch_size)]


def trained(net: nn.Module, loss: Any, source: Sampled, noise: float, key: bytes, steps: int = STEPS) -> nn.Module:
    """The network after `steps` steps of the real loop."""
    import sparring
    from sparring.engine.ema import EMA
    from sparring.engine.loop import System, play
    from sparring.games.private_sgd import PrivateSGD, add_noise
    from sparring.privacy.secret import SecretNoise

    game = PrivateSGD(net, net, loss, 0.1, ghost=True)
    optimizer = torch.optim.SGD(net.parameters(), 8.0, 0.9)
    add_noise(optimizer, game, noise, source.batch_size, SecretNoise(key))
    system = System(game, {"classifier": optimizer}, EMA(nn.Linear(1, 1), lambda at: 1.0))
    hardware = sparring.Hardware(torch.device("cpu"), bf16=False)
    play(system, source, total=steps * source.batch_size, hardware=hardware)
    return net


def features(count: int) -> tuple[Tensor, Tensor]:
    import sparring

    data = sparring.open("mnist").split("train")
    net = sparring.ScatteringRecipe().nets(data.spec)["classifier"]
    idx = np.random.default_rng(0).permutation(len(data))[:count]
    with torch.no_grad():
        parts = [net.features(data.spec.encode(data[part])) for part in np.array_split(idx, -(-count // 500))]
    return torch.cat(parts), torch.from_numpy(data.labels[idx])


def step_audits(trials: int) -> dict[str, Any]:
    from sparring.games.private_sgd import PrivateSGD
    from sparring.measure.privacy.step_audit import audit_step
    from sparring.recipes.supervised.scattering import row_loss

    torch.manual_seed(0)
    out = {}
    for name, rows in (("four rows", 4), ("empty", 0)):
        for noise in (0.8, 2.0):
            net = nn.Linear(6, 3)
            game = PrivateSGD(net, net, row_loss, 0.5, ghost=True)
            x = 30 * torch.ones(1, 6)
            worst = x, net(x).argmin(1)
            base = torch.randn(rows, 6), torch.arange(rows) % 3
            audit = audit_step(game, base, worst, noise, trials=trials)
            out[f"{name}, noise {noise:g}"] = {
                "mu": audit.mu.to_json(), "promised": audit.expected, "passes": audit.passes, "steps": trials,
                "epsilon_shown": audit.epsilon(DELTA),
            }  # fmt: skip
            print(name, noise, audit.message, flush=True)
    return out


def one_run(x: Tensor, y: Tensor, canaries: int) -> dict[str, Any]:
    from sparring.measure.privacy.one_run import expected_bound, one_run_audit
    from sparring.privacy.accountant import sgd_epsilon, sgd_noise

    noise = sgd_noise(EPSILON, DELTA, BATCH / ROWS, STEPS)
    entered = np.random.default_rng(1).random(canaries) < 0.5
    guesses = canaries // 4  # fixed before any score
    rows = torch.cat([x, torch.full((len(x), 1), -1.0)], 1)
    marks = torch.zeros(int(entered.sum()), rows.shape[1])
    marks[:, -1] = torch.from_numpy(np.flatnonzero(entered)).float()
    both = torch.cat([rows[: ROWS - len(marks)], marks]), torch.cat([y[: ROWS - len(marks)], y[: len(marks)]])
    out: dict[str, Any] = {}
    for name, factor in (("as promised", 1.0), ("a tenth of the noise", 0.1), ("no noise", 0.0)):
        net = WithCanaries(x.shape[1], 10, canaries)
        trained(net, with_canaries_loss, Sampled(*both, BATCH, name.encode()), factor * noise, name.encode())
        scores = net.canaries.weight.detach().double().numpy()[0]
        audit = one_run_audit(scores, entered, guesses, DELTA)
        actual = sgd_epsilon(BATCH / ROWS, factor * noise, STEPS, DELTA) if factor else float("inf")
        out[name] = {
            "epsilon": actual if factor else None, "shown": audit.epsilon, "right": audit.right, "guesses": guesses,
            "canaries": canaries, "ceiling": audit.ceiling, "message": audit.message(EPSILON),
            "optimal_attack_would_show": expected_bound(canaries, guesses, min(actual, 50.0), DELTA),
        }  # fmt: skip
        print(name, audit.message(EPSILON), flush=True)
    return out


def lira(x: Tensor, y: Tensor, shadows: int) -> dict[str, Any]:
    from sparring.measure.privacy.membership import lira_scores, logit_confidence, membership_result
    from sparring.privacy.accountant import sgd_noise
    from sparring.recipes.supervised.scattering import row_loss

    noise = sgd_noise(EPSILON, DELTA, 0.1, STEPS)
    rng = np.random.default_rng(2)
    x, y = x[: 2 * LIRA_ROWS], y[: 2 * LIRA_ROWS]
    # half of the rows in each training; the last half of all rows are never in the target's: for its thresholds
    entered = rng.permuted(np.arange(shadows)[:, None] % 2 == np.zeros((1, len(x))), axis=0)
    member = (rng.random(len(x)) < 0.5) & (np.arange(len(x)) < LIRA_ROWS)
    out: dict[str, Any] = {}
    for name, used in ((f"epsilon {EPSILON:g}", noise), ("without privacy", 0.0)):

        def confidences(rows: np.ndarray, k: int) -> np.ndarray:
            net = nn.Linear(x.shape[1], 10)
            nn.init.zeros_(net.weight)
            nn.init.zeros_(net.bias)
            idx = torch.from_numpy(np.flatnonzero(rows))
            source = Sampled(x[idx], y[idx], max(len(idx) // 10, 1), bytes([k]))
            trained(net, row_loss, source, used, bytes([k]))  # noqa: B023
            with torch.no_grad():
                p = net(x).softmax(1).double().numpy()
            return logit_confidence(p, y.numpy())

        target = confidences(member, 255)
        others = np.stack([confidences(rows, k) for k, rows in enumerate(entered)])
        scores = lira_scores(target, others, entered)
        half = np.arange(len(x)) < LIRA_ROWS
        result = membership_result(scores[half], member[half], scores[~half])
        out[name] = {
            "auc": result.auc.to_json(), "shadows": shadows, "members": result.members, "others": result.others,
            **{f"tpr_at_{rate:g}": result.hits[rate].to_json() for rate in result.hits},
            "precision_at_0.01": result.precision(0.01),
        }  # fmt: skip
        print(name, out[name], flush=True)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--canaries", type=int, default=1_000)
    parser.add_argument("--shadows", type=int, default=16)
    args = parser.parse_args()
    data_folder()
    x, y = features(ROWS)
    steps, run, membership = step_audits(args.trials), one_run(x, y, args.canaries), lira(x, y, args.shadows)
    honest, broken = run["as promised"], run["no noise"]
    private, plain = membership[f"epsilon {EPSILON:g}"], membership["without privacy"]
    save(
        "privacy_audits",
        result=f"{sum(each['passes'] for each in steps.values())} of {len(steps)} step audits as promised; one run "
        f"shows epsilon {honest['shown']:.2f} of {EPSILON:g}, {broken['shown']:.2f} without noise (ceiling "
        f"{honest['ceiling']:.2f}); LiRA's AUC {private['auc']['value']:.3f} private, {plain['auc']['value']:.3f} not",
        target="all step audits; never above the promise; above it without noise",
        met=all(each["passes"] for each in steps.values()) and honest["shown"] <= EPSILON < broken["shown"],
        details={"epsilon": EPSILON, "delta": DELTA, "step": steps, "one_run": run, "membership": membership},
    )


if __name__ == "__main__":
    main()
