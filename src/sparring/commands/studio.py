"""`sparring studio`: a local page in the browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sparring.engine.atomic_io import explain_os_errors
from sparring.engine.errors import UsageError


def announce(url: str) -> None:
    """Print the address, and how to stop."""
    print(f"studio   {url}\nstop     Ctrl-C; trainings go on", flush=True)


def studio(
    folder: str | Path = "runs",
    *,
    host: str = "127.0.0.1",
    port: int = 8642,
    browser: bool = True,
    on_start: Callable[[str], None] = announce,
) -> None:
    """Serve the studio on the runs below `folder` until Ctrl-C; call `on_start` with its address.

    Raises UsageError where the extra is not installed or `folder` is no folder, SparringError where the port is in use.
    """
    try:
        from sparring.studio.serve import serve
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise UsageError('the studio needs starlette and uvicorn: pip install "sparring[studio]"') from error
    path = Path(folder)
    with explain_os_errors(path):
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file: name the folder that holds your runs")
        path.mkdir(parents=True, exist_ok=True)
    serve(path, host, port, browser=browser, on_start=on_start)


def to_text(result: None) -> str:
    """Return the last line, after Ctrl-C."""
    return "the studio is closed"
