"""Secrets and keys of a run on one machine: made once, kept in a file that only its owner can read."""

import base64
import os
import secrets
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from console.local_run import env_file

_MAKERS: Mapping[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "API_TOKENS": lambda: secrets.token_urlsafe(24),
    "WEBHOOK_SECRETS": lambda: secrets.token_urlsafe(24),
    "PRODUCT_WEBHOOK_SECRET": lambda: "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
    "FLOWER_BASIC_AUTH": lambda: "operator:" + secrets.token_urlsafe(12),
    "CONSOLE_PASSWORD": lambda: secrets.token_urlsafe(12),
    "VALKEY_PASSWORD": lambda: secrets.token_urlsafe(24),
    # For the sandbox; real ones come from Pluggy.
    "PLUGGY_CLIENT_ID": lambda: str(uuid.uuid4()),
    "PLUGGY_CLIENT_SECRET": lambda: str(uuid.uuid4()),
}


def kept_keys(file: Path) -> dict[str, str]:
    """Return the keys in *file*, after making those that it lacks."""
    kept = env_file(file)
    made = {name: make() for name, make in _MAKERS.items() if name not in kept}
    keys = {**kept, **made}
    if made:
        write_env_file(file, keys)
    return keys


def write_env_file(file: Path, values: Mapping[str, str]) -> None:
    """Write NAME='value' lines that a shell and dotenv both read, for the owner's eyes only."""
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    # Made with its final mode: at no moment can anybody else read it.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as lines:
        lines.writelines(f"{name}='{value}'\n" for name, value in values.items())
    draft.replace(file)
