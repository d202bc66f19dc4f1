"""
Storing rows, the database alone: our merge, beside a bare COPY into the same table and a per-row ORM merge.

All three are given the same parsed rows. Only ours also respects tombstones, keeps newer versions, and
writes the change feed. The three take turns, and the best of several turns counts: others may use the machine.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session, registry

from bench import rows as made
from bench.outcome import Outcome, rate
from bench.stage import Stage
from pluggy_sync import wire
from pluggy_sync.engine.sync.transactions import ROWS_PER_WRITE
from pluggy_sync.pluggy.payloads import Transaction
from pluggy_sync.store import items, tables, transactions
from pluggy_sync.store.database import create_engine

TURNS = 4
TIMES_ORM = 20
OF_COPY = 0.4
_COLUMNS = ["item_id", *transactions.COLUMNS]
_COPY = f"COPY transactions ({', '.join(_COLUMNS)}) FROM STDIN"


class _Mapped:
    """A transaction as the ORM has it."""


registry().map_imperatively(_Mapped, tables.transactions)


def measure(stage: Stage, *, count: int = 40_000, orm_count: int = 2_000) -> list[Outcome]:
    """Return the outcomes of storing *count* fresh rows, and of merging them again unchanged."""
    rows = made.rows(count)
    with stage.environ("http://127.0.0.1:1") as environ:
        engine = create_engine(environ["DATABASE_URL"])
        try:
            with engine.begin() as conn:
                items.lock(conn, made.ITEM, now=datetime.now(UTC))
            return [*_fresh(engine, rows, rows[:orm_count]), _unchanged(engine, rows)]
        finally:
            engine.dispose()


def _fresh(engine: Engine, rows: Sequence[Transaction], orm_rows: Sequence[Transaction]) -> list[Outcome]:
    turns = [
        (_seconds(engine, _merge, rows), _seconds(engine, _bare_copy, rows), _seconds(engine, _orm_merge, orm_rows))
        for _ in range(TURNS)
    ]
    # The last to run leaves its rows: ours, for `_unchanged`.
    _seconds(engine, _merge, rows)
    ours, bare, orm = (min(column) for column in zip(*turns, strict=True))
    times_orm = (len(rows) / ours) / (len(orm_rows) / orm)
    of_copy = bare / ours
    return [
        Outcome(
            what="rows stored, database path",
            measured=rate(len(rows), ours),
            reference=f"ORM merge, row by row: {rate(len(orm_rows), orm)}",
            ratio=f"{times_orm:.1f} x",
            target=f">= {TIMES_ORM} x",
            met=times_orm >= TIMES_ORM,
        ),
        Outcome(
            what="rows stored, database path",
            measured=rate(len(rows), ours),
            reference=f"bare COPY, same table: {rate(len(rows), bare)}",
            ratio=f"{of_copy:.0%}",
            target=f">= {OF_COPY:.0%}",
            met=of_copy >= OF_COPY,
        ),
    ]


def _unchanged(engine: Engine, rows: Sequence[Transaction]) -> Outcome:
    before = _written(engine)
    seconds = _timed(engine, _merge, rows)
    written = _written(engine) - before
    return Outcome(
        what="the same rows merged again, unchanged",
        measured=rate(len(rows), seconds),
        reference=f"pg_stat: {written:,} rows written of {len(rows):,}",
        ratio=f"{written:,}",
        target="0 written",
        met=written == 0,
    )


def _seconds(
    engine: Engine, store: Callable[[Connection, Sequence[Transaction]], None], rows: Sequence[Transaction]
) -> float:
    with engine.begin() as conn:
        conn.exec_driver_sql("TRUNCATE transactions, changes")
    return _timed(engine, store, rows)


def _timed(
    engine: Engine, store: Callable[[Connection, Sequence[Transaction]], None], rows: Sequence[Transaction]
) -> float:
    """Return how long *store* takes, a transaction for as many rows as the engine gathers."""
    began = time.perf_counter()
    for start in range(0, len(rows), ROWS_PER_WRITE):
        with engine.begin() as conn:
            store(conn, rows[start : start + ROWS_PER_WRITE])
    return time.perf_counter() - began


def _merge(conn: Connection, rows: Sequence[Transaction]) -> None:
    transactions.merge(conn, made.ITEM, rows, began_at=datetime.now(UTC), now=datetime.now(UTC))


def _bare_copy(conn: Connection, rows: Sequence[Transaction]) -> None:
    driver = conn.connection.driver_connection
    assert driver is not None
    with driver.cursor().copy(_COPY) as copy:
        for row in rows:
            values = _values(row)
            copy.write_row([*values[:-1], wire.encode(values[-1]).decode()])


def _orm_merge(conn: Connection, rows: Sequence[Transaction]) -> None:
    with Session(conn) as session:
        for row in rows:
            mapped = _Mapped()
            for name, value in zip(_COLUMNS, _values(row), strict=True):
                setattr(mapped, name, value)
            session.merge(mapped)
        session.flush()


def _values(row: Transaction) -> list[object]:
    return [made.ITEM if name == "item_id" else getattr(row, name) for name in _COLUMNS]


def _written(engine: Engine) -> int:
    """Return the rows inserted, updated and deleted in the tables of transactions and changes, as Postgres counts."""
    with engine.connect() as conn:
        # Postgres counts the rows of a connection when it is idle. Let it be idle before reading.
        conn.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        conn.rollback()
        counted: int = conn.execute(
            sa.text(
                "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_user_tables "
                "WHERE relname IN ('transactions', 'changes', 'items')"
            )
        ).scalar_one()
    return counted
