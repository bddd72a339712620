"""Adversarial examples: pure functions of (model, x, y, threat)."""

from sparring.attacks.apgd import apgd
from sparring.attacks.autoattack import Verdicts, autoattack
from sparring.attacks.columns import Columns
from sparring.attacks.contract import Model, check, held
from sparring.attacks.fab import fab
from sparring.attacks.losses import LOSSES, Loss
from sparring.attacks.pgd import fgsm, pgd
from sparring.attacks.result import Result
from sparring.attacks.square import square
from sparring.attacks.threat import Threat

__all__ = [
    "LOSSES",
    "Columns",
    "Loss",
    "Model",
    "Result",
    "Threat",
    "Verdicts",
    "apgd",
    "autoattack",
    "check",
    "fab",
    "fgsm",
    "held",
    "pgd",
    "square",
]
