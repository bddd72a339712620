from __future__ import annotations

import pytest
import torch

from sparring.data.sounds.nonspeech import NONSPEECH, nonspeech


@pytest.mark.parametrize("kind", NONSPEECH)
def test_each_kind_is_a_sound_of_half_the_scale_by_luck_alone(kind: str) -> None:
    def make() -> torch.Tensor:
        return nonspeech(kind, 3, 4000, 8000, torch.Generator().manual_seed(1))

    made = make()
    assert made.shape == (3, 4000) and torch.isfinite(made).all()
    torch.testing.assert_close(made.abs().amax(1), torch.full((3,), 0.5))
    assert torch.equal(made, make()) and not torch.allclose(made[0], made[1])
