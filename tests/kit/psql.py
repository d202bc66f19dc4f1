"""A session of somebody else in the schema of our tables, such as an operator has with psql."""

from typing import Any

import psycopg

from pluggy_sync.settings import DEFAULT_SCHEMA


def psql(database_url: str, *, autocommit: bool = False) -> psycopg.Connection[Any]:
    """Return a connection that finds our tables by their bare names. The caller closes it."""
    return psycopg.connect(database_url, autocommit=autocommit, options=f"-c search_path={DEFAULT_SCHEMA}")
