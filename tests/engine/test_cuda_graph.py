"""Static inputs equal ordinary batches; on a CUDA device a captured turn equals an eager one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from sparring.engine.cuda_graph import StaticInputs
from sparring.engine.data_spec import ImageSpec
from sparring.engine.device import Hardware
from sparring.engine.game import Batch
from sparring.engine.loop import System, play
from sparring.recipes import recipe_class, recipes_for
from sparring.recipes.classifier_recipe import SemiSupervisedRecipe

CPU = torch.device("cpu")
SPEC = ImageSpec(8, 8, 1, ("a", "b", "c"), count=64)
CAPTURABLE = [name for name in recipes_for("classify", "image") if issubclass(recipe_class(name), SemiSupervisedRecipe)]
"""Recipes whose systems may be captured."""
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@dataclass(frozen=True)
class Few:
    """Batches by number: images of noise, of which some have labels."""

    device: torch.device
    batch_size: int = 12

    def batches(self, nimg: int, turn: int) -> Sequence[Batch]:
        rng = torch.Generator().manual_seed(nimg + turn)

        def images(count: int) -> tuple[Tensor, Tensor]:
            x = torch.rand(count, 1, 8, 8, generator=rng) * 2 - 1
            return x.to(self.device), torch.randint(3, (count,), generator=rng).to(self.device)

        x, y = images(self.batch_size)
        few = images(6)
        return [Batch(x, y, nimg // self.batch_size, seed=nimg * 2 + turn, labelled=lambda: few)]


def system(name: str, hardware: Hardware) -> System:
    recipe = replace(recipe_class(name)(), batch_size=12, labelled_batch_size=6).resolve(SPEC, hardware)
    torch.manual_seed(0)
    nets = {player: hardware.to_device(net) for player, net in recipe.nets(SPEC).items()}
    recipe.prepare(nets, Few(hardware.device).batches(0, 0)[0].x)
    return recipe.system(SPEC, nets, total=120)


@pytest.mark.parametrize("name", CAPTURABLE)
def test_static_inputs_give_the_loss_of_the_copied_batch(name: str) -> None:
    hardware = Hardware.find("cpu", "fp32")
    games = {way: system(name, hardware).game for way in ("plain", "static")}
    for turn, player in enumerate(games["plain"].turns):
        (first,) = Few(CPU).batches(0, turn)
        inputs = StaticInputs(first)
        for nimg in (0, 12, 24):
            (batch,) = Few(CPU).batches(nimg, turn)
            inputs.copy_(batch)
            told = {}
            for way, given in (("plain", replace(batch)), ("static", inputs.batch())):
                torch.manual_seed(nimg)
                told[way], _ = games[way].loss(player, given, 0.0)
            assert torch.equal(told["plain"], told["static"]), (player, nimg)


def test_static_inputs_keep_their_buffers() -> None:
    inputs = StaticInputs(Batch(torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64), seed=1))

    def ask() -> list[Tensor]:
        batch = inputs.batch()
        derive = batch.derive(batch.x[:2], batch.y[:2], 7)
        return [batch.x, batch.normal(2), batch.uniform(1), derive.normal(2),
                derive.derive(batch.x, batch.y, 8).uniform(3)]  # fmt: skip

    before = ask()
    kept = [tensor.clone() for tensor in before]
    inputs.copy_(Batch(torch.ones(3, 1), torch.ones(3, dtype=torch.int64), seed=2))
    after = ask()
    assert all(a is b for a, b in zip(before, after, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(kept, after, strict=True))


def played(
    name: str, hardware: Hardware, change: Callable[[System], None], stops: Sequence[int] = (120,)
) -> list[Tensor]:
    made = system(name, hardware)
    change(made)
    start = 0
    for stop in stops:
        left = iter(range((stop - start) // 12))
        play(
            made, Few(hardware.device), total=120, start=start, hardware=hardware,
            should_stop=lambda left=left: next(left, None) is None,  # type: ignore[misc]
        )  # fmt: skip
        start = stop
    return [p.detach().cpu() for net in made.game.players.values() for p in (*net.parameters(), *net.buffers())]


@CUDA
@pytest.mark.parametrize("name", CAPTURABLE)
def test_a_captured_turn_equals_an_eager_one(name: str) -> None:
    """A resumed run, which captures again, equals the uninterrupted one."""
    hardware = Hardware.find("cuda", "fp32")

    def eager(made: System) -> None:
        made.graph_capturable = False

    apart, graph = played(name, hardware, eager), played(name, hardware, lambda made: None)
    resumed = played(name, hardware, lambda made: None, (60, 120))
    for a, b, c in zip(apart, graph, resumed, strict=True):  # Adam's first steps are signs: where a gradient is
        for other in (a, c):  # almost 0 the order of a sum can turn one
            assert ((other - b).abs() < 1e-3).double().mean() > 0.99


@CUDA
def test_a_network_that_cannot_be_captured_runs_eagerly() -> None:
    hardware = Hardware.find("cuda", "fp32")

    def asking(made: System) -> None:
        made.game.players["classifier"].register_forward_hook(lambda net, given, out: out + float(out.sum()) * 0)

    with pytest.warns(UserWarning, match="no CUDA graph"):
        assert all(bool(p.isfinite().all()) for p in played("improved", hardware, asking))
