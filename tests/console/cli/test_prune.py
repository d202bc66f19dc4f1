"""`pluggy-sync prune`: it says what it removes, or would, and removes the same as the workers do."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from console.cli import exits, main
from pluggy_sync.rules.retention import Tier
from pluggy_sync.store import tables
from tests.kit.factories import an_environ


@pytest.fixture
def call(database_url, tmp_path, monkeypatch):
    # Where neither a .env nor a run of `make up` has settings of its own.
    monkeypatch.chdir(tmp_path)

    def call(*arguments, text=None, **environ):
        given = an_environ(**{"DATABASE_URL": database_url, **environ})
        return CliRunner().invoke(main, ["prune", *arguments], env=given, input=text)

    return call


@pytest.fixture
def runs(database):
    """Write three sync runs that are 100 days old; return a function that counts those that are left."""
    row = {"item_id": "an-item", "trigger": "item/updated", "began_at_seq": 1, "cursor": 0, "outcome": "done"}
    at = datetime.now(UTC) - timedelta(days=100)
    with database.begin() as conn:
        conn.execute(sa.insert(tables.sync_runs), [{**row, "id": uuid.uuid4(), "started_at": at} for _ in range(3)])

    def left():
        with database.begin() as conn:
            return conn.scalar(sa.select(sa.func.count()).select_from(tables.sync_runs))

    return left


def test_it_removes_what_is_over_its_life_and_says_how_much(call, runs):
    done = call("--yes")

    assert done.exit_code == 0, done.output
    assert ["sync_runs", "90", "days", "3"] in [line.split() for line in done.output.splitlines()]
    assert runs() == 0


def test_it_counts_and_asks_before_it_removes(call, runs):
    refused = call(text="n\n")

    assert refused.exit_code == exits.FAILED
    assert "3 of sync_runs. Remove them for ever?" in refused.output
    assert runs() == 3
    assert call(text="y\n").exit_code == 0
    assert runs() == 0
    assert call().exit_code == 0


def test_a_dry_run_counts_and_removes_nothing(call, runs):
    done = call("--dry-run", "--json")

    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == dict.fromkeys(Tier, 0) | {"sync_runs": 3}
    assert runs() == 3


def test_what_is_kept_for_ever_stays(call, runs):
    done = call(KEEP_SYNC_RUNS_DAYS="forever")

    assert done.exit_code == 0, done.output
    assert runs() == 3


def test_without_postgres_it_says_so(call):
    done = call(DATABASE_URL="postgresql://127.0.0.1:1/none")

    assert done.exit_code == exits.UNAVAILABLE
    assert "Postgres does not answer" in done.output
