"""What a caller of `restore` requests: one task for one picture, checked, and as restore.json keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from sparring.commands.training.request import check_budget
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.run_folder import Run
from sparring.engine.seeds import check_seed

FACTORS = (2, 4)
DEFAULT_MINUTES = 5.0


@dataclass(frozen=True, kw_only=True)
class RestoreRequest:
    """Arguments of `restore`."""

    picture: Path
    mask: Path | None = None
    noise: float | Sequence[float] | None = None
    """Standard deviation in grey levels of 255; True or an empty sequence: estimated."""
    scale: int | None = None
    jpeg: bool = False
    minutes: float | None = None
    steps: int | None = None
    """Number of steps at full size, instead of minutes."""
    seed: int = 0

    def __post_init__(self) -> None:
        tasks = {"--mask": self.mask is not None, "--noise": self.noise is not None, "--scale": self.scale is not None,
                 "--jpeg": self.jpeg}  # fmt: skip
        wanted = [flag for flag, is_wanted in tasks.items() if is_wanted]
        if len(wanted) != 1:
            what = f"{' and '.join(wanted)} exclude each other" if wanted else "nothing is requested"
            raise UsageError(f"{what}: give one of --mask M, --noise, --scale 2, --scale 4 and --jpeg")
        if self.scale not in (None, *FACTORS):
            raise UsageError(f"--scale must be 2 or 4, not {self.scale}")
        if (sigma := self.sigma) is not None and not 0 < sigma < 255:
            raise UsageError(
                f"--noise, a standard deviation in grey levels, must be above 0 and below 255, not {sigma:g}"
            )
        if self.steps is not None and self.minutes is not None:
            raise UsageError("--minutes and --steps exclude each other: give one of them")
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"--steps must be 1 or more, not {self.steps}")
        check_budget(self.minutes, None)
        check_seed(self.seed)

    @property
    def kind(self) -> str:
        """Return the task: `mask`, `noise`, `scale` or `jpeg`."""
        kinds = {"mask": self.mask, "noise": self.noise, "scale": self.scale}
        return next((kind for kind, value in kinds.items() if value is not None), "jpeg")

    @property
    def sigma(self) -> float | None:
        """Return the standard deviation of the noise in grey levels that was given; None where it is estimated."""
        if self.noise is None or self.noise is True:
            return None
        if isinstance(self.noise, Real):
            return float(self.noise)
        values = tuple(self.noise)  # type: ignore[arg-type]
        if len(values) > 1:
            raise UsageError(f"--noise takes one number, not {len(values)}")
        return float(values[0]) if values else None

    def settings(self) -> dict[str, Any]:
        """Return what decides the result, besides the files and the length, as JSON returns it."""
        return {"task": self.kind, "sigma": self.sigma, "scale": self.scale, "seed": self.seed}


def check_same(run: Run, saved: Mapping[str, Any], request: RestoreRequest, digests: Mapping[str, str]) -> None:
    """Raise UsageError, naming the difference, where the folder `run` holds another restoration, `saved`."""
    try:
        had = {
            **saved["request"],
            **saved["digests"],
            "minutes": saved["plan"]["minutes"],
            "steps": saved["plan"]["steps"],
        }
    except (KeyError, TypeError) as error:
        raise SparringError(
            f"{run.path} was written by another version of Sparring ({error}): choose another --out"
        ) from error
    length = {name: value for name in ("minutes", "steps") if (value := getattr(request, name)) is not None}
    different = [
        f"{name} is {had.get(name)} there, {value} was requested"
        for name, value in {**request.settings(), **digests, **length}.items()
        if had.get(name) != value
    ]
    if different:
        raise UsageError(f"{run.path} holds another restoration: {'; '.join(different)}. Choose another --out")
