"""Adversarial examples: pure functions of (model, x, y, threat)."""

from sparring.attacks.columns import Columns
from sparring.attacks.contract import Model, check, held
from sparring.attacks.pgd import fgsm, pgd
from sparring.attacks.result import Result
from sparring.attacks.threat import Threat

__all__ = ["Columns", "Model", "Result", "Threat", "check", "fgsm", "held", "pgd"]
