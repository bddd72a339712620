"""Results of short trainings and the keys of `--json`, frozen: a refactoring must not change either.

`frozen/digests.json` holds a digest of the weights of each short training, by torch version and kernel hash: other
kernels round otherwise. `frozen/json_keys.json` holds the key paths that each command prints; `*` stands for keys that
are data, such as class names, and `[]` for the items of a list.

`python tests/test_frozen.py` rewrites digests.json after an intended change of trainings, and
`python tests/test_frozen.py keys` rewrites json_keys.json, in which each `*` is kept where it is and new ones are put
in by hand. Both need sparring to be installed, or PYTHONPATH=src.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

import sparring

FROZEN = Path(__file__).parent / "frozen"
DIGESTS = FROZEN / "digests.json"
KEYS = FROZEN / "json_keys.json"
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "DNNL_MAX_CPU_ISA": "SSE41",
}
"""One thread and the oldest instructions: results depend on the CPU model as little as possible."""

GAN = "--batch-size 8 --images 96"
R3 = f"train digits --recipe r3 --width 4 {GAN}"
HARDEN = "harden digits --width 4 --batch-size 16 --images 96 --method"
TRAININGS = {
    "gan2014": f"train digits --recipe gan2014 --hidden 16 --maxout 8 --pieces 2 {GAN}",
    "lapgan": f"train digits --recipe lapgan --size 16 --width 4 --hidden 16 {GAN}",
    "dcgan": f"train digits --recipe dcgan --width 4 {GAN}",
    "biggan": f"train digits --recipe biggan --width 4 {GAN}",
    "s3gan": f"train digits --recipe s3gan --width 4 --clusters 3 --label-fraction 0.5 {GAN}",
    "r3": R3,
    "r3-few-labels": f"{R3} --label-fraction 0.1",
    "r3-hints": f"{R3} --hints palette:000000,ffffff*4+mirror",
    "r3-options": f"{R3} --augment ada --mirror --accumulation-steps 2 --penalty-interval 2",
    "consistent": "classify digits --labels 50 --width 4 --batch-size 16 --labelled-batch-size 8 --images 96",
    "improved": "classify digits --recipe improved --labels 50 --batch-size 16 --labelled-batch-size 16 --images 64",
    "fgsm": f"{HARDEN} fgsm",
    "pgd": f"{HARDEN} pgd --steps 5",
    "fast": f"{HARDEN} fast",
    "free": f"{HARDEN} free",
    "trades": f"{HARDEN} trades --steps 5",
    "noisy": f"{HARDEN} noisy",
}
"""Name -> the command; it trains into a folder of this name."""

OTHERS = {
    "inspect": "inspect digits",
    "predict": "predict improved digits",
    "sample": "sample r3 -n 4 --out samples.png",
    "doctor": "doctor r3",
    "evaluate": "evaluate r3 -n 100 --features raw --device cpu",
    "attack": "attack improved digits --count 20 --device cpu --out attacked",
    "certify": "certify noisy digits --count 4 --draws 100 --radius 0 0.1 --device cpu",
    "restore": "restore photo.png --noise 20 --steps 2 --out restored --device cpu",
    "recipes": "recipes",
}
"""Commands that train no images; they come after the trainings, whose folders they read."""

RUN_OF = {"train": "r3", "classify": "improved", "harden": "fast"} | {name: name for name in OTHERS}
"""Command -> the entry above whose output is held against json_keys.json."""

MODEL = """import torch

def model(x):
    score = x[:, 0] * x[:, 1] / 1000 - 2
    return torch.stack([-score, score], 1)
"""


def write_table(folder: Path) -> None:
    """rich.csv, and a model in closed form for it: rich where hours times wage are above 2,000."""
    rng = np.random.default_rng(0)
    rows = [(int(hours), int(wage)) for hours, wage in rng.integers(10, 100, (60, 2))]
    lines = [f"{hours},{wage},{'yes' if hours * wage > 2000 else 'no'}" for hours, wage in rows]
    (folder / "rich.csv").write_text("\n".join(["hours,wage,rich", *lines]))
    (folder / "closed_form.py").write_text(MODEL)


def write_words(folder: Path) -> None:
    """Two words that are tones, WORD_SPEAKER_TAKE.wav, of 16 bits at 8,000 Hz."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    at = np.arange(2000) / 8000
    for word, pitch in {"yes": 300, "no": 2400}.items():
        for speaker in ("ada", "bob"):
            for take in range(7):
                tone = np.sin(2 * np.pi * pitch * rng.uniform(0.9, 1.1) * at) * np.sin(np.pi * at / at[-1])
                with wave.open(str(folder / f"{word}_{speaker}_{take}.wav"), "wb") as file:
                    file.setnchannels(1)
                    file.setsampwidth(2)
                    file.setframerate(8000)
                    file.writeframes((tone * 12000).astype("<i2").tobytes())


def write_photo(folder: Path) -> None:
    """photo.png, a noisy slope."""
    values = np.add.outer(np.arange(64), np.arange(64)) + np.random.default_rng(0).normal(60, 20, (64, 64))
    Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(folder / "photo.png")


def run_all(folder: Path) -> dict[str, Any]:
    """Run all commands in one process, in `folder`: `commands` (name -> exit code, output), `torch` and `kernels`."""
    write_table(folder)
    write_words(folder / "words")
    write_photo(folder)
    fixed = "--seed 1 --device cpu --precision fp32 --json --out"
    commands = {name: f"{command} {fixed} {name}".split() for name, command in TRAININGS.items()}
    commands |= {name: f"{command} --json".split() for name, command in OTHERS.items()}
    (folder / "commands.json").write_text(json.dumps(commands))
    path = os.pathsep.join([str(Path(sparring.__file__).parents[1]), str(folder)])
    own = {"SPARRING_CACHE": str(folder / "cache"), "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, str(FROZEN / "run_commands.py"), "commands.json", "results.json"],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, **own},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return results


def digest(run: Path) -> str:
    """Digest of the weights in the last checkpoint: each tensor's dtype, shape and bytes, whatever their names."""
    last = max(run.glob("checkpoints/*/players.safetensors"))
    hashes = []
    with safe_open(last, "np") as file:
        for name in file.keys():  # noqa: SIM118
            tensor = file.get_tensor(name)
            hashes.append(hashlib.sha256(f"{tensor.dtype} {tensor.shape} ".encode() + tensor.tobytes()).hexdigest())
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


def key_paths(value: Any, data: set[str], path: str = "") -> set[str]:
    """The paths of all keys in `value`; the keys of a dict at a path in `data` count as one key, `*`."""
    if isinstance(value, list):
        return set().union(*(key_paths(item, data, f"{path}[]") for item in value))
    if not isinstance(value, dict):
        return set()
    paths = set()
    for key, item in value.items():
        below = f"{path}.{'*' if path in data else key}"
        paths |= {below, *key_paths(item, data, below)}
    return paths


def paths_with_data(paths: list[str]) -> set[str]:
    """The paths whose keys are data: those that have a `*` below them."""
    return {path.removesuffix(".*") for path in paths if path.endswith(".*")}


def printed_paths(results: dict[str, Any], command: str, expected: list[str]) -> list[str]:
    """The sorted key paths that `command` printed, with `*` where `expected` has it."""
    printed = json.loads(results["commands"][RUN_OF[command]]["stdout"])
    return sorted(key_paths(printed, paths_with_data(expected)))


def build(results: dict[str, Any]) -> str:
    """What the digests depend on besides the code."""
    return f"torch {results['torch']}, kernels {results['kernels']}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frozen")


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Any]:
    return run_all(folder)


@pytest.mark.parametrize("name", [*TRAININGS, *OTHERS])
def test_command_succeeds(name: str, results: dict[str, Any]) -> None:
    done = results["commands"][name]
    assert done["code"] == 0, done["stderr"]


@pytest.mark.parametrize("name", TRAININGS)
def test_weights_are_unchanged(name: str, results: dict[str, Any], folder: Path) -> None:
    known = json.loads(DIGESTS.read_text())
    if build(results) not in known:
        pytest.skip(f"no digests for {build(results)}, only for {'; '.join(known)}: see the docstring of this file")
    assert digest(folder / name) == known[build(results)][name]


def test_trainings_differ_from_each_other(folder: Path, results: dict[str, Any]) -> None:
    """Each option under test has an effect within the short training."""
    digests = {name: digest(folder / name) for name in TRAININGS}
    assert len(set(digests.values())) == len(digests), digests


@pytest.mark.parametrize("command", RUN_OF)
def test_json_keys_are_unchanged(command: str, results: dict[str, Any]) -> None:
    expected = json.loads(KEYS.read_text())[command]
    assert printed_paths(results, command, expected) == expected


def rewrite(what: str) -> None:
    """Rewrite digests.json (the entry of this torch version and these kernels) or json_keys.json."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = run_all(folder)
        for command, done in results["commands"].items():
            print(
                f"{command:14} exit code {done['code']}, {done['seconds']} s {done['stderr'] if done['code'] else ''}"
            )
        known = json.loads((KEYS if what == "keys" else DIGESTS).read_text())
        if what == "keys":
            KEYS.write_text(_text({name: printed_paths(results, name, known.get(name, [])) for name in RUN_OF}))
        else:
            digests = {name: digest(folder / name) for name in TRAININGS}
            DIGESTS.write_text(_text({**known, build(results): digests}))


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


if __name__ == "__main__":
    rewrite("keys" if "keys" in sys.argv[1:] else "digests")
