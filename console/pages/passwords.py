"""
Passwords of operators, as scrypt hashes in CONSOLE_LOGINS. Werkzeug makes and checks them.

Tests: `console/pages/test_sign_in.py`.
"""

import re
from collections.abc import Sequence
from functools import cache

from werkzeug.security import check_password_hash, generate_password_hash

MIN_LENGTH = 12
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


def is_name(text: str) -> bool:
    """Return whether *text* can be the name of an operator."""
    return _NAME.fullmatch(text) is not None


def login(name: str, password: str) -> str:
    """Return what CONSOLE_LOGINS takes for operator *name*."""
    return f"{name}:{generate_password_hash(password)}"


def hash_of(logins: Sequence[tuple[str, str]], name: str, password: str) -> str | None:
    """Return the hash with which *password* lets operator *name* in; None: it does not."""
    hashed = dict(logins).get(name)
    is_right = check_password_hash(hashed or _nobodys_hash(), password)
    return hashed if is_right and hashed is not None else None


@cache
def _nobodys_hash() -> str:
    """Return what is compared with when there is no such operator: it takes as long."""
    return generate_password_hash("nobody")
