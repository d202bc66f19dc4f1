"""The watchdog: each trouble is seen in the real thing, told once, survives a restart, and is over by itself."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync import events, queue, rejections
from pluggy_sync.engine import watchdog
from pluggy_sync.redis_options import redis_options
from pluggy_sync.rules.alerts import CLEARED_AFTER, KEPT_FOR, PLUGGYS, Code, Finding, Room, Work
from pluggy_sync.store import alerts, deliveries, endpoints, inbox, item_progress, items, observations, schedule, tables
from standalone.polling import eventually
from tests.kit.factories import WEBHOOK_SECRET, an_event, an_id

URL = "https://sync.example.com/webhooks/pluggy"
DAY = timedelta(days=1)


@pytest.fixture
def res(resources):
    """A service whose own webhook at Pluggy is to be at `URL`, and that tells a product."""
    settings = dataclasses.replace(
        resources.settings,
        public_url=URL.removesuffix("/webhooks/pluggy"),
        product_webhook_url="http://127.0.0.1:1/never-asked",
    )
    return dataclasses.replace(resources, settings=settings)


def open_alerts(res):
    with res.database.begin() as conn:
        return [(alert.code, alert.subject) for alert in alerts.open_(conn)]


def told(res):
    """Return the type, code and subject of each notification of the watchdog, in their order."""
    with res.database.begin() as conn:
        bodies = conn.scalars(
            sa.select(tables.outbox.c.body)
            .where(tables.outbox.c.type.like("system.%"))
            .order_by(tables.outbox.c.created_at)
        ).all()
    read = [json.loads(body) for body in bodies]
    return [(each["type"], each["data"]["code"], each["data"]["subject"]) for each in read]


def codes(res):
    return {code for code, _ in open_alerts(res)}


def store_event(res, name="item/updated", **more):
    with res.database.begin() as conn:
        payload = an_event(name, itemId=an_id())
        return inbox.record(conn, events.of_payload(payload), received_at=res.now(), **more).event_id


# What is told, and when it is over


def test_a_trouble_is_told_once_and_when_it_is_over(res, clock):
    finding = Finding(code=Code.DISK_LOW, subject="spill", detail="9 MB")
    for _ in range(3):
        watchdog.settle(res, [finding], {Code.DISK_LOW}, res.now())
        clock.advance(minutes=1)
    watchdog.settle(res, [], {Code.DISK_LOW}, res.now())
    assert told(res) == [("system.alert", "disk_low", "spill")]

    clock.advance(seconds=CLEARED_AFTER.total_seconds())
    for _ in range(2):
        watchdog.settle(res, [], {Code.DISK_LOW}, res.now())

    assert told(res) == [("system.alert", "disk_low", "spill"), ("system.alert_cleared", "disk_low", "spill")]
    assert open_alerts(res) == []


def test_of_two_watchdogs_that_see_the_same_at_once_one_tells_it(res):
    finding = Finding(code=Code.DISK_LOW, subject="spill", detail="9 MB")
    with res.database.begin() as first:
        assert alerts.see(first, finding, now=res.now()) is not None
        with ThreadPoolExecutor(1) as threads:
            second = threads.submit(watchdog.settle, res, [finding], {Code.DISK_LOW}, res.now())
            # It waits for the first one's row, and finds it once that is committed.
            eventually(lambda: is_waiting(res), what="the second watchdog waits")
            first.commit()
            second.result(timeout=60)

    assert (open_alerts(res), told(res)) == ([(Code.DISK_LOW, "spill")], [])


def is_waiting(res):
    with res.database.connect() as conn:
        waiting = sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%alerts%'"
        )
        return conn.scalar(waiting) > 0


def test_what_comes_back_later_is_told_again(res, clock):
    for seen in ([Finding(code=Code.DISK_LOW, detail="x")], [], [Finding(code=Code.DISK_LOW, detail="x")]):
        watchdog.settle(res, seen, {Code.DISK_LOW}, res.now())
        clock.advance(minutes=6)

    assert [type_ for type_, _, _ in told(res)] == ["system.alert", "system.alert_cleared", "system.alert"]


def test_what_was_not_looked_at_is_not_taken_for_mended(res, clock):
    watchdog.settle(res, [Finding(code=Code.DISK_LOW, detail="x")], {Code.DISK_LOW}, res.now())
    clock.advance(days=1)

    watchdog.settle(res, [], {Code.WORK_OVERDUE}, res.now())

    assert codes(res) == {Code.DISK_LOW}


def test_the_detail_follows_and_since_stays(res, clock):
    since = res.now() - DAY
    for detail in ("9 MB", "8 MB"):
        watchdog.settle(res, [Finding(code=Code.DISK_LOW, detail=detail, since=since)], (), res.now())

    with res.database.begin() as conn:
        (alert,) = alerts.open_(conn)
        counted = alerts.open_by_code(conn)
    assert (alert.detail, alert.since) == ("8 MB", since)
    assert counted == {code: int(code == Code.DISK_LOW) for code in Code}


def test_alerts_that_are_over_are_kept_for_a_while_only(res, clock):
    watchdog.settle(res, [Finding(code=Code.DISK_LOW, detail="x")], (), res.now())
    clock.advance(minutes=6)
    watchdog.settle(res, [], {Code.DISK_LOW}, res.now())
    with res.database.begin() as conn:
        assert len(alerts.newest(conn, limit=10)) == 1

    clock.advance(seconds=KEPT_FOR.total_seconds() + 1)
    watchdog.settle(res, [], {Code.DISK_LOW}, res.now())

    with res.database.begin() as conn:
        assert alerts.newest(conn, limit=10) == []


def test_a_code_of_a_newer_version_is_passed_over(res):
    with res.database.begin() as conn:
        now = res.now()
        row = {"code": "of_a_newer_version", "detail": "x", "since": now, "raised_at": now, "last_seen_at": now}
        conn.execute(sa.insert(tables.alerts).values(row))

    watchdog.settle(res, [], set(Code), res.now())

    assert open_alerts(res) == []


def test_a_service_that_is_well_has_no_alert_and_says_that_it_looked(res, upstream):
    upstream.sandbox.api(
        "POST", "/webhooks", {"url": URL, "event": "all", "headers": {"X-Webhook-Secret": WEBHOOK_SECRET}}
    )

    watchdog.watch(res)
    watchdog.watch_pluggy(res)

    assert codes(res) <= {Code.DISK_LOW}  # the disk of the machine that runs the tests
    with res.database.begin() as conn:
        assert None not in (schedule.last_done(conn, queue.WATCH), schedule.last_done(conn, queue.WATCH_PLUGGY))


# At Pluggy


@pytest.fixture
def webhook(upstream):
    """Our webhook as it should be; a call of it changes it."""
    headers = {"X-Webhook-Secret": WEBHOOK_SECRET}
    made = upstream.sandbox.api("POST", "/webhooks", {"url": URL, "event": "all", "headers": headers})

    def change(**values):
        return upstream.sandbox.api("PATCH", f"/webhooks/{made['id']}", values)

    change.id = made["id"]
    return change


def test_a_webhook_that_is_missing_is_told(res, upstream):
    watchdog.watch_pluggy(res)

    assert open_alerts(res) == [(Code.WEBHOOK_MISSING, "")]


def test_a_webhook_that_was_switched_off_is_told_and_over_once_it_is_on(res, webhook, clock):
    webhook(enabled=False)
    watchdog.watch_pluggy(res)
    assert open_alerts(res) == [(Code.WEBHOOK_SWITCHED_OFF, webhook.id)]

    webhook(enabled=True)
    clock.advance(minutes=5)
    watchdog.watch_pluggy(res)

    assert open_alerts(res) == []


@pytest.mark.parametrize(
    "change", [{"event": "item/updated"}, {"headers": None}, {"headers": {"X-Webhook-Secret": "no"}}]
)
def test_a_webhook_that_lacks_events_or_the_secret_is_told(res, webhook, change):
    webhook(**change)

    watchdog.watch_pluggy(res)

    assert codes(res) == {Code.WEBHOOK_CHANGED}


def test_two_webhooks_that_deliver_the_same_are_told(res, webhook, upstream):
    headers = {"X-Webhook-Secret": WEBHOOK_SECRET}
    upstream.sandbox.api("POST", "/webhooks", {"url": f"{URL}/", "event": "all", "headers": headers})

    watchdog.watch_pluggy(res)

    assert codes(res) == {Code.WEBHOOK_DUPLICATED}


def test_refused_credentials_are_told_also_while_an_older_key_is_good(res, webhook, upstream):
    res.pluggy.webhooks()  # signs in, and keeps the key
    upstream.fail({"endpoint": "POST /auth", "do": "status", "status": 401})

    watchdog.watch_pluggy(res)

    assert codes(res) == {Code.CREDENTIALS_REFUSED}


def test_a_pluggy_that_does_not_answer_raises_and_clears_nothing(res, webhook, upstream, clock):
    webhook(enabled=False)
    watchdog.watch_pluggy(res)
    clock.advance(hours=1)
    upstream.fail(
        {"endpoint": "GET /webhooks", "do": "status", "status": 503},
        {"endpoint": "POST /auth", "do": "status", "status": 503},
    )

    watchdog.watch_pluggy(res)

    assert codes(res) == {Code.WEBHOOK_SWITCHED_OFF}


# Of ours


def test_rejected_deliveries_are_told_with_their_address_and_over_when_none_come(res, web, clock):
    for number in range(5):
        headers = {"X-Webhook-Secret": "wrong"} if number else {}
        web.post("/webhooks/pluggy", json={}, headers=headers, environ_base={"REMOTE_ADDR": "203.0.113.9"})
    watchdog.watch(res)

    with res.database.begin() as conn:
        alert = next(each for each in alerts.open_(conn) if each.code == Code.DELIVERIES_REJECTED)
    assert "4 from 203.0.113.9 with a wrong secret" in alert.detail
    assert "1 from 203.0.113.9 with a missing secret" in alert.detail

    clock.advance(minutes=21)
    watchdog.watch(res)
    assert Code.DELIVERIES_REJECTED not in codes(res)


def test_strangers_of_many_addresses_take_no_more_than_their_room(res):
    for number in range(rejections.MOST_ADDRESSES + 5):
        rejections.count(res, why=rejections.WRONG, address=f"2001:db8::{number:x}")
    rejections.count(res, why=rejections.WRONG, address="<script>")

    latest = rejections.latest(res.redis, res.now())

    assert sum(each.number for each in latest) == rejections.MOST_ADDRESSES + 6
    assert len(latest) == rejections.MOST_ADDRESSES + 1
    assert latest[0].address == rejections.ELSEWHERE


def test_silence_is_told_where_events_came_at_this_hour_on_the_days_before(res, clock):
    start = res.now()
    clock.advance(days=-8)
    for _ in range(8):
        for _ in range(4):
            clock.advance(minutes=20)
            store_event(res)
        clock.advance_to(start + timedelta(days=-7))
        with res.database.begin() as conn:
            observations.count_events(conn, now=res.now())
        start += DAY
    with res.database.begin() as conn:
        counted = conn.scalar(sa.select(sa.func.sum(tables.event_counts.c.number)))
        observations.count_events(conn, now=res.now())
        assert conn.scalar(sa.select(sa.func.sum(tables.event_counts.c.number))) == counted == 32
    watchdog.watch(res)
    quiet = codes(res)

    clock.advance(minutes=100)
    watchdog.watch(res)

    assert Code.EVENTS_SILENT not in quiet
    assert Code.EVENTS_SILENT in codes(res)


def test_requests_of_our_own_are_no_events_of_pluggys(res):
    with res.database.begin() as conn:
        inbox.request_fetch(conn, an_id(), why="test", now=res.now())
        observations.count_events(conn, now=res.now())

        assert observations.last_event(conn) is None


def overdue(res):
    with res.database.begin() as conn:
        return {work for work, since in observations.overdue_since(conn, res.now()).items() if since is not None}


def test_an_event_that_nobody_handles_is_overdue_however_often_the_sweep_queues_it(res, clock):
    store_event(res, "item/waiting_user_input")
    store_event(res)
    for _ in range(20):
        clock.advance(minutes=1)
        with res.database.begin() as conn:
            inbox.take_due_urgent(conn, now=res.now(), limit=10)
            inbox.take_due(conn, now=res.now(), limit=10)

    watchdog.watch(res)

    assert {(Code.WORK_OVERDUE, Work.URGENT_EVENTS), (Code.WORK_OVERDUE, Work.EVENTS)} <= set(open_alerts(res))


def test_an_event_that_was_put_off_on_purpose_is_not_overdue_before_its_time(res, clock):
    event_id = store_event(res)
    own = store_event(res, due_at=res.now() + DAY)
    clock.advance(hours=1)
    assert overdue(res) == {Work.EVENTS}
    with res.database.begin() as conn:
        inbox.reschedule(conn, event_id, "503", until=res.now() + timedelta(hours=3))
    assert overdue(res) == set()

    clock.advance(hours=4)
    assert overdue(res) == {Work.EVENTS}
    with res.database.begin() as conn:
        for each in (event_id, own):
            inbox.await_budget(conn, each, "429", until=res.now() + timedelta(hours=1))
    assert overdue(res) == set()


def test_a_sync_is_overdue_until_it_is_put_off_leased_or_done(res, clock):
    item_id = an_id()
    with res.database.begin() as conn:
        items.lock(conn, item_id, now=res.now())
        conn.execute(sa.insert(tables.item_progress).values(item_id=item_id))
        item_progress.request_sync(conn, item_id, due_at=res.now())
    clock.advance(hours=1)
    with res.database.begin() as conn:
        item_progress.take_due_syncs(conn, now=res.now(), until=res.now() + timedelta(minutes=1), limit=10)
    assert overdue(res) == {Work.SYNCS}

    with res.database.begin() as conn:
        conn.execute(sa.update(tables.items).values(lease_until=res.now() + timedelta(seconds=30)))
    assert overdue(res) == set()
    clock.advance(minutes=1)
    with res.database.begin() as conn:
        item_progress.reschedule_sync(conn, item_id, until=res.now() + timedelta(hours=1), attempts=1)
    assert overdue(res) == set()
    clock.advance(hours=2)
    assert overdue(res) == {Work.SYNCS}
    with res.database.begin() as conn:
        item_progress.mark_synced(conn, item_id, through=10, retry_at=None)
    assert overdue(res) == set()


@pytest.fixture
def delivery(res):
    """A notification that waits for the product's endpoint."""
    watchdog.settle(res, [Finding(code=Code.QUOTA_USED_UP, detail="x")], (), res.now())
    with res.database.begin() as conn:
        return conn.execute(sa.select(tables.deliveries.c.id)).scalar_one()


def test_a_notification_is_overdue_unless_its_endpoint_fails_or_is_stopped(res, delivery, clock):
    clock.advance(hours=1)
    assert overdue(res) == {Work.NOTIFICATIONS}

    with res.database.begin() as conn:
        conn.execute(sa.update(tables.endpoints).values(failing_since=res.now()))
    assert overdue(res) == set()
    with res.database.begin() as conn:
        conn.execute(sa.update(tables.endpoints).values(failing_since=None))
        endpoints.stop(conn, endpoints.ENVIRONMENT, endpoints.GONE, now=res.now())
    assert overdue(res) == set()


def test_dead_letters_are_told_for_a_day_and_old_ones_hide_no_new_one(res, delivery, clock):
    event_id = store_event(res)
    with res.database.begin() as conn:
        inbox.mark_dead(conn, event_id, "503", now=res.now())
        deliveries.mark_dead(conn, delivery)
    watchdog.watch(res)
    assert {(Code.DEAD_LETTERS, Work.EVENTS), (Code.DEAD_LETTERS, Work.NOTIFICATIONS)} <= set(open_alerts(res))

    clock.advance(days=5)
    watchdog.watch(res)
    assert Code.DEAD_LETTERS not in codes(res)

    with res.database.begin() as conn:
        inbox.mark_dead(conn, store_event_in(conn, res), "503", now=res.now())
    watchdog.watch(res)
    assert (Code.DEAD_LETTERS, Work.EVENTS) in open_alerts(res)


def store_event_in(conn, res):
    return inbox.record(conn, events.of_payload(an_event(itemId=an_id())), received_at=res.now()).event_id


def test_a_stopped_endpoint_is_told_until_it_is_resumed(res, clock):
    with res.database.begin() as conn:
        endpoints.stop(conn, endpoints.ENVIRONMENT, endpoints.GONE, now=res.now())
    watchdog.watch(res)
    assert (Code.ENDPOINT_STOPPED, endpoints.ENVIRONMENT) in open_alerts(res)

    with res.database.begin() as conn:
        conn.execute(sa.update(tables.endpoints).values(stopped_at=None, stop_reason=None))
    clock.advance(minutes=6)
    watchdog.watch(res)
    assert Code.ENDPOINT_STOPPED not in codes(res)


def add_items(res, number, **values):
    with res.database.begin() as conn:
        rows = [{"id": an_id(), "first_seen_at": res.now(), "connector_id": 2, **values} for _ in range(number)]
        conn.execute(sa.insert(tables.items), rows)
        conn.execute(sa.insert(tables.item_counts).values(status=f"of {number}", number=number, counted_at=res.now()))
    return [row["id"] for row in rows]


def test_items_past_their_update_are_told(res):
    add_items(res, 10, status="UPDATED", next_auto_sync_at=res.now() - DAY)
    # A person has to act: nobody expects an update.
    add_items(res, 20, status="LOGIN_ERROR", next_auto_sync_at=res.now() - DAY)

    watchdog.watch(res)

    with res.database.begin() as conn:
        (detail,) = [each.detail for each in alerts.open_(conn) if each.code == Code.ITEMS_OVERDUE]
    assert detail == "10 of 30 Items"


def test_balances_that_drift_are_told_by_bank(res):
    with res.database.begin() as conn:
        conn.execute(sa.insert(tables.connectors).values(id=2, name="Pluggy Bank", updated_at=res.now()))
    for item_id in add_items(res, 5, status="UPDATED"):
        with res.database.begin() as conn:
            row = {"account_id": an_id(), "item_id": item_id, "collected_at": res.now(), "balance": 1, "rows_total": 1}
            conn.execute(sa.insert(tables.balances).values(**row, drift=3))

    watchdog.watch(res)

    with res.database.begin() as conn:
        (detail,) = [each.detail for each in alerts.open_(conn) if each.code == Code.BALANCES_DRIFT]
    assert detail.startswith("Pluggy Bank (2): 5 of 5 accounts")


def test_a_used_up_quota_is_told_by_bank(res):
    warned = {"statusDetail": {"accounts": {"isUpdated": False, "warnings": [{"code": "423", "message": "x"}]}}}
    other = {"statusDetail": {"accounts": {"isUpdated": False, "warnings": [{"code": "001"}]}}}
    add_items(res, 3, status="UPDATED", raw=warned)
    add_items(res, 4, status="UPDATED", raw=other)

    watchdog.watch(res)

    with res.database.begin() as conn:
        (detail,) = [each.detail for each in alerts.open_(conn) if each.code == Code.QUOTA_USED_UP]
    assert detail == "bank (2): 3 Items"


def test_room_is_looked_for_where_this_process_sees_it(res, tmp_path):
    with_spill = dataclasses.replace(res, settings=dataclasses.replace(res.settings, spill_folder=str(tmp_path)))
    res.redis.config_set("maxmemory", str(1024**3))
    try:
        found = {room.place: room for room in watchdog.rooms(with_spill)}
    finally:
        res.redis.config_set("maxmemory", "0")

    assert set(found) == {"spill", "postgres", "redis"}
    assert all(0 < room.free <= room.total for room in found.values())
    assert found["redis"].total == 1024**3


def test_a_full_redis_is_told(res, monkeypatch):
    used = int(res.redis.info("memory")["used_memory"])
    res.redis.config_set("maxmemory", str(used + 50_000))
    try:
        watchdog.watch(res)
    finally:
        res.redis.config_set("maxmemory", "0")

    assert (Code.DISK_LOW, "redis") in open_alerts(res)
    assert Room(place="redis", free=1, total=2).is_low is False


def test_without_redis_the_rest_is_looked_at(res, clock):
    lonely = dataclasses.replace(res, redis=dead_redis())
    store_event(res)
    clock.advance(hours=1)

    watchdog.watch(lonely)

    assert Code.WORK_OVERDUE in codes(res)


def dead_redis():
    return redis_options("redis://127.0.0.1:1/0").client(connect_timeout_s=1, timeout_s=1)


def test_the_list_of_what_pluggy_is_asked_about_is_that_of_the_watchdog():
    assert {code for codes_ in watchdog._PLUGGYS for code in codes_} == PLUGGYS
    assert {code for codes_ in watchdog._OURS for code in codes_} == set(Code) - PLUGGYS
