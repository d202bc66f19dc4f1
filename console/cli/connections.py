"""
The connections of one command that acts, closed at its end.

What they need is loaded when they are made: commands of which a part only reads do without it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from console.cli import environment

if TYPE_CHECKING:
    from pluggy_sync.resources import Resources
    from pluggy_sync.settings import Settings
    from pluggy_sync.store.database import Bounds


@contextmanager
def resources(
    settings: "Settings | None" = None, *, pool_size: int = 5, bounds: "Bounds | None" = None
) -> "Iterator[Resources]":
    """
    Yield the connections of this process. Log lines of the engine stay out of the display, warnings too.

    *settings* None: those of the command. *bounds* None: those of an operator, who can interrupt what takes long.
    """
    chosen = settings or environment.settings()

    # ruff: noqa: PLC0415 - see above
    import structlog

    from pluggy_sync.logs import configure_logs
    from pluggy_sync.resources import create_resources
    from pluggy_sync.store.database import OPERATOR

    configure_logs("ERROR")
    structlog.contextvars.clear_contextvars()
    res = create_resources(chosen, bounds or OPERATOR, pool_size=pool_size)
    try:
        yield res
    finally:
        res.close()
