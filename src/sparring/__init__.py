"""Sparring: networks that learn by playing against each other.

    import sparring
    run = sparring.train("photos/", minutes=10)
    sparring.sample(run.path, n=64, out="samples.png")

The names below load what they need when they are first used, so that `import sparring` takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sparring.engine.version import __version__ as __version__

if TYPE_CHECKING:
    from sparring.attacks.autoattack import autoattack as autoattack
    from sparring.attacks.threat_model import Threat as Threat
    from sparring.commands.attack import attack as attack
    from sparring.commands.certify import certify as certify
    from sparring.commands.classify import classify as classify
    from sparring.commands.doctor import doctor as doctor
    from sparring.commands.evaluate import evaluate as evaluate
    from sparring.commands.harden import harden as harden
    from sparring.commands.inspect import inspect as inspect
    from sparring.commands.predict import predict as predict
    from sparring.commands.sample import sample as sample
    from sparring.commands.train import train as train
    from sparring.data.dataset import Dataset as Dataset
    from sparring.data.loader import BatchLoader as BatchLoader
    from sparring.data.open import open as open
    from sparring.data.open import open_source as open_source
    from sparring.data.reader_api import ReadOptions as ReadOptions
    from sparring.engine.data_spec import AudioSpec as AudioSpec
    from sparring.engine.data_spec import DataSpec as DataSpec
    from sparring.engine.data_spec import ImageSpec as ImageSpec
    from sparring.engine.data_spec import SeriesSpec as SeriesSpec
    from sparring.engine.data_spec import TableSpec as TableSpec
    from sparring.engine.device import Hardware as Hardware
    from sparring.engine.errors import SparringError as SparringError
    from sparring.engine.errors import UsageError as UsageError
    from sparring.engine.game import Batch as Batch
    from sparring.engine.game import Game as Game
    from sparring.engine.loop import Callback as Callback
    from sparring.engine.loop import System as System
    from sparring.engine.loop import play as play
    from sparring.engine.run_folder import Run as Run
    from sparring.games.gan import GAN as GAN
    from sparring.games.hints import HINTS as HINTS
    from sparring.games.objectives import OBJECTIVES as OBJECTIVES
    from sparring.games.penalties import r1 as r1
    from sparring.games.penalties import r2 as r2
    from sparring.games.penalties import wgan_gp as wgan_gp
    from sparring.measure.scores.evaluation import Evaluation as Evaluation
    from sparring.models.classifier import Classifier as Classifier
    from sparring.models.generator import GeneratorModel as GeneratorModel
    from sparring.models.load import load as load
    from sparring.recipes.generators.biggan import BigGAN as BigGAN
    from sparring.recipes.generators.dcgan import DCGAN as DCGAN
    from sparring.recipes.generators.gan2014 import GAN2014 as GAN2014
    from sparring.recipes.generators.lapgan import LAPGAN as LAPGAN
    from sparring.recipes.generators.r3 import R3 as R3
    from sparring.recipes.generators.s3gan import S3GAN as S3GAN
    from sparring.recipes.semi_supervised.consistent import Consistent as Consistent
    from sparring.recipes.semi_supervised.improved import Improved as Improved
    from sparring.sklearn import FewLabelClassifier as FewLabelClassifier

_HOMES = {
    "attacks.autoattack": ("autoattack",),
    "attacks.threat_model": ("Threat",),
    "commands.attack": ("attack",),
    "commands.certify": ("certify",),
    "commands.classify": ("classify",),
    "commands.doctor": ("doctor",),
    "sklearn": ("FewLabelClassifier",),
    "commands.evaluate": ("evaluate",),
    "commands.harden": ("harden",),
    "commands.inspect": ("inspect",),
    "commands.predict": ("predict",),
    "commands.sample": ("sample",),
    "commands.train": ("train",),
    "data.dataset": ("Dataset",),
    "data.open": ("open", "open_source"),
    "data.reader_api": ("ReadOptions",),
    "data.loader": ("BatchLoader",),
    "engine.device": ("Hardware",),
    "engine.errors": ("SparringError", "UsageError"),
    "engine.game": ("Batch", "Game"),
    "engine.loop": ("Callback", "System", "play"),
    "engine.run_folder": ("Run",),
    "engine.data_spec": ("AudioSpec", "DataSpec", "ImageSpec", "SeriesSpec", "TableSpec"),
    "games.gan": ("GAN",),
    "games.hints": ("HINTS",),
    "games.objectives": ("OBJECTIVES",),
    "games.penalties": ("r1", "r2", "wgan_gp"),
    "measure.scores.evaluation": ("Evaluation",),
    "recipes.generators.biggan": ("BigGAN",),
    "models.classifier": ("Classifier",),
    "recipes.semi_supervised.consistent": ("Consistent",),
    "recipes.generators.dcgan": ("DCGAN",),
    "recipes.generators.gan2014": ("GAN2014",),
    "recipes.semi_supervised.improved": ("Improved",),
    "recipes.generators.lapgan": ("LAPGAN",),
    "models.generator": ("GeneratorModel",),
    "models.load": ("load",),
    "recipes.generators.r3": ("R3",),
    "recipes.generators.s3gan": ("S3GAN",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "DCGAN",
    "GAN",
    "GAN2014",
    "HINTS",
    "LAPGAN",
    "OBJECTIVES",
    "R3",
    "S3GAN",
    "AudioSpec",
    "Batch",
    "BatchLoader",
    "BigGAN",
    "Callback",
    "Classifier",
    "Consistent",
    "DataSpec",
    "Dataset",
    "Evaluation",
    "FewLabelClassifier",
    "Game",
    "GeneratorModel",
    "Hardware",
    "ImageSpec",
    "Improved",
    "ReadOptions",
    "Run",
    "SeriesSpec",
    "SparringError",
    "System",
    "TableSpec",
    "Threat",
    "UsageError",
    "attack",
    "autoattack",
    "certify",
    "classify",
    "doctor",
    "evaluate",
    "harden",
    "inspect",
    "load",
    "open",
    "open_source",
    "play",
    "predict",
    "r1",
    "r2",
    "sample",
    "train",
    "wgan_gp",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sparring' has no attribute '{name}'")
    value = getattr(import_module(f"sparring.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
