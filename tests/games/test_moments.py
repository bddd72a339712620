"""Moment matching as a game: unbiased distances, the critic's weights, batches without data."""

import pytest
import torch
from torch import nn

from sparring.engine.game import Batch
from sparring.games.moments import ClassBatches, MomentCritic, MomentGame
from sparring.nets.moment_features import MomentFeatures

SHAPE, FREQUENCIES = (1, 8, 8), 60


def critic_of(seed=0, classes=2):
    return MomentCritic(MomentFeatures(SHAPE, FREQUENCIES, 0.3, 0.5, 2), classes, FREQUENCIES)


def images(count, seed, level=0.0):
    return (torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(seed)) + level).tanh()


def moments_of(critic, x, y):
    phi = critic.features(x)
    return torch.stack([phi[y == k].mean(0) for k in range(len(critic.moments))])


def test_features_have_norm_1_whatever_the_image():
    features = MomentFeatures(SHAPE, FREQUENCIES, 0.3, 0.5, 2)
    x = torch.cat([images(5, 0), -torch.ones(1, *SHAPE), torch.full((1, *SHAPE), 1e6)])
    torch.testing.assert_close(features(x).square().sum((1, 2)), torch.ones(7))
    assert torch.equal(features.pixels, MomentFeatures(SHAPE, FREQUENCIES, 0.3, 0.5, 2).pixels)


def test_distances_of_equal_distributions_are_0_on_average():
    critic, y = critic_of(), torch.arange(400) % 2
    data, data_y = images(4000, 1), torch.arange(4000) % 2
    noise = 0.01
    generator = torch.Generator().manual_seed(2)
    clean = moments_of(critic, data, data_y)
    critic.noise_variance.fill_(noise**2)
    distances = []
    for k in range(30):
        critic.moments.copy_(clean + noise * torch.randn(clean.shape, generator=generator))
        distances.append(critic.differences(images(400, 10 + k), y).sum(1).mean())
    spread = torch.stack(distances)
    assert abs(spread.mean()) < 4 * spread.std() / 30**0.5 + 1e-3  # the data are 2,000 rows a class, too
    critic.moments.copy_(clean)
    critic.noise_variance.zero_()
    assert critic.differences(images(400, 3, level=2.0), y).sum(1).mean() > 10 * spread.std()


def test_images_without_a_label_do_not_count():
    critic, y = critic_of(), torch.arange(40) % 2
    x = images(40, 0)
    more = critic.differences(torch.cat([x, images(5, 1)]), torch.cat([y, torch.full((5,), -1)]))
    torch.testing.assert_close(more, critic.differences(x, y))


def test_the_critic_moves_weight_to_frequencies_that_differ():
    critic = critic_of()
    torch.testing.assert_close(critic.weights(), torch.ones(2, FREQUENCIES))
    generator = nn.Module()
    generator.forward = lambda z, y: images(len(z), 5)
    critic.moments.copy_(moments_of(critic, images(2000, 6), torch.arange(2000) % 2))
    critic.moments[:, 7] *= -1  # the generator is wrong here
    game = MomentGame(generator, critic, 4)
    optimizer = torch.optim.Adam(critic.parameters(), 0.1)
    for _ in range(60):
        loss, _ = game.loss("critic", Batch(torch.zeros(64, 0), torch.arange(64) % 2), 0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = critic.weights().detach()
    assert (weights.argmax(1) == 7).all() and weights.mean() == pytest.approx(1)


def test_batches_hold_no_data_and_depend_on_the_image_alone():
    batches = ClassBatches(6, 3, seed=1, device=torch.device("cpu"))
    (one,), (again,), (other,) = (batches.batches(nimg, 0) for nimg in (12, 12, 18))
    assert one.x.shape == (6, 0) and one.y.tolist() == [0, 1, 2, 0, 1, 2] and one.step == 2
    first = one.normal(4)
    assert torch.equal(first, again.normal(4)) and not torch.equal(first, other.normal(4))
