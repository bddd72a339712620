from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sparring.commands.attacking.resumable import ResumableParts, joined
from sparring.commands.training.interrupt import Stopped
from sparring.engine.errors import SparringError


@dataclass(frozen=True, eq=False)
class Squares:
    values: Tensor
    names: tuple[str, ...]


def squares(number: int, idx: Tensor) -> Squares:
    return Squares(idx.double() ** 2, tuple(f"{number}.{k}" for k in idx.tolist()))


CPU = torch.device("cpu")


def test_map_covers_all_indices_and_saves_each_chunk(tmp_path: Path) -> None:
    parts = ResumableParts.begin(Squares, tmp_path / "parts", {"eps": 0.1})
    progress: list[tuple[int, int]] = []
    result = joined(parts.map(squares, 5, 2, CPU, lambda done, total: progress.append((done, total))))
    assert result.values.tolist() == [0, 1, 4, 9, 16] and result.names == ("0.0", "0.1", "1.2", "1.3", "2.4")
    assert progress == [(0, 5), (2, 5), (4, 5), (5, 5)]
    again = ResumableParts.begin(Squares, tmp_path / "parts", {"eps": 0.1})
    assert joined(again.map(lambda number, idx: pytest.fail("computed again"), 5, 2, CPU)).names == result.names


def test_an_interruption_keeps_the_finished_chunks(tmp_path: Path) -> None:
    parts = ResumableParts.begin(Squares, tmp_path / "parts", {})

    def stopping(number: int, idx: Tensor) -> Squares:
        if number == 1:
            raise KeyboardInterrupt
        return squares(number, idx)

    with pytest.raises(Stopped, match=r"stopped after 3 of 5 rows, which are kept in .*parts"):
        parts.map(stopping, 5, 3, CPU, unit="rows")
    assert parts.get(0) is not None and parts.get(1) is None


def test_chunks_of_other_settings_are_removed(tmp_path: Path) -> None:
    ResumableParts.begin(Squares, tmp_path / "parts", {"eps": 0.1}).put(0, squares(0, torch.arange(2)))
    assert ResumableParts.begin(Squares, tmp_path / "parts", {"eps": 0.1}).get(0) is not None
    assert ResumableParts.begin(Squares, tmp_path / "parts", {"eps": 0.2}).get(0) is None


def test_a_chunk_of_another_process_is_not_used(tmp_path: Path) -> None:
    first = ResumableParts.begin(Squares, tmp_path / "parts", {"eps": 0.1})
    second = ResumableParts.begin(Squares, tmp_path / "parts", {"eps": 0.2})  # both are running now
    first.put(0, squares(0, torch.arange(2)))
    assert first.get(0) is not None and second.get(0) is None


def test_a_damaged_chunk_names_the_way_out(tmp_path: Path) -> None:
    parts = ResumableParts.begin(Squares, tmp_path / "parts", {})
    (parts.folder / "0000.json").write_text("{}")
    (parts.folder / "0000.safetensors").write_bytes(b"nothing")
    with pytest.raises(SparringError, match=r"remove .*parts"):
        parts.get(0)
