"""Secret randomness: the noise on private rows must not be computable from any shared file.

A key of 256 bits comes from the operating system and stays in RUN/private/, which is never shared. All noise is a
function of the key and of a purpose, such as `("step", 17)`: a run that is killed and continued draws the same noise
for the same step again, and so releases nothing twice.

Caution: floating-point numbers have gaps, and Gaussian noise on them can reveal low bits of the values under it
(Mironov 2012). A draw is the sum of four independent normal numbers, which makes its gaps far finer (Holohan and
Braghin 2021, arXiv:2107.10138); this is a mitigation, no proof.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
import platform
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sparring.engine.atomic_io import explain_os_errors
from sparring.engine.errors import SparringError
from sparring.engine.run_folder import SECRETS

KEY_FILE = "noise.json"
KEY_BYTES = 32
DRAWS = 4
"""Normal numbers whose sum is one draw of noise."""
CAUTION = (
    "Noise is drawn in floating point, as the sum of four draws: its low bits are no proof of privacy against an "
    "attacker who has them all."
)
"""Limit of the noise, for reports."""
README = "Never share this folder: with the key in it, the noise can be subtracted, which reveals private rows.\n"


@dataclass(frozen=True)
class SecretNoise:
    """Random numbers that only the holder of the key can repeat."""

    key: bytes = field(repr=False)

    @classmethod
    def create(cls, run: Path) -> Self:
        """Draw a key from the operating system and write it to `run`/private/, for the owner's eyes alone.

        Raises SparringError where that cannot be written.
        """
        folder = run / SECRETS
        key = secrets.token_bytes(KEY_BYTES)
        content = json.dumps({"key": key.hex(), "machine": _machine()})
        with explain_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
            (folder / "NEVER-SHARE.txt").write_text(README, encoding="utf-8")
            file = os.open(folder / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w", encoding="utf-8") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
        return cls(key)

    @classmethod
    def load(cls, run: Path) -> Self:
        """Return the noise of a run that is continued.

        Raises SparringError where the key is gone or damaged, or was drawn on another machine.
        """
        path = run / SECRETS / KEY_FILE
        way_out = (
            "sampling, reporting and loading still work; to train anew, which costs epsilon again, choose another --out"
        )
        if not path.is_file():
            raise SparringError(
                f"{path} is gone, or {run} was copied without it. The run cannot be continued, since other noise on "
                f"the same rows would be a second release of them: {way_out}"
            )
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            key, machine = bytes.fromhex(saved["key"]), str(saved["machine"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SparringError(f"{path} is damaged, so that the run cannot be continued: {way_out}") from error
        if machine != _machine() or len(key) != KEY_BYTES:
            raise SparringError(
                f"{run} was begun on another machine. On this machine its noise may differ in the last bits, and the "
                f"difference would reveal private rows: continue there; {way_out}"
            )
        return cls(key)

    @classmethod
    def open(cls, run: Path) -> Self:
        """Return the noise of a run that has released nothing yet: a new key, or the one that a stopped start wrote."""
        return cls.load(run) if (run / SECRETS / KEY_FILE).exists() else cls.create(run)

    def bound_to(self, *facts: str) -> Self:
        """Return noise that is independent for other data and settings: a key may serve two starts of a run."""
        return type(self)(hmac.new(self.key, json.dumps(facts).encode(), "sha256").digest())

    def uniform(self, shape: tuple[int, ...], *purpose: str | int) -> NDArray[np.float64]:
        """Return numbers in (0, 1) for a purpose, always the same ones."""
        count = int(np.prod(shape))
        words = np.frombuffer(self._stream(8 * count, purpose), dtype="<u8")
        return (((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53).reshape(shape)

    def normal(self, shape: tuple[int, ...], *purpose: str | int) -> NDArray[np.float64]:
        """Return standard normal numbers for a purpose, always the same ones: sums of four, over 2 (Box and Muller)."""
        total: NDArray[np.float64] = np.zeros(shape)
        for draw in range(DRAWS):
            u, v = self.uniform((2, *shape), *purpose, "normal", draw)
            total += np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)
        return total / math.sqrt(DRAWS)

    def digest(self, text: str) -> str:
        """Return a digest of `text` that reveals nothing about it without the key."""
        return hmac.new(self.key, text.encode(errors="replace"), "sha256").hexdigest()

    def _stream(self, count: int, purpose: tuple[str | int, ...]) -> bytes:
        """Return `count` bytes: SHAKE256 of the key and the purpose, an extendable-output function."""
        message = json.dumps(purpose).encode()
        return hashlib.shake_256(self.key + len(message).to_bytes(8, "little") + message).digest(count)


def _machine() -> str:
    """Return what identifies this machine and its arithmetic."""
    return f"{platform.node()} {platform.machine()} numpy {np.__version__}"
