"""Adversarial attacks: pure functions of (model, x, y, threat)."""

from sparring.attacks.apgd import apgd
from sparring.attacks.autoattack import AutoAttackResult, autoattack
from sparring.attacks.carlini_wagner import carlini_wagner
from sparring.attacks.channel import CHANNELS, through_channel
from sparring.attacks.deepfool import deepfool
from sparring.attacks.evolution import evolution
from sparring.attacks.fab import fab
from sparring.attacks.fmn import fmn
from sparring.attacks.greedy import greedy
from sparring.attacks.hop_skip_jump import hop_skip_jump
from sparring.attacks.losses import LOSSES, Loss
from sparring.attacks.pgd import fgsm, pgd
from sparring.attacks.psychoacoustic import MaskingThreshold, psychoacoustic
from sparring.attacks.result import Result
from sparring.attacks.smoothing import Certificate, certify, predict, smoothed_model
from sparring.attacks.square import square
from sparring.attacks.tabular_constraints import TabularConstraints
from sparring.attacks.threat_model import Threat
from sparring.attacks.validation import Model, check_inputs, frozen
from sparring.attacks.wrappers import bpda, eot

__all__ = [
    "CHANNELS",
    "LOSSES",
    "AutoAttackResult",
    "Certificate",
    "Loss",
    "MaskingThreshold",
    "Model",
    "Result",
    "TabularConstraints",
    "Threat",
    "apgd",
    "autoattack",
    "bpda",
    "carlini_wagner",
    "certify",
    "check_inputs",
    "deepfool",
    "eot",
    "evolution",
    "fab",
    "fgsm",
    "fmn",
    "frozen",
    "greedy",
    "hop_skip_jump",
    "pgd",
    "predict",
    "psychoacoustic",
    "smoothed_model",
    "square",
    "through_channel",
]
