"""Whether Postgres is as we need it."""

from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from console.checkup.results import Result, heads_up, not_seen, passed, problem
from pluggy_sync.engine import watchdog
from pluggy_sync.resources import Resources
from pluggy_sync.store import server

# `date_bin` came with it.
OLDEST_VERSION = 14
MOST_XID_AGE = 1_000_000_000
MOST_CONNECTIONS = 0.8


def answers(res: Resources) -> Iterator[Result]:
    """Whether it answers at all, and takes writes."""
    try:
        with res.database.connect() as conn:
            found = server.server(conn)
    except SQLAlchemyError as exc:
        yield problem(
            "Postgres", f"does not answer ({type(exc).__name__})", "Start it, or mend DATABASE_URL; see the network"
        )
        return
    version = f"{found.version // 10_000}.{found.version % 10_000}"
    if found.version < OLDEST_VERSION * 10_000:
        yield problem("Postgres version", version, f"Upgrade it to {OLDEST_VERSION} or later")
    else:
        yield passed("Postgres version", version)
    if found.is_read_only:
        yield problem(
            "Postgres writes", "read-only: a standby, or told so", "Name the primary in DATABASE_URL, or several hosts"
        )
    else:
        yield passed("Postgres writes", "takes writes")
    share = found.connections / found.max_connections
    said = f"{found.connections} of {found.max_connections} in use"
    if share > MOST_CONNECTIONS:
        yield heads_up("Postgres connections", said, "Raise max_connections, or put PgBouncer between")
    else:
        yield passed("Postgres connections", said)


def schema(res: Resources) -> Iterator[Result]:
    """Whether it is migrated."""
    with res.database.connect() as conn:
        found = server.schema(conn)
    if found.missing is None:
        yield heads_up(
            "Schema", f"at {found.present}, which this version does not know", "A newer version runs; update this one"
        )
    elif found.missing:
        said = "empty" if found.present is None else f"at {found.present}; {found.missing} migrations behind"
        yield problem("Schema", said, "pluggy-sync migrate")
    else:
        yield passed("Schema", f"at {found.present}, the newest")


def pooler(res: Resources) -> Iterator[Result]:
    """Whether what stands between keeps a transaction together."""
    try:
        with res.database.begin() as conn:
            pooled = server.is_pooled(conn)
            together = server.keeps_transactions(conn)
    except DBAPIError as exc:
        if "statement pooling" not in str(exc.orig):
            raise
        pooled, together = True, False
    if not together:
        yield problem(
            "Pooler", "statements of one transaction go to different servers", "Set pool_mode to transaction or session"
        )
    else:
        yield passed("Pooler", "a pooler that keeps transactions together" if pooled else "none")


def autovacuum(res: Resources) -> Iterator[Result]:
    """Whether dead rows are removed."""
    with res.database.connect() as conn:
        found, off, bloated = server.server(conn), server.never_vacuumed(conn), server.bloated(conn)
    if not found.autovacuum:
        yield problem("Autovacuum", "switched off", "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf()")
    elif off:
        names = ", ".join(off)
        yield problem("Autovacuum", f"switched off for {names}", "ALTER TABLE ... RESET (autovacuum_enabled)")
    elif bloated:
        yield heads_up(
            "Autovacuum",
            f"does not keep up with {', '.join(bloated)}",
            "Raise autovacuum_vacuum_cost_limit; look for transactions that stay open (pg_stat_activity)",
        )
    else:
        yield passed("Autovacuum", "on, and keeps up")
    if found.oldest_xid_age > MOST_XID_AGE:
        yield problem(
            "Transaction ids", f"the oldest is {found.oldest_xid_age:,} behind", "VACUUM FREEZE; see why it did not run"
        )


def disk(res: Resources) -> Iterator[Result]:
    """Whether it has room, where this machine can see it."""
    with res.database.connect() as conn:
        size = f"{server.size(conn) / 1024**3:.1f} GB stored"
    rooms = [room for room in watchdog.disks(res) if room.place == "postgres"]
    if not rooms:
        yield not_seen("Postgres disk", f"not of this machine; {size}", "Watch it where Postgres runs")
    for room in rooms:
        said = f"{room.free / 1024**3:.1f} of {room.total / 1024**3:.1f} GB left; {size}"
        if room.is_low:
            yield problem("Postgres disk", said, "Make room, before it takes no writes any more")
        else:
            yield passed("Postgres disk", said)
