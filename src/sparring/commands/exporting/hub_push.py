"""Push an exported folder to the Hugging Face hub, by huggingface_hub (extra `[hub]`) and its token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sparring.commands.exporting.hub_folder import check_repository
from sparring.data.web.hubs import hugging_face
from sparring.engine.errors import SparringError, UsageError
from sparring.engine.version import __version__

Visibility = Literal["public", "private"]
TOKEN = "set HF_TOKEN, or log in with `hf auth login`"
REFUSALS = {
    401: "the hub does not know the token: make a write token at huggingface.co/settings/tokens and " + TOKEN,
    403: "the token may not write there: it needs write permission for this owner",
    404: "there is no such owner, or the token cannot see the repository: check owner/name",
    409: "the repository changed meanwhile: repeat the command",
    429: "the hub answers no more requests for now: repeat the command later",
}
"""Status of an answer -> what is wrong, and what to do."""


def connect(repository: str) -> Any:
    """Return the interface of the hub, once the token is known to it.

    Raises UsageError where huggingface_hub is missing, SparringError where there is no token, it is refused, or the hub
    cannot be reached.
    """
    check_repository(repository)
    try:
        from huggingface_hub import HfApi
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "huggingface_hub":
            raise
        raise UsageError("--push needs huggingface_hub: pip install 'sparring[hub]'") from error
    api = HfApi(endpoint=hugging_face(), library_name="sparring", library_version=__version__)
    with _explained(repository):
        api.whoami()
    return api


def push_folder(api: Any, folder: Path, repository: str, visibility: Visibility = "public") -> str:
    """Commit all files of `folder` to the model repository, created where it is missing; return its address.

    A repository that exists keeps its visibility. One commit holds all files, or nothing changes. Files of earlier
    commits stay. Raises SparringError on failure.
    """
    from huggingface_hub import CommitOperationAdd

    files = [CommitOperationAdd(path.name, path) for path in sorted(folder.iterdir())]
    with _explained(repository):
        api.create_repo(repository, private=visibility == "private", exist_ok=True)
        done = api.create_commit(repository, files, commit_message=f"Model of Sparring {__version__}")
    return f"hf:{repository}@{done.oid}"


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    """Convert what the hub's client raises into a SparringError with a way out."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    try:
        yield
    except LocalTokenNotFoundError as error:
        raise SparringError(f"there is no token for the hub: {TOKEN}") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        reason = REFUSALS.get(status, str(error).strip().partition("\n")[0])
        raise SparringError(f"{repository} was not pushed (status {status}): {reason}") from error
    except Exception as error:  # the client of HTTP has many of its own
        reason = str(error.__cause__ or error)
        raise SparringError(
            f"{repository} was not pushed, the hub cannot be used: {reason}. Repeat the command"
        ) from error
