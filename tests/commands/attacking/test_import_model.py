"""Models in Python code, named in every way in which shells complete a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from sparring.commands.attacking.import_model import import_model, names_in_code
from sparring.commands.attacking.load_target import load_target
from sparring.engine.errors import UsageError

CODE = """
import torch
from torch import nn
from {neighbour} import K
net = nn.Linear(4, K)
class Net(nn.Linear):
    def __init__(self, width=4): super().__init__(width, K)
def build(): return Net()
def logits(x): return net(x)
class holder: inner = net
number = 7
_hidden = 1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with code beside it, below it, in a package, and with names that are no identifiers."""
    tag = tmp_path.name.replace("-", "_")
    for place in ("", "below/", "my package/", f"pack_{tag}/inner/"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / f"size_{tag}.py").write_text("K = 3\n")
        neighbour = f".size_{tag}" if place.startswith("pack") else f"size_{tag}"
        for name in (f"code_{tag}.py", "my-code.py", "random.py"):
            (tmp_path / place / name).write_text(CODE.format(neighbour=neighbour))
    for place in (f"pack_{tag}", f"pack_{tag}/inner"):
        (tmp_path / place / "__init__.py").write_text("from torch import nn\nnet = nn.Identity()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    "place",
    ["code.py", "code", "./code", "./code.py", "below/code.py", "below/code", "./below/../code.py", "ABSOLUTE/code.py",
     "ABSOLUTE/below/code", "my-code", "my-code.py", "./my-code", "my package/my-code.py", "pack/inner/code.py",
     "pack/inner/code", "pack.inner.code", "below.code", "random.py", "./random", "below/random.py", "pack", "pack/",
     "./pack/inner"],
)  # fmt: skip
def test_every_way_to_name_a_file(place: str, folder: Path) -> None:
    tag = folder.name.replace("-", "_")
    place = (
        place.replace("ABSOLUTE", str(folder)).replace("pack", f"pack_{tag}").replace(f"my pack_{tag}age", "my package")
    )
    if "my-" not in place:
        place = place.replace("code", f"code_{tag}")
    model = import_model(f"{place}:net", torch.device("cpu")).model
    assert isinstance(model, nn.Identity if "code" not in place and "random" not in place else nn.Linear)


@pytest.mark.parametrize(
    ("name", "constructor"), [("net", ""), ("logits", ""), ("holder.inner", ""), ("Net", "Net"), ("build", "build")]
)
def test_what_the_code_may_hold(name: str, constructor: str, folder: Path) -> None:
    target = load_target(f"my-code.py:{name}")
    assert target.constructor == constructor and target.model(torch.zeros(2, 4)).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("my-code.py:nte", "did you mean 'net'"),
        ("my-code.py:number", "is no model"),
        ("nothere.py:net", "there is no file nothere.py"),
        ("./nothere:net", "there is no file nothere.py"),
        ("nothere:net", "there is no Python module 'nothere'"),
        ("below/:net", "there is no file"),
        ("./:net", "there is no file"),
        ("my-code.py", "name the model in it, as in my-code.py:net"),
        ("my-code.py:", "It defines net, Net, build, logits, holder, number"),
        ("my-code", "name the model in it"),
        ("my-code:", "name the model in it"),
        (":net", "there is no model ':net'"),
        ("my-code.py:net.weights", "AttributeError"),
        ("broken.py:net", "cannot be loaded: SyntaxError"),
        ("broken.py", "as in broken.py:net"),
        ("lacks.py:net", "cannot be loaded: ModuleNotFoundError: No module named 'surely_not_here'"),
        ("lacks:net", "cannot be loaded: ModuleNotFoundError: No module named 'surely_not_here'"),
    ],
)
def test_what_is_no_model_is_refused(name: str, words: str, folder: Path) -> None:
    (folder / "broken.py").write_text("def net(:\n")
    (folder / "lacks.py").write_text("import surely_not_here\n")
    with pytest.raises(UsageError, match=f"(?s){words.replace('.', '[.]').replace('(', '[(]')}"):
        load_target(name)


def test_two_files_of_one_name_are_two_modules(folder: Path) -> None:
    (folder / "below" / "my-code.py").write_text("from torch import nn\nnet = nn.Identity()\n")
    first, second = (import_model(f"{place}my-code.py:net", torch.device("cpu")).model for place in ("", "below/"))
    assert isinstance(first, nn.Linear) and isinstance(second, nn.Identity)
    assert import_model("my-code.py:net", torch.device("cpu")).model is first


def test_names_are_read_without_running_the_code(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("raise SystemExit\nx = y = 1\nclass A: ...\ndef _b(): ...\n")
    assert names_in_code(tmp_path / "a.py") == ["x", "y", "A"] and names_in_code(tmp_path / os.devnull) == []
