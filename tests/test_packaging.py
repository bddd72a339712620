"""The wheel: it holds what the package needs, and works in an environment without the sources."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution, as an index would have it."""
    folder = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT],
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    assert len(list(folder.glob("sparring-*.tar.gz"))) == 1
    [path] = folder.glob("sparring-*-py3-none-any.whl")
    return path


def test_it_holds_every_file_of_the_package(wheel: Path) -> None:
    source = ROOT / "src"
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    expected = {name for name in files if "__pycache__" not in name and not name.endswith(".pyc")}
    assert expected <= set(zipfile.ZipFile(wheel).namelist())


def test_a_training_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    """The dependencies come from this environment, since a bare one would download PyTorch again."""
    venv.create(tmp_path / "env", with_pip=False, symlinks=sys.platform != "win32")
    python = next(path for path in (tmp_path / "env").glob("*/python*") if path.is_file())
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
    )  # fmt: skip
    zipfile.ZipFile(wheel).extractall(site)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    [script] = entry_points(group="console_scripts", name="sparring")
    module, _, function = script.value.partition(":")
    code = f"import {module}, sparring; assert {str(site)!r} in sparring.__file__; {module}.{function}()"
    words = ["train", "digits", "--images", "640", "--width", "4", "--out", "run"]
    done = subprocess.run([python, "-I", "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "generator.safetensors").is_file()
