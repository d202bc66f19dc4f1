"""The settings of a command: from the environment, else from `.env`, else from the run of `make up` in this folder."""

import os
from collections.abc import Collection
from pathlib import Path

from console import local_run
from console.cli.exits import WrongError
from pluggy_sync.settings import Settings, SettingsError, read_settings, required_names

ENV_FILE = Path(".env")


def settings(*, needs: Collection[str] | None = None) -> Settings:
    """
    Return the settings. *needs*: of the required ones, those that the command uses; None: all.

    Raises:
        WrongError: names every fault, and says if no `make up` runs here.
    """
    found = dict(local_run.settings())
    for more in (local_run.env_file(ENV_FILE), {name: value for name, value in os.environ.items() if value.strip()}):
        for name in more:
            # A secret in a file and one in a variable stand for each other.
            found.pop(name.removesuffix("_FILE"), None)
            found.pop(f"{name}_FILE", None)
        found.update(more)
    try:
        return read_settings(found, without=() if needs is None else required_names() - set(needs))
    except SettingsError as exc:
        raise WrongError(f"{exc}\n{_where_from()}") from None


def _where_from() -> str:
    file = local_run.DATA_FOLDER / local_run.UP_ENV
    if local_run.is_up():
        return f"They were looked for in the environment, in {ENV_FILE} and in {file}."
    if file.exists():
        return (
            f"{file} is not used: the `make up` that wrote it was killed, and nothing is up here. Start it again, or "
            f"set them in the environment or in {ENV_FILE}."
        )
    return f"Set them in the environment or in {ENV_FILE}. While `make up` runs in this folder, none is needed."
