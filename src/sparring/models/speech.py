"""A recogniser of spoken words: trained through the house's loop as a game of one, saved, loaded, asked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from sparring.attacks.channel import through_channel
from sparring.data.audio import Sounds
from sparring.data.nonspeech import NONSPEECH, nonspeech
from sparring.engine.atomic_io import atomic_replace, write
from sparring.engine.device import Hardware
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.game import Batch
from sparring.engine.run_folder import FORMAT, read_json
from sparring.engine.safetensors_io import load_file, write_tensors
from sparring.engine.seeds import mix
from sparring.measure.features.train_small import Rows, learn
from sparring.nets.speech_cnn import SpeechCNN

NAME = "recogniser"
"""Of the two files, `recogniser.safetensors` and `recogniser.json`."""
NOTHING = "nothing"
"""What it hears where nobody speaks: the class beside the words, learnt from made-up sounds."""
BATCH, LR = 64, 2e-3
MOST_PADDED = 0.99
"""Share of the recordings that fit whole into a row of training; the others lose their end."""
LATER = 0.1
"""Seconds: each row comes up to so much later."""
FAINTEST = 1e-4
"""Of the noise that is added, against the sound's peak; it is up to a hundred times as loud."""
SLOWEST = 4000
"""Samples a second that are enough for words."""
AT_ONCE = 64


class Heard(NamedTuple):
    """What a recogniser hears in one sound."""

    word: str
    """Or "nothing"."""
    probability: float


@dataclass(frozen=True)
class Recogniser:
    """A network with the words it tells apart, "nothing" the last of them."""

    net: nn.Module
    """Waveforms `[B, 1, T]` in [-1, 1] -> logits `[B, words]`."""
    words: tuple[str, ...]
    rate: int
    """Samples a second of what it hears."""
    about: Mapping[str, Any]

    def logits(self, waves: Sequence[NDArray[np.float32]], channel: str = "none") -> Tensor:
        """Waveforms `[T]` of any lengths, heard through a channel of `attacks.channel.CHANNELS` -> `[N, words]`.

        What is random in a channel is drawn from a seed of its own, which no attack has seen.
        """
        model = through_channel(channel, self.net, self.rate)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(len(waves)))
            parts = [model(together(waves[k : k + AT_ONCE])[0]) for k in range(0, len(waves), AT_ONCE)]
        return torch.cat(parts)

    def hear(self, waves: Sequence[NDArray[np.float32]], channel: str = "none") -> list[Heard]:
        """The likeliest word of each."""
        best, which = self.logits(waves, channel).softmax(1).max(1)
        return [Heard(self.words[k], p) for k, p in zip(which.tolist(), best.tolist(), strict=True)]

    def save(self, folder: str | Path) -> None:
        """Write `recogniser.safetensors` and `recogniser.json` into `folder`."""
        with atomic_replace(Path(folder) / f"{NAME}.safetensors") as temporary:
            write_tensors(self.net.state_dict(), temporary)
        about = {"format": FORMAT, **self.about, "words": self.words, "rate": self.rate}
        write(Path(folder) / f"{NAME}.json", json.dumps(about) + "\n")


def load_recogniser(path: str | Path) -> Recogniser:
    """The recogniser in a folder of `sparring hear`; no pickle is read. UsageError where there is none."""
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    if not Path(path).exists():
        raise UsageError(f"there is no '{path}': give a folder of `sparring hear`")
    if not (folder / f"{NAME}.json").exists():
        raise UsageError(f"{folder} has no {NAME}.json: `sparring hear` makes a recogniser")
    told = read_json(folder / f"{NAME}.json", NAME)
    try:
        tensors = load_file(folder / f"{NAME}.safetensors")
    except Exception as error:
        raise SparringError(f"{folder / NAME}.safetensors is damaged: {error}") from error
    try:
        words, rate = tuple(map(str, told.pop("words"))), int(told.pop("rate"))
        net = SpeechCNN(len(words), rate)
        net.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SparringError(f"{path}: {NAME}.json and {NAME}.safetensors do not go together: {error}") from error
    return Recogniser(net.eval().requires_grad_(False), words, rate, told)


def together(waves: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Waveforms `[T]` -> one batch `[B, 1, T]` with silence at the ends, and where each sounds, 0 or 1, `[B, 1, T]`."""
    longest = max(map(len, waves))
    x = torch.stack([pad(torch.from_numpy(wave), (0, longest - len(wave))) for wave in waves])
    own = torch.tensor([len(wave) for wave in waves])[:, None] > torch.arange(longest)
    return x[:, None], own.float()[:, None]


def train_recogniser(
    sounds: Sounds,
    *,
    count: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    hardware: Hardware,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[Recogniser, int]:
    """Train on `count` drawn recordings, or for about `minutes`; returns the recogniser and how many it heard."""
    if unheard := set(range(len(sounds.words))) - set(sounds.labels.tolist()):
        raise UsageError(f"no recording of '{sounds.words[min(unheard)]}' is for training: all of them are for testing")
    if len(sounds.words) < 2:
        raise UsageError(
            f"there is but one word, '{sounds.words[0]}': a recogniser tells two or more apart, that of a sound is its folder, "
            "or its file's name up to the first _"
        )
    if NOTHING in sounds.words:
        raise UsageError(f"'{NOTHING}' is what a recogniser says where nobody speaks: call that word otherwise")
    if sounds.rate < SLOWEST:
        raise UsageError(f"the sounds have {sounds.rate:,} samples a second, and words need {SLOWEST:,}")
    words = (*sounds.words, NOTHING)
    length = int(np.quantile(sounds.lengths, MOST_PADDED))
    x = sounds.waves[:, :length]
    rows = Rows(lambda some: x[some], sounds.labels, BATCH, seed, hardware.device)

    def go(count: int, on_progress: Callable[[int, int], None] = lambda done, of: None) -> nn.Module:
        build: Callable[[], nn.Module] = lambda: SpeechCNN(len(words), sounds.rate)  # noqa: E731
        return learn(build, _loss(sounds.rate), rows, images=count, lr=LR, hardware=hardware, on_progress=on_progress)

    if count is None:
        go(BATCH)  # the first round takes longer
        begin = time.perf_counter()
        go(4 * BATCH)
        count = max(int((minutes or 0) * 60 / (time.perf_counter() - begin) * 4 * BATCH), BATCH)
    count = -(-count // BATCH) * BATCH
    net = go(count, on_progress).cpu().eval().requires_grad_(False)
    return Recogniser(net, words, sounds.rate, {"seed": seed}), count


def _loss(rate: int) -> Callable[[nn.Module, Batch], Tensor]:
    """Cross entropy of recordings at other moments, in other loudness and noise; a share of them are no speech at all."""
    later = int(LATER * rate)

    def loss(net: nn.Module, batch: Batch) -> Tensor:
        x, y, words = batch.x, batch.y, int(net.head[-1].out_features)  # type: ignore[index, union-attr]
        rng = torch.Generator().manual_seed(batch.seed)
        count = max(len(x) // words, 1)
        made = _no_speech(count, x.shape[1], rate, rng).to(x)
        x, y = torch.cat([made, x[count:]]), torch.cat([torch.full_like(y[:count], words - 1), y[count:]])
        late = (batch.uniform(1) * later).long()
        places = torch.arange(x.shape[1] + later, device=x.device) - late + later
        x = pad(x, (later, later)).gather(1, places)
        loud = x.abs().amax(1, keepdim=True)
        x = x + loud * FAINTEST * 100 ** batch.uniform(1) * batch.normal(x.shape[1])
        return cross_entropy(net(x[:, None]), y)

    return loss


def _no_speech(count: int, length: int, rate: int, rng: torch.Generator) -> Tensor:
    """Sounds without a word, of a random kind, silence among them, and random lengths."""
    kinds = torch.randint(len(NONSPEECH) + 1, (count,), generator=rng).tolist()
    silent = torch.zeros(1, length)
    made = [nonspeech(list(NONSPEECH)[k], 1, length, rate, rng) if k < len(NONSPEECH) else silent for k in kinds]
    ends = (0.2 + 0.8 * torch.rand(count, 1, generator=rng)) * length
    return torch.cat(made) * (torch.arange(length) < ends)
