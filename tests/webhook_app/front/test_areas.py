"""The bounds of the areas, and of Postgres and Redis, are those that docs/architecture.md tells."""

from pathlib import Path

import pytest

from pluggy_sync.breaker import REST_S
from pluggy_sync.queue import MOST_WAITING
from pluggy_sync.store.database import INTAKE, WEB, WORKER
from standalone import procfile
from tests.kit.factories import a_settings
from webhook_app.front.areas import BUFFERED_BYTES, KIB, STREAM_PART_S, STREAM_S, STREAMS, areas, threads
from webhook_app.intake.writer import AGAIN_WITHIN_S, BUSY_FOR_S, LOOKS_EVERY_S, WAITS_FOR_S

PAGE = (Path(__file__).parents[3] / "docs/architecture.md").read_text()
SETTINGS = a_settings()
AREAS = {area.name: area for area in areas(SETTINGS)}


def row(peer):
    (found,) = [line for line in PAGE.splitlines() if line.startswith(f"| {peer} |")]
    return found


@pytest.mark.parametrize(
    "peer, area", [("Client of `/webhooks`", "webhooks"), ("Client of `/v1`", "api"), ("Client of `/act`", "person")]
)
def test_the_page_tells_the_bounds_of_each_area(peer, area):
    told, bounds = row(peer), AREAS[area]

    assert f"body {bounds.body_s:g} s, answer {bounds.answer_s:g} s" in told
    assert ("`WEBHOOK_MAX_BYTES`" if area == "webhooks" else f"{bounds.body_bytes // KIB} KiB") in told
    assert f"{bounds.too_slow}" in told
    assert "headers 10 s" in told
    assert "--http1-header-read-timeout 10000" in procfile.commands()["web"]


def test_the_page_tells_the_bounds_of_all_clients_together():
    told = row("All clients of one process")

    assert f"{BUFFERED_BYTES // KIB // KIB} MiB" in told
    assert f"streams: {STREAM_PART_S:g} s a part" in told
    assert f"streams: {STREAM_S:g} s" in told
    assert {4: "four"}[STREAMS] in told


def test_the_page_tells_how_long_postgres_and_redis_are_waited_for():
    web, workers = row("Postgres, from the web"), row("Postgres, from workers")

    assert f"{WEB.connect_s} s, pool {WEB.pool_wait_s:g} s" in web
    assert f"statement {WEB.statement_s:g} s, lock {WEB.lock_s:g} s, answer {WEB.answer_s:g} s" in web
    assert f"{WORKER.connect_s} s, pool {WORKER.pool_wait_s:g} s" in workers
    assert (
        f"statement {WORKER.statement_s:g} s, lock {WORKER.lock_s:g} s, idle in a transaction {WORKER.idle_s:g} s"
        in workers
    )
    assert f"after a failure nobody asks for {REST_S:g} s" in row("Redis, from every process")


def test_the_page_tells_how_long_the_writer_waits_and_that_leaves_time_to_tell_pluggy():
    told = row("Postgres, from the writer of webhooks")

    assert f"| {INTAKE.connect_s} s |" in told
    assert f"statement {INTAKE.statement_s:g} s, lock {INTAKE.lock_s:g} s, answer {INTAKE.answer_s:g} s" in told
    assert f"passed over for {BUSY_FOR_S:g} s" in told
    assert f"{MOST_WAITING:,} messages wait" in row("Redis, from every process")
    # On an old connection that fails at once, and then on a new one that stays silent; and behind such a batch.
    assert AGAIN_WITHIN_S + INTAKE.connect_s < AREAS["webhooks"].answer_s
    assert WAITS_FOR_S + LOOKS_EVERY_S < INTAKE.answer_s + LOOKS_EVERY_S < AREAS["webhooks"].answer_s


def test_pluggy_is_answered_before_it_gives_up_and_a_body_leaves_time_for_the_answer():
    assert AREAS["webhooks"].body_s < AREAS["webhooks"].answer_s < 5


def test_every_address_lies_in_an_area_and_health_shares_its_thread_with_nothing():
    def area_of(path):
        return next(area.name for area in areas(SETTINGS) if area.holds(path))

    addresses = [
        "/webhooks/pluggy",
        "/act/x",
        "/act-files/act.js",
        "/v1/items",
        "/health",
        "/ready",
        "/metrics",
        "/",
        "/x",
    ]

    assert [area_of(each) for each in addresses] == [
        *("webhooks", "person", "files", "api", "health"),
        *("other", "other", "other", "other"),
    ]


def test_there_are_connections_for_all_threads():
    assert threads(SETTINGS) >= sum(area.threads for area in areas(SETTINGS))
