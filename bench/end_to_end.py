"""
From Pluggy's answers to committed rows, one Item in one worker's process: how quick, and how much memory.

The reference for speed reads the same pages and stores nothing: the local Pluggy bounds both.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

import sqlalchemy as sa

from bench.outcome import Outcome, rate
from bench.stage import Stage, connect, resources_of
from pluggy_sync.store.tables import transactions
from standalone.sandbox import Sandbox

# `user-ok-perf-<n>x` has about 200 rows times n in each of two accounts.
ROWS_PER_TIME = 400
MOST_MEMORY = 1.3


@dataclass(frozen=True, kw_only=True)
class _Synced:
    rows: int
    seconds: float
    peak_kib: int


def measure(stage: Stage, pluggy: Sandbox, *, few: int = 1_000, many: int = 500_000) -> list[Outcome]:
    """Return the outcomes of syncing an Item of *few* rows and one of *many*."""
    small = _sync(stage, pluggy, connect(pluggy, _user(few)))
    large_id = connect(pluggy, _user(many))
    read_rows, read_seconds = _only_read(pluggy, large_id, most=many // 10)
    large = _sync(stage, pluggy, large_id)
    of_reading = (large.rows / large.seconds) / (read_rows / read_seconds)
    memory = large.peak_kib / small.peak_kib
    return [
        Outcome(
            what=f"first sync of {large.rows:,} rows, Pluggy to Postgres",
            measured=rate(large.rows, large.seconds),
            reference=f"only reading such pages: {rate(read_rows, read_seconds)}",
            ratio=f"{of_reading:.0%}",
        ),
        Outcome(
            what=f"peak memory of a worker, {large.rows:,} rows",
            measured=f"{large.peak_kib / 1024:.1f} MiB",
            reference=f"{small.rows:,} rows: {small.peak_kib / 1024:.1f} MiB",
            ratio=f"{memory:.2f} x",
            target=f"<= {MOST_MEMORY} x",
            met=memory <= MOST_MEMORY,
        ),
    ]


def _user(rows: int) -> str:
    return f"user-ok-perf-{max(1, rows // ROWS_PER_TIME)}x"


def _sync(stage: Stage, pluggy: Sandbox, item_id: str) -> _Synced:
    with stage.environ(pluggy.url) as environ, resources_of(environ) as res:
        command = [sys.executable, "-m", "bench.one_sync", item_id]
        answer = subprocess.run(command, env={**os.environ, **environ}, stdout=subprocess.PIPE, check=True, text=True)
        with res.database.begin() as conn:
            rows = conn.execute(sa.select(sa.func.count()).select_from(transactions)).scalar_one()
    took = json.loads(answer.stdout.splitlines()[-1])
    return _Synced(rows=rows, seconds=took["seconds"], peak_kib=took["peak_kib"])


def _only_read(pluggy: Sandbox, item_id: str, *, most: int) -> tuple[int, float]:
    """Read pages of the Item's first account until there are *most* rows; return the rows and the seconds."""
    account_id = pluggy.api("GET", f"/accounts?itemId={item_id}")["results"][0]["id"]
    began = time.perf_counter()
    rows, query = 0, {"accountId": account_id}
    while rows < most:
        page = pluggy.api("GET", f"/v2/transactions?{urlencode(query)}")
        rows += len(page["results"])
        if not page.get("next"):
            break
        (query["after"],) = parse_qs(urlsplit(page["next"]).query)["after"]
    return rows, time.perf_counter() - began
