"""
`make rehearse`: a large database is migrated from an old version to this one while others read and write it.

It fails if a lock that keeps writers out is held, or waited for, longer than two seconds by a migration: behind one
that waits, everybody else waits too. What a writer waited for at worst is measured beside it.
"""

import sys
import threading
import time
from dataclasses import dataclass, field

import click
import sqlalchemy as sa
from alembic import command
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from bench.growth import history
from bench.growth.history import Size
from pluggy_sync.logs import configure_logs
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import alembic_config, migrate
from standalone.servers import running_postgres

AT_MOST_S = 2.0
LOOKS_EVERY_S = 0.02
# The last version before the rooms of the console, the tokens and the removal by age.
FROM = "0015"

# The modes that keep a writer out, of a table that was there before. `since` it is held or waited for is not told by
# Postgres: it is what we saw.
_LOCKS = sa.text(
    """
    SELECT pid, relation::bigint AS relation, relname AS name, mode
    FROM pg_locks JOIN pg_class ON pg_class.oid = relation
    WHERE locktype = 'relation' AND relation = ANY (:tables) AND pid <> pg_backend_pid()
      AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    """
)


@dataclass(kw_only=True)
class Rehearsed:
    """What was seen: for how long each table was locked in each mode, and how long each write took."""

    took_s: float = 0.0
    locks_s: dict[tuple[str, str], float] = field(default_factory=dict)
    writes_s: list[float] = field(default_factory=list)

    @property
    def longest_s(self) -> float:
        """How long the longest lock was held or waited for."""
        return max(self.locks_s.values(), default=0.0)

    @property
    def met(self) -> bool:
        """Whether no lock was held for longer than allowed."""
        return self.longest_s <= AT_MOST_S


def build(engine: Engine, size: Size, *, revision: str) -> None:
    """Make a database of that size as *revision* left it."""
    migrate(engine)
    history.write(engine, size)
    config = alembic_config()
    with engine.begin() as conn:
        # The views come after all migrations, and go before them.
        conn.execute(sa.text("DROP SCHEMA IF EXISTS mirror CASCADE"))
        config.attributes["connection"] = conn
        command.downgrade(config, revision)


def rehearse(database_url: str) -> Rehearsed:
    """Migrate the database to this version while others use it; return what was seen."""
    found = Rehearsed()
    ended = threading.Event()
    engine = create_engine(database_url)
    threads = [
        threading.Thread(target=_watch, args=(database_url, found, ended)),
        threading.Thread(target=_write, args=(database_url, found, ended)),
    ]
    for each in threads:
        each.start()
    began = time.monotonic()
    try:
        migrate(engine)
    finally:
        found.took_s = time.monotonic() - began
        ended.set()
        for each in threads:
            each.join()
        engine.dispose()
    return found


def _watch(database_url: str, found: Rehearsed, ended: threading.Event) -> None:
    first: dict[tuple[int, int, str], float] = {}
    engine = create_engine(database_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        tables = list(conn.scalars(sa.text("SELECT oid::bigint FROM pg_class WHERE relkind = 'r' AND oid >= 16384")))
        while not ended.wait(LOOKS_EVERY_S):
            now = time.monotonic()
            seen = {(row.pid, row.relation, row.mode): row.name for row in conn.execute(_LOCKS, {"tables": tables})}
            first = {key: first.get(key, now) for key in seen}
            for (pid, relation, mode), name in seen.items():
                held = now - first[pid, relation, mode] + LOOKS_EVERY_S
                found.locks_s[name, mode] = max(found.locks_s.get((name, mode), 0.0), held)
    engine.dispose()


# As every version has written them.
_WRITES = (
    sa.text(
        "INSERT INTO inbox (event_id, name, item_id, payload, received_at, due_at) "
        "VALUES (:event_id, 'item/updated', :item_id, '{}', now(), now())"
    ),
    sa.text("UPDATE items SET fetched_at = now() WHERE id = :item_id"),
    sa.text("UPDATE item_progress SET fetched_seq = fetched_seq WHERE item_id = :item_id"),
    sa.text("SELECT count(*) FROM transactions WHERE item_id = :item_id"),
)


def _write(database_url: str, found: Rehearsed, ended: threading.Event) -> None:
    """Store events and touch Items, as workers of the old version go on to do."""
    engine = create_engine(database_url)
    with engine.begin() as conn:
        item_ids = list(conn.scalars(sa.text("SELECT id FROM items WHERE deleted_at IS NULL LIMIT 100")))
    number = 0
    while not ended.wait(0.01):
        row = {"event_id": f"rehearsed-{number}", "item_id": item_ids[number % len(item_ids)]}
        number += 1
        began = time.monotonic()
        with engine.begin() as conn:
            for statement in _WRITES:
                conn.execute(statement, row)
        found.writes_s.append(time.monotonic() - began)
    engine.dispose()


@click.command()
@click.option("--rows", default=1_000_000, show_default=True, help="Transactions; a tenth as many events.")
@click.option("--from", "revision", default=FROM, show_default=True, help="The revision that is migrated from.")
def main(*, rows: int, revision: str) -> None:
    """Migrate a large database while it is used. Exits 1 if a lock is held for more than two seconds."""
    configure_logs("ERROR")
    console = Console()
    size = Size(items=max(250, rows // 100), transactions=rows, events=rows // 10)
    with running_postgres() as postgres:
        url = postgres.create_database("rehearsal")
        engine = create_engine(url)
        with console.status(f"building {rows:,} transactions, {size.events:,} events, {size.items:,} Items"):
            build(engine, size, revision=revision)
        engine.dispose()
        with console.status("migrating"):
            found = rehearse(url)
    table = Table("Table", "Lock", "Held or waited for, ms")
    for (name, mode), held in sorted(found.locks_s.items(), key=lambda each: -each[1])[:20]:
        table.add_row(name, mode, f"{1000 * held:,.0f}")
    console.print(table)
    writes = sorted(found.writes_s)
    console.print(
        f"migrated from {revision} in {found.took_s:.1f} s; {len(writes):,} writes meanwhile, the slowest "
        f"{1000 * writes[-1]:,.0f} ms; longest lock {1000 * found.longest_s:,.0f} ms (at most {1000 * AT_MOST_S:,.0f})"
    )
    sys.exit(not found.met)


if __name__ == "__main__":
    main()
