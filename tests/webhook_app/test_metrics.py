"""`/metrics`, as Prometheus reads it."""

import dataclasses
from contextlib import closing

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pluggy_sync import spill, worker_signs
from pluggy_sync.engine import freshness_counting, pruning, reconciliation, sweep
from pluggy_sync.metrics import ServiceCollector
from pluggy_sync.pluggy.unreadable import Unreadable, UnreadableRow
from pluggy_sync.resources import create_resources
from pluggy_sync.store import endpoints, inbox, unreadable_rows
from pluggy_sync.store.tables import tombstones, transactions
from tests.kit.factories import API_TOKEN, an_event
from tests.kit.interception import changed, refused
from webhook_app.app import create_app

AUTHORIZED = {"Authorization": f"Bearer {API_TOKEN}"}


@pytest.fixture
def scrape(web):
    def values() -> dict[str, float]:
        answer = web.get("/metrics", headers=AUTHORIZED)
        assert answer.status_code == 200
        samples = (each for family in text_string_to_metric_families(answer.text) for each in family.samples)
        return {
            " ".join([each.name.removeprefix("pluggy_sync_"), *each.labels.values()]): each.value for each in samples
        }

    return values


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_metrics_are_for_holders_of_a_token(web, headers):
    assert web.get("/metrics", headers=headers).status_code == 401


def test_metrics_count_what_waits_and_what_was_done(scrape, service, upstream, clock):
    item_id = upstream.connect()
    service.deliver(an_event("item/created", itemId=item_id))
    clock.advance(seconds=90)

    before = scrape()
    service.work()
    sweep.sweep(service.res)
    after = scrape()

    assert (before["events stored"], after["events stored"]) == (1, 0)
    assert before["oldest_event_age_seconds"] >= 90
    assert after["oldest_event_age_seconds"] == 0
    assert after["runs_last_hour done"] == 1
    assert after["items UPDATED"] == 1
    assert after["notifications pending"] == 1
    assert 0 < after["budget_left GET /v2/transactions"] < after["budget_left PATCH /items/{id}"] + 350
    assert (after["up postgres"], after["up redis"]) == (1, 1)


def test_metrics_count_syncs_that_are_wanted_and_overdue(scrape, service, upstream, clock):
    upstream.fail({"endpoint": "GET /accounts", "do": "status", "status": 500})
    service.deliver(an_event("item/created", itemId=upstream.connect()))
    upstream.fail({"endpoint": "GET /accounts", "do": "status", "status": 500})
    service.work()
    clock.advance(hours=0.5)

    found = scrape()

    assert found["syncs_due"] == 1
    assert found["oldest_sync_overdue_seconds"] > 600
    assert found["runs_last_hour failed"] == 1


def test_metrics_count_dead_events(scrape, service):
    service.deliver(an_event(eventId="dies"))
    with service.res.database.begin() as conn:
        inbox.mark_dead(conn, "dies", "503", now=service.res.now())

    assert scrape()["events dead"] == 1


def test_metrics_tell_of_an_endpoint_that_fails_and_of_one_that_was_stopped(scrape, service):
    now = service.res.now()
    with service.res.database.begin() as conn:
        endpoints.mark_failing(conn, endpoints.ENVIRONMENT, since=now, retry_at=now)
    failing = scrape()
    with service.res.database.begin() as conn:
        endpoints.stop(conn, endpoints.ENVIRONMENT, endpoints.FAILING, now=now)
    stopped = scrape()

    assert (failing["endpoints failing"], failing["endpoints stopped"]) == (1, 0)
    assert (stopped["endpoints failing"], stopped["endpoints stopped"]) == (0, 1)


def test_metrics_count_rows_that_cannot_be_read(scrape, service):
    found = Unreadable()
    for number in range(2):
        found.add(UnreadableRow(what="bills", parent_id="a", row_id=str(number), raw={}, reason="bills: id"))
    with service.res.database.begin() as conn:
        unreadable_rows.save(conn, "an-item", found, now=service.res.now())

    assert scrape()["unreadable_rows bills"] == 2


def test_parts_that_cannot_be_read_are_counted(service, upstream, resources, scrape):
    upstream.connect(products=["ACCOUNTS", "TRANSACTIONS", "LOANS"])
    with changed(resources, "/loans", refused(403)):
        service.catch_up()

    assert scrape()["incomplete_parts loans"] == 1


def test_metrics_count_actions_that_wait_for_a_person(scrape, service, upstream):
    service.deliver(an_event(itemId=upstream.connect("user-locked")))
    service.work()

    assert scrape()["open_actions bank"] == 1


def test_metrics_count_rejected_deliveries_of_all_processes(scrape, web, resources, settings):
    create_app(settings, resources).test_client().post("/webhooks/pluggy", json={})
    web.post("/webhooks/pluggy", json={}, headers={"X-Webhook-Secret": "wrong"})

    assert scrape()["rejected_deliveries_total"] == 2


def test_metrics_count_rows_that_reconciliation_repaired(scrape, service, upstream):
    item_id = upstream.connect()
    service.deliver(an_event("item/created", itemId=item_id))
    service.work()
    lost = len(service.transaction_ids())
    with service.res.database.begin() as conn:
        conn.execute(transactions.delete())
        conn.execute(tombstones.delete())
    reconciliation.reconcile(service.res, item_id)

    assert scrape()["rows_repaired_total"] == lost


def test_metrics_answer_without_redis_and_say_so(settings, resources):
    lonely = dataclasses.replace(settings, redis_url="redis://127.0.0.1:1/0")
    res = create_resources(lonely)
    try:
        answer = create_app(lonely, res).test_client().get("/metrics", headers=AUTHORIZED)
    finally:
        res.close()

    assert answer.status_code == 200
    assert 'pluggy_sync_up{source="redis"} 0.0' in answer.text
    assert 'pluggy_sync_up{source="postgres"} 1.0' in answer.text
    assert "pluggy_sync_budget_left" not in answer.text


def test_metrics_count_what_waits_in_the_spill_and_for_how_long(settings, resources, clock, tmp_path):
    with closing(spill.create(tmp_path, spill.box_of(settings.secret_key), most_bytes=2**20)) as file:
        file.append([(b"one", clock(), None), (b"two", clock(), None)])
        clock.advance(seconds=90)
        spilling = dataclasses.replace(settings, spill_folder=str(tmp_path))
        collector = ServiceCollector(dataclasses.replace(resources, settings=spilling))

        found = {sample.name: sample.value for family in collector.collect() for sample in family.samples}

    assert found["pluggy_sync_spilled_events"] == 2
    assert found["pluggy_sync_oldest_spilled_event_age_seconds"] == pytest.approx(90, abs=5)


def test_without_a_spill_there_is_no_metric_of_it(scrape):
    assert not [name for name in scrape() if "spilled" in name]


def test_metrics_show_what_waits_in_each_queue_and_who_serves_it(scrape, service, upstream):
    service.deliver(an_event("item/created", itemId=upstream.connect()))
    service.res.publisher.wait(within_s=30)
    worker_signs.say(service.res.redis, "worker@a", ["events"], service.res.now())

    found = scrape()

    assert (found["queue_messages events"], found["queue_messages urgent"]) == (1, 0)
    assert (found["workers events"], found["workers urgent"]) == (1, 0)


def test_metrics_show_freshness_by_bank_and_the_budget_that_is_left(scrape, service, upstream, resources):
    upstream.connect()
    service.catch_up()
    freshness_counting.count(resources)

    found = scrape()

    [bank] = {name.split()[1] for name in found if name.startswith("items_by_freshness ")}
    assert found[f"items_by_freshness {bank} fresh"] == 1
    assert found[f"freshness_ratio {bank} transactions"] == 1
    assert found[f"freshness_budget_left_ratio {bank} transactions"] == 1
    assert found["freshness_count_age_seconds"] < 60


def test_what_is_overdue_is_told_and_what_was_put_off_is_not(scrape, service, upstream, clock):
    upstream.fail({"endpoint": "GET /items/{id}", "do": "status", "status": 400})
    service.deliver(an_event("item/updated", itemId=upstream.connect()))
    clock.advance(minutes=10)
    waits = scrape()
    service.work()
    put_off = scrape()

    assert waits["work_overdue_seconds events"] >= 500
    assert waits["work_overdue_seconds urgent_events"] == 0
    assert put_off["events stored"] == 1
    assert put_off["work_overdue_seconds events"] == 0


def test_metrics_say_how_long_ago_the_sweep_was(scrape, service, clock):
    sweep.sweep(service.res)
    clock.advance(seconds=70)

    assert 70 <= scrape()["schedule_age_seconds sweep"] < 75


def test_metrics_count_what_was_removed_by_age(scrape, service, upstream, clock):
    upstream.connect()
    service.catch_up()
    clock.advance(days=400)
    pruning.prune(service.res)

    found = scrape()

    assert found["pruned_rows_total events"] > 0
    assert found["pruning_age_seconds events"] < 60


def test_metrics_count_deliveries_of_all_processes_once_they_are_in_redis(scrape, service, upstream):
    service.deliver(an_event("item/created", itemId=upstream.connect()))
    service.res.tallies.flush()

    assert scrape()["deliveries_total recorded none"] == 1
