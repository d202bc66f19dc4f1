"""
`python -m bench.growth`: each operation in a database with a long history, beside one with next to none.

The two take turns, and the best of all turns counts: others may use the machine. Exits 1 if an operation costs more
than 1.1 times as much with the history. `--folder` keeps the databases for the next run.
"""

import math
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench.growth import history
from bench.growth.history import Size
from bench.growth.operations import OPERATIONS, Operation, Side, once
from pluggy_sandbox.testing import CLIENT_ID, CLIENT_SECRET
from pluggy_sync.logs import configure_logs
from pluggy_sync.resources import create_resources
from pluggy_sync.settings import read_settings
from pluggy_sync.store.database import create_engine
from pluggy_sync.store.migrate import migrate
from standalone.servers import Postgres, prepare_postgres, running_valkey
from webhook_app.app import create_app

AT_MOST = 1.1
# Somebody else may use the machine just when one of the two is measured.
ROUNDS = 5
# Below this the clock and the driver are measured, not the database.
NOISE_MS = 0.2
TOKEN = "an-api-token-of-the-bench"
# As a server of 4 GB would be set up; the defaults are for one of 128 MB.
_SETTINGS = (
    "fsync=off",
    "synchronous_commit=off",
    "shared_buffers=1GB",
    "max_wal_size=8GB",
    "maintenance_work_mem=256MB",
)


@click.command()
@click.option("--items", default=history.FULL.items, show_default=True)
@click.option("--transactions", type=int, help="A hundred for each Item unless given.")
@click.option("--events", type=int, help="Ten for each Item unless given.")
@click.option("--turns", default=15, show_default=True)
@click.option("--only", default="", help="Operations whose name has this in it.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the databases are kept, and found again.")
def main(
    *, items: int, transactions: int | None, events: int | None, turns: int, only: str, folder: Path | None
) -> None:
    """Measure what a long history costs."""
    configure_logs("ERROR")
    console = Console()
    size = Size(items=items, transactions=transactions or items * 100, events=events or items * 10)
    chosen = [each for each in OPERATIONS if only in each.name]
    with _postgres(folder) as postgres, ExitStack() as stack:
        redis_url = stack.enter_context(running_valkey()).url
        large, small = (
            stack.enter_context(_side(postgres, name, of_size, redis_url, console))
            for name, of_size in (("large", size), ("small", size.with_items(history.ITEMS_OF_SMALL)))
        )
        console.print(f"{size.items:,} Items, {size.transactions:,} transactions, {size.events:,} events", style="dim")
        measured = [(each, *_measure(each, large, small, turns)) for each in chosen]
    table = Table("Operation", "Large, ms", "Small, ms", "Ratio", "Met")
    missed = False
    for operation, large_ms, small_ms in measured:
        met = operation.reads_all_items or _is_flat(large_ms, small_ms)
        missed |= not met
        measured_ms = f"{large_ms:.2f}", f"{small_ms:.2f}"
        verdict = "-" if operation.reads_all_items else "[green]yes[/]" if met else "[red]NO[/]"
        table.add_row(operation.name, *measured_ms, f"{large_ms / small_ms:.2f} x", verdict)
    console.print(table)
    sys.exit(missed)


@contextmanager
def _postgres(folder: Path | None) -> Iterator[Postgres]:
    with ExitStack() as stack:
        where = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pluggy-sync-growth-")))
        server = prepare_postgres(where / "data", _SETTINGS)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def _side(postgres: Postgres, name: str, size: Size, redis_url: str, console: Console) -> Iterator[Side]:
    """Yield the database of that name, made unless it was kept, and migrated."""
    url = _kept(postgres, name) or postgres.create_database(name)
    engine = create_engine(url)
    migrate(engine)
    with engine.connect() as conn:
        is_new = not conn.exec_driver_sql("SELECT 1 FROM connectors LIMIT 1").all()
    if is_new:
        history.write(engine, size, told=lambda text: console.print(f"{name}: {text}", style="dim"))
    settings = read_settings(
        {
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "PLUGGY_API_URL": "http://127.0.0.1:1",
            "PLUGGY_CLIENT_ID": CLIENT_ID,
            "PLUGGY_CLIENT_SECRET": CLIENT_SECRET,
            "WEBHOOK_SECRETS": "a-webhook-secret-of-the-bench",
            "API_TOKENS": TOKEN,
            "PUBLIC_URL": "http://127.0.0.1:8000",
            "SECRET_KEY": "a-secret-key-of-the-bench-that-is-long-enough",
            "LOG_LEVEL": "ERROR",
        }
    )
    with closing(create_resources(settings)) as resources:
        yield Side(database=engine, web=create_app(settings, resources).test_client(), token=TOKEN)
    engine.dispose()


def _kept(postgres: Postgres, name: str) -> str | None:
    url = postgres.admin_url.replace("/postgres?", f"/{name}?")
    engine = create_engine(postgres.admin_url)
    with engine.connect() as conn:
        there = conn.exec_driver_sql("SELECT 1 FROM pg_database WHERE datname = %(name)s", {"name": name}).all()
    engine.dispose()
    return url if there else None


def _measure(operation: Operation, large: Side, small: Side, turns: int) -> tuple[float, float]:
    """Return the milliseconds in the large and in the small database, warm: the best of *turns*, or of more."""
    for side in (large, small):
        once(operation, side)
    large_ms = small_ms = math.inf
    for _ in range(ROUNDS):
        for _ in range(turns):
            large_ms = min(large_ms, once(operation, large) * 1000)
            small_ms = min(small_ms, once(operation, small) * 1000)
        if _is_flat(large_ms, small_ms):
            break
    return large_ms, small_ms


def _is_flat(large_ms: float, small_ms: float) -> bool:
    return large_ms <= small_ms * AT_MOST or large_ms - small_ms < NOISE_MS


main()
