"""A worker that is told to end does so within its limit, and another one goes on at once with what it did not end."""

import signal
from datetime import UTC, datetime

import pytest

from pluggy_sync.store.tables import inbox
from standalone.polling import eventually
from tests.kit.factories import an_environ
from tests.kit.worker_processes import running_worker

pytestmark = pytest.mark.slow

# Of a request to Pluggy; a sync makes more than ten.
SLOW_S = 4
# What Compose and Kubernetes give it at least.
LIMIT_S = 60


@pytest.fixture
def environ(settings):
    return an_environ(
        DATABASE_URL=settings.database_url,
        REDIS_URL=settings.redis_url,
        PLUGGY_API_URL=settings.pluggy_api_url,
        PLUGGY_CLIENT_ID=settings.pluggy_client_id,
        PLUGGY_CLIENT_SECRET=settings.pluggy_client_secret,
        SWEEP_INTERVAL_S="2",
    )


def outcomes(service):
    return [run.outcome for run in service.runs()]


def test_a_sync_that_takes_longer_gives_its_item_back_and_another_worker_ends_it(service, upstream, environ, tmp_path):
    item_id = upstream.connect(products=None)
    events = upstream.take_events()
    with running_worker(environ, tmp_path) as worker:
        service.deliver(*events)
        eventually(lambda: outcomes(service) == ["running"], what="the sync has begun")
        upstream.fail({"endpoint": "*", "do": "slow", "seconds": SLOW_S})

        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(LIMIT_S) == 0
        upstream.fail()

        # Nobody has to wait until the lease ends.
        item = service.item(item_id)
        assert item.lease_until is None or item.lease_until <= datetime.now(UTC)
        assert outcomes(service) == ["rescheduled"]
        assert {row.state for row in service.rows(inbox)} <= {"handled", "stored"}
    (tmp_path / "next").mkdir()
    with running_worker(environ, tmp_path / "next", beat=True):
        eventually(lambda: "done" in outcomes(service), within_s=90, what="the other worker ends the sync")

    assert "abandoned" not in outcomes(service)
    service.assert_mirrors(item_id)


def test_a_task_that_ends_by_itself_in_a_moment_is_let(service, upstream, environ, tmp_path):
    item_id = upstream.connect(products=None)
    events = upstream.take_events()
    with running_worker(environ, tmp_path) as worker:
        service.deliver(*events)
        eventually(lambda: outcomes(service) == ["running"], what="the sync has begun")

        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(LIMIT_S) == 0

    assert outcomes(service) == ["done"]
    service.assert_mirrors(item_id)
