"""Pluggy's clock: measured from its answers, shared between processes, and an alert when ours is far off."""

import types
from datetime import UTC, datetime, timedelta

import pytest
import redis

from pluggy_sync import pluggy_clock
from pluggy_sync.engine import sweep
from pluggy_sync.pluggy import exchange
from pluggy_sync.pluggy_clock import PluggyClock
from pluggy_sync.redis_options import redis_options
from tests.kit.clock import Clock
from tests.kit.factories import API_TOKEN
from tests.kit.service import Service

AHEAD = timedelta(minutes=5)
AUTHORIZED = {"Authorization": f"Bearer {API_TOKEN}"}


@pytest.fixture
def shared(shared_valkey):
    client = redis.Redis.from_url(shared_valkey.url)
    client.flushall()
    yield client
    client.close()


@pytest.mark.parametrize("measured, ahead_s", [(0.0, 0.0), (1.9, 0.0), (-1.9, 0.0), (300.0, 300.0), (-300.0, -300.0)])
def test_what_the_resolution_of_the_header_explains_is_no_difference(shared, measured, ahead_s):
    assert PluggyClock(shared, lambda: measured).ahead_s == ahead_s


def test_a_process_that_has_not_asked_pluggy_yet_takes_what_another_one_measured(shared):
    assert PluggyClock(shared, lambda: 300.0).ahead_s == 300.0

    assert PluggyClock(shared, lambda: None).ahead_s == 300.0


def test_a_process_believes_its_own_measure_first(shared):
    assert PluggyClock(shared, lambda: 300.0).ahead_s == 300.0

    assert PluggyClock(shared, lambda: -40.0).ahead_s == -40.0


def test_while_nothing_is_known_the_clocks_are_taken_for_equal(shared):
    assert PluggyClock(shared, lambda: None).ahead_s == 0.0


def test_without_redis_a_process_knows_what_it_measured():
    with redis_options("redis://127.0.0.1:1/0").client(connect_timeout_s=1, timeout_s=1) as nowhere:
        assert PluggyClock(nowhere, lambda: None).ahead_s == 0.0
        assert PluggyClock(nowhere, lambda: 300.0).ahead_s == 300.0


@pytest.mark.parametrize("ahead_s, alerts", [(29.0, 0), (31.0, 1), (-31.0, 1)])
def test_more_than_half_a_minute_is_an_alert_and_one_is_enough(shared, caplog, ahead_s, alerts):
    clock = PluggyClock(shared, lambda: ahead_s)

    for _ in range(5):
        assert clock.ahead_s == ahead_s

    assert caplog.text.count("clock.differs_from_pluggys") == alerts


@pytest.fixture
def clock() -> Clock:
    """Our clock, minutes ahead of Pluggy's."""
    return Clock(datetime.now(UTC) + AHEAD)


@pytest.fixture
def measured_by_our_clock(monkeypatch, clock):
    """Let the client read the same clock as everything else."""
    time = exchange.time.time
    ours = types.SimpleNamespace(time=lambda: time() + AHEAD.total_seconds(), monotonic=exchange.time.monotonic)
    monkeypatch.setattr(exchange, "time", ours)


def test_with_our_clock_ahead_a_person_is_asked_can_answer_and_is_too_late_by_pluggys_clock(
    service: Service, clock: Clock, measured_by_our_clock, caplog
):
    service.upstream.connect(connector=5)
    service.deliver(*service.upstream.take_events())
    service.work()

    (action,) = service.actions()
    # The product and the person see the deadline as Pluggy sent it: it is past by our clock.
    assert (action.state, action.expires_at < clock()) == ("open", True)
    assert "clock.differs_from_pluggys" in caplog.text

    sweep.sweep(service.res)
    assert service.actions()[0].state == "open"

    page = service.web.get(service.res.links.to(action.id).removeprefix(service.res.settings.public_url))
    assert 'name="value"' in page.get_data(as_text=True)
    answer = service.web.post(f"/v1/actions/{action.id}/mfa", json={"value": "123456"}, headers=AUTHORIZED)
    assert answer.status_code == 202, answer.get_json()


def test_with_our_clock_ahead_what_is_too_late_by_pluggys_clock_expires(
    service: Service, clock: Clock, measured_by_our_clock
):
    service.upstream.connect(connector=5)
    service.deliver(*service.upstream.take_events())
    service.work()
    (action,) = service.actions()

    clock.advance_to(action.expires_at + AHEAD + timedelta(seconds=5))
    sweep.sweep(service.res)

    assert service.actions()[0].state == "expired"


def test_the_difference_is_a_metric(service: Service, measured_by_our_clock):
    service.upstream.connect()
    service.deliver(*service.upstream.take_events())
    service.work()
    assert service.res.pluggy_now() < service.res.now()

    metrics = service.web.get("/metrics", headers=AUTHORIZED).get_data(as_text=True)

    [line] = [line for line in metrics.splitlines() if line.startswith("pluggy_sync_clock_ahead_seconds ")]
    assert 295 < float(line.split()[1]) < 305
    assert pluggy_clock.SHARED == "pluggy-sync:clock-ahead"
