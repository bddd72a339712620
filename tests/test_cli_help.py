"""The help of flags: flowing text, and words for what an unset flag means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import pytest
import tyro
from tyro.constructors import ConstructorRegistry

from sparring.cli_help import described_flags, field_docs


@dataclass(frozen=True)
class Inner:
    """Words of the group."""

    size: Annotated[str, tyro.conf.arg(metavar="HxW")] = "8"
    """Size."""


@dataclass(frozen=True)
class Flags:
    """Flags of a test."""

    width: int | None = None
    """Channels of a layer,
    on one line.

    None: by hardware.
    """
    hints: str = ""
    """Known facts."""
    inner: Inner = field(default_factory=Inner)


@dataclass(frozen=True)
class Derived(Flags):
    """Flags of a class with a base."""

    lr: float = 0.1
    """Learning rate."""


def parse(args: list[str], default: Flags | None = None) -> Flags:
    registry = ConstructorRegistry()
    registry.struct_rule(described_flags)
    return tyro.cli(Flags, args=args, default=default, registry=registry, config=(tyro.conf.OmitArgPrefixes,))


def test_docstrings_are_read_with_those_of_bases_on_one_line() -> None:
    docs = field_docs(Derived)
    assert docs["lr"] == "Learning rate."
    assert docs["width"] == "Channels of a layer, on one line. None: by hardware."


def test_help_is_flowing_text_with_defaults_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--width INT Channels of a layer, on one line. (default: by hardware)" in text
    assert "--hints NAME Known facts. (default: none)" in text
    assert "--size HxW Size. (default: 8)" in text and "Words of the group." in text


def test_values_and_defaults_are_those_of_the_dataclass(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse([]) == Flags()
    assert parse(["--width", "3", "--size", "9"]) == Flags(width=3, inner=Inner("9"))
    assert parse([], Flags(width=5, hints="mirror")) == Flags(width=5, hints="mirror")
    with pytest.raises(SystemExit):
        parse(["--help"], Flags(width=5))
    assert "(default: 5)" in capsys.readouterr().out
