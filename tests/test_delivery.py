"""Workflows, image and notebook: what they name exists, and what can be run without a network is run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NOTEBOOK = ROOT / "docs" / "notebooks" / "first-steps.ipynb"


def workflow(path: Path) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, with continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit_and_rights_are_given_one_by_one(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in used)
    content = workflow(path)
    assert content["permissions"] == {}
    for job in content["jobs"].values():
        assert set(job["permissions"]) <= {"contents", "id-token"} and job["timeout-minutes"]
        assert job["permissions"].get("contents", "read") == "read"
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] is False
    assert "secrets." not in path.read_text(encoding="utf-8")


def test_the_tests_run_on_the_oldest_python_and_by_make() -> None:
    content = workflow(ROOT / ".github" / "workflows" / "tests.yml")
    [job] = content["jobs"].values()
    assert PROJECT["requires-python"] == f">={job['strategy']['matrix']['python'][0]}"
    assert any(step.get("run") == "make test" for step in job["steps"])


def test_only_a_release_is_published_and_by_trust() -> None:
    content = workflow(ROOT / ".github" / "workflows" / "publish.yml")
    assert content[True] == {"release": {"types": ["published"]}}  # YAML reads `on` as True
    publish = content["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"} and publish["environment"]["name"] == "pypi"
    assert publish["needs"] == "build" and "id-token" not in content["jobs"]["build"]["permissions"]


def copied() -> list[str]:
    """Paths that the Dockerfile copies from the clone."""
    return [name for kind, text in instructions() if kind == "COPY" for name in text.split()[:-1]]


def test_the_image_copies_what_exists_and_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line.startswith("!")}
    assert set(copied()) == kept and all((ROOT / name).exists() for name in copied())


def test_the_image_installs_real_extras_and_runs_as_a_user() -> None:
    parts = instructions()
    [extras] = [found for kind, text in parts if kind == "RUN" for found in re.findall(r"/sparring\[([\w,]+)\]", text)]
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"]) - {"dev"}
    kinds = [kind for kind, _ in parts]
    assert kinds.index("USER") < kinds.index("ENTRYPOINT") and dict(parts)["USER"] not in ("root", "0")
    assert dict(parts)["ENTRYPOINT"] == '["sparring"]' and "sparring" in PROJECT["scripts"]
    oldest = tuple(map(int, PROJECT["requires-python"].removeprefix(">=").split(".")))
    [version] = re.findall(r"python:(\d+)\.(\d+)-slim", dict(parts)["FROM"])
    assert tuple(map(int, version)) >= oldest
    pinned = subprocess.run(["grep", "^torch==", ROOT / "constraints.txt"], capture_output=True, text=True, check=True)
    assert len(pinned.stdout.split()) == 1
    for kind, text in parts:  # no line that a shell would refuse
        assert kind != "RUN" or shlex.split(text)


@pytest.mark.slow
def test_the_package_builds_from_what_the_image_copies(tmp_path: Path) -> None:
    """The image's own line would download PyTorch: the same install, without dependencies."""
    for name in copied():
        place = tmp_path / "sparring" / name
        place.parent.mkdir(exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile)(ROOT / name, place)  # type: ignore[operator]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--target",
         tmp_path / "site", f"{tmp_path / 'sparring'}[demo]"],
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "sparring" / "cli.py").is_file()


def test_the_notebook_has_no_outputs_and_installs_what_exists() -> None:
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in notebook.cells)
    install = next(cell.source for cell in notebook.cells if "pip install" in cell.source)
    extras = {extra for names in re.findall(r"sparring\[([\w,]+)\]", install) for extra in names.split(",")}
    assert extras and extras <= set(PROJECT["optional-dependencies"])


@pytest.mark.slow
@pytest.mark.timeout(900)  # training, and a feature net for the scores, on a busy machine
@pytest.mark.filterwarnings("default")  # those of jupyter's own libraries
def test_the_cells_of_the_notebook_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All cells but the install, whose package is this one."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("PATH", str(_command(tmp_path)), prepend=os.pathsep)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "pip install" not in cell.source]
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "runs" / "digits" / "generator.safetensors").exists()
    assert any("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", ()))


def _command(folder: Path) -> Path:
    """A folder with a `sparring` command that is this checkout's."""
    script = folder / "bin" / "sparring"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sparring "$@"\n')
    script.chmod(0o755)
    return script.parent
