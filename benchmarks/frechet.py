"""Time of the Fréchet distance of 50,000 x 2048 features, against torchmetrics.

    python benchmarks/frechet.py            # about 3 minutes on 2 cores, idle machine

Both get the same float32 features in memory. torchmetrics receives them in batches through a network that returns its
input. Ours is `moments` of both and `distance`; `frechet_distance`, which adds an interval, is timed as well.
"""

from __future__ import annotations

import argparse

import torch
from record import alternate, ratios, save, spread, to_text
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from sparring.measure.scores.frechet import distance, frechet_distance, moments

BATCH = 5_000
TARGET = 3.0


class HandOn(nn.Module):
    """Features as pictures of 1 x 1."""

    num_features = 2048

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    scales = torch.linspace(0.2, 3, 2048)
    x = torch.randn(options.rows, 2048, generator=generator).relu_() * scales
    y = torch.randn(options.rows, 2048, generator=generator).add_(0.1).relu_() * scales
    values: dict[str, float] = {}

    def ours() -> None:
        values["ours"] = distance(moments(x), moments(y))

    def with_interval() -> None:
        values["with interval"] = (estimate := frechet_distance(x, y)).value
        estimate.interval()

    def theirs() -> None:
        metric = FrechetInceptionDistance(HandOn(), normalize=True, input_img_size=(2048, 1, 1))
        for rows, real in ((y, True), (x, False)):
            for part in torch.split(rows, BATCH):
                metric.update(part[:, :, None, None], real=real)
        values["torchmetrics"] = float(metric.compute())

    seconds = alternate({"ours": ours, "with interval": with_interval, "torchmetrics": theirs}, options.pairs)
    faster = ratios(seconds["torchmetrics"], seconds["ours"])
    apart = abs(values["ours"] / values["torchmetrics"] - 1)
    save(
        "frechet",
        result=f"{to_text(faster)} times as fast; values agree to {apart:.1e}",
        target=f"{TARGET:g} times, values to 1e-4",
        met=spread(faster)["median"] >= TARGET and apart < 1e-4,
        details={
            "rows": options.rows,
            "seconds": {name: spread(times) for name, times in seconds.items()},
            "ratio": spread(faster),
            "ratio_with_interval": spread(ratios(seconds["torchmetrics"], seconds["with interval"])),
            "values": values,
        },
    )


if __name__ == "__main__":
    main()
