"""Items that are gone: a 404 alone proves nothing, and what Pluggy never knew disappears."""

import dataclasses

import pytest
import sqlalchemy as sa

from pluggy_sync import wire
from pluggy_sync.engine import deletion, sweep
from pluggy_sync.redis_options import redis_options
from pluggy_sync.store.tables import accounts, inbox, item_progress, items, outbox
from tests.kit.factories import API_TOKEN, an_event, an_id
from tests.kit.scripted_server import Reply

AUTHORIZED = {"Authorization": f"Bearer {API_TOKEN}"}
NOT_FOUND = Reply({"code": 404, "codeDescription": "ITEM_NOT_FOUND"}, 404)


@pytest.fixture
def settings(behind_proxy):
    return behind_proxy


def connected(service, upstream, number):
    ids = [upstream.connect(products=["ACCOUNTS", "TRANSACTIONS"]) for _ in range(number)]
    service.catch_up()
    return ids


def hide(proxy, *item_ids):
    """Let Pluggy answer 404 for these Items; for all when none is named."""

    def before(asked):
        hidden = asked.path.startswith("/items/") and (not item_ids or asked.path.split("/")[2] in item_ids)
        return NOT_FOUND if hidden else None

    proxy.before = before


def hours_pass(service, rounds=12):
    """Let rounds of work go by, each when something is due."""
    for _ in range(rounds):
        service.work()
        service.res.now.advance(hours=1)
        sweep.sweep(service.res)


def gone(service):
    return {row.id for row in service.rows(items) if row.deleted_at is not None}


def test_with_the_keys_of_another_application_nothing_is_purged_and_an_operator_is_told(
    service, upstream, proxy, caplog
):
    ids = connected(service, upstream, 3)
    hide(proxy)

    service.deliver(*[an_event(itemId=item_id) for item_id in ids])
    hours_pass(service)

    assert gone(service) == set()
    assert {row.item_id for row in service.rows(accounts)} == set(ids)
    assert "item.deleted" not in service.notifications()
    # One line, though each Item is asked for again and again.
    assert caplog.text.count("pluggy.shows_none_of_our_items") == 1
    metrics = service.web.get("/metrics", headers=AUTHORIZED).get_data(as_text=True)
    assert 'pluggy_sync_items_contradicted{contradiction="ITEM_NOT_FOUND"} 3.0' in metrics
    for item_id in ids:
        assert freshness(service, item_id) == ("error", "ITEM_NOT_FOUND")


def freshness(service, item_id):
    answer = service.web.get(f"/v1/items/{item_id}", headers=AUTHORIZED).get_json()["freshness"]
    return answer["state"], answer["reason"]


def test_with_the_right_keys_again_all_goes_on_by_itself(service, upstream, proxy):
    ids = connected(service, upstream, 3)
    hide(proxy)
    service.deliver(*[an_event(itemId=item_id) for item_id in ids])
    hours_pass(service)

    proxy.before = None
    service.work_until_quiet()

    assert [freshness(service, item_id)[0] for item_id in ids] == ["fresh"] * 3


def test_an_item_that_stays_away_while_another_is_shown_is_purged_after_hours(service, upstream, proxy):
    gone_one, other = connected(service, upstream, 2)
    hide(proxy, gone_one)

    service.deliver(an_event(itemId=gone_one))
    service.work()
    service.res.now.advance(hours=1)
    assert gone(service) == set()
    hours_pass(service)

    assert gone(service) == {gone_one}
    assert {row.item_id for row in service.rows(accounts)} == {other}
    assert service.notifications().count("item.deleted") == 1


def test_a_404_is_not_believed_within_two_hours(service, upstream, proxy, clock):
    gone_one, _ = connected(service, upstream, 2)
    hide(proxy, gone_one)
    service.deliver(an_event(itemId=gone_one))

    for _ in range(24):
        service.work()
        clock.advance(minutes=5)
        sweep.sweep(service.res)

    assert gone(service) == set()


def test_many_events_do_not_make_a_404_believed_sooner(service, upstream, proxy):
    gone_one, _ = connected(service, upstream, 2)
    hide(proxy, gone_one)

    for _ in range(20):
        service.deliver(an_event("something/new", itemId=gone_one))
        service.work()

    assert gone(service) == set()


def test_a_deletion_that_was_told_is_believed_at_once_while_another_item_is_shown(service, upstream, proxy):
    gone_one, _ = connected(service, upstream, 2)
    hide(proxy, gone_one)

    service.deliver(an_event("item/deleted", itemId=gone_one))
    service.work()

    assert gone(service) == {gone_one}


def test_a_deletion_that_was_told_is_not_believed_while_no_item_is_shown(service, upstream, proxy):
    told, other = connected(service, upstream, 2)
    hide(proxy)

    service.deliver(an_event("item/deleted", itemId=told))
    hours_pass(service, 4)
    assert gone(service) == set()

    hide(proxy, told)
    hours_pass(service, 4)
    assert gone(service) == {told}
    assert freshness(service, other)[0] == "fresh"


def test_all_items_can_be_deleted_if_all_are_told_as_deleted(service, upstream):
    ids = connected(service, upstream, 3)
    for item_id in ids:
        upstream.delete(item_id)

    for event in upstream.take_events():
        # One by one: the others are gone at Pluggy before their own events are here.
        service.deliver(event)
        service.work()
    service.work_until_quiet()

    assert gone(service) == set(ids)


def test_the_only_item_is_purged_if_the_same_application_saw_it_before(service, upstream, proxy):
    (only,) = connected(service, upstream, 1)
    hide(proxy)

    service.deliver(an_event(itemId=only))
    hours_pass(service)

    assert gone(service) == {only}


def test_the_only_item_is_kept_if_another_application_saw_it_before(service, upstream, proxy, caplog):
    (only,) = connected(service, upstream, 1)
    with service.res.database.begin() as conn:
        conn.execute(sa.update(items).values(application="the-application-of-before"))
    hide(proxy)

    service.deliver(an_event(itemId=only))
    hours_pass(service)

    assert gone(service) == set()
    assert "pluggy.shows_none_of_our_items" in caplog.text


def test_an_item_that_the_product_deletes_is_not_purged_while_pluggy_shows_none(service, upstream, proxy):
    ids = connected(service, upstream, 2)
    hide(proxy)

    answer = service.web.delete(f"/v1/items/{ids[0]}", headers=AUTHORIZED)

    assert (answer.status_code, answer.get_json()["code"]) == (409, "not-now")
    assert gone(service) == set()

    hide(proxy, ids[0])
    assert service.web.delete(f"/v1/items/{ids[0]}", headers=AUTHORIZED).status_code == 202
    assert gone(service) == {ids[0]}


@pytest.mark.parametrize("name", ["transactions/deleted", "transactions/updated", "transactions/created"])
def test_an_event_about_rows_of_an_item_that_pluggy_never_knew_makes_no_item(service, upstream, name):
    connected(service, upstream, 1)
    unknown = an_id()
    service.deliver(an_event(name, itemId=unknown, accountId=an_id(), transactionIds=[an_id()]))

    service.work_until_quiet()

    assert service.rows(items, items.c.id == unknown) == []
    assert service.rows(item_progress, item_progress.c.item_id == unknown) == []
    assert "item.deleted" not in service.notifications()


def register(service, item_id):
    return service.web.post("/v1/items", json={"itemId": item_id, "clientUserId": "user-7"}, headers=AUTHORIZED)


def test_a_mistyped_item_is_an_error_and_then_disappears(service, upstream):
    connected(service, upstream, 1)
    mistyped = an_id()
    assert register(service, mistyped).status_code == 202
    service.work()
    assert freshness(service, mistyped) == ("syncing", None)
    for _ in range(4):
        service.res.now.advance(minutes=20)
        sweep.sweep(service.res)
        service.work()
    assert freshness(service, mistyped) == ("error", "ITEM_NOT_FOUND")

    service.work_until_quiet()

    answer = service.web.get(f"/v1/items/{mistyped}", headers=AUTHORIZED)
    assert (answer.status_code, answer.get_json()["code"]) == (404, "item-not-found")
    assert service.rows(item_progress, item_progress.c.item_id == mistyped) == []
    assert "item.deleted" not in service.notifications()
    assert {event.state for event in service.events()} == {"handled"}


def test_a_mistyped_item_that_the_product_deletes_leaves_nothing_and_tells_of_nothing(service, upstream):
    connected(service, upstream, 1)
    mistyped = an_id()
    register(service, mistyped)
    service.work()

    answer = service.web.delete(f"/v1/items/{mistyped}", headers=AUTHORIZED)

    assert (answer.status_code, answer.get_json()["freshness"]["state"]) == (202, "deleted")
    assert answer.get_json()["clientUserId"] is None
    assert service.web.get(f"/v1/items/{mistyped}", headers=AUTHORIZED).status_code == 404
    assert {event.state for event in service.events()} == {"handled"}
    service.work_until_quiet()
    assert "item.deleted" not in service.notifications()


def test_no_event_of_an_item_waits_once_it_is_deleted(service, upstream, proxy):
    deleted, _ = connected(service, upstream, 2)
    hide(proxy, deleted)
    service.deliver(an_event(itemId=deleted))
    service.work()
    assert "stored" in {event.state for event in service.events()}

    service.web.delete(f"/v1/items/{deleted}", headers=AUTHORIZED)

    assert gone(service) == {deleted}
    assert {event.state for event in service.events()} == {"handled"}


def test_a_mistyped_item_is_kept_while_pluggy_shows_none_of_ours(service, upstream, proxy):
    connected(service, upstream, 2)
    hide(proxy)
    new = an_id()
    register(service, new)

    hours_pass(service)

    assert freshness(service, new) == ("error", "ITEM_NOT_FOUND")
    with service.res.database.begin() as conn:
        assert conn.scalar(sa.select(items.c.client_user_id).where(items.c.id == new)) == "user-7"


def test_an_item_that_was_removed_is_taken_when_it_comes_to_be(service, upstream, proxy):
    item_id = upstream.connect(products=["ACCOUNTS", "TRANSACTIONS"])
    told = upstream.take_events()
    hide(proxy)
    service.deliver(an_event("something/new", itemId=item_id))
    service.work_until_quiet()
    assert service.rows(items) == []

    proxy.before = None
    service.deliver(*told)
    service.work_until_quiet()

    service.assert_mirrors(item_id)
    assert freshness(service, item_id)[0] == "fresh"


def test_an_item_is_not_removed_over_an_event_that_came_meanwhile(service, upstream, proxy):
    item_id = an_id()
    service.deliver(an_event("item/deleted", itemId=item_id))
    came = []

    def before(asked):
        if asked.path == f"/items/{item_id}" and not came:
            came.append(an_event("something/new", itemId=item_id))
            service.deliver(*came)
        return

    proxy.before = before
    service.work()

    assert came
    assert service.rows(inbox, inbox.c.event_id == came[0]["eventId"])[0].state == "handled"
    service.work_until_quiet()
    assert (service.rows(items), service.rows(item_progress)) == ([], [])


def test_without_redis_the_alert_is_logged_all_the_same(service, upstream, proxy, caplog, resources):
    connected(service, upstream, 2)
    (first, _) = service.rows(items)
    hide(proxy)

    with redis_options("redis://127.0.0.1:1/0").client(connect_timeout_s=1, timeout_s=1) as nowhere:
        away = dataclasses.replace(resources, redis=nowhere)
        assert deletion.is_gone(away, first.id, told=True) is False

    assert "pluggy.shows_none_of_our_items" in caplog.text


@pytest.mark.parametrize("product", [None, "https://product.example.com/webhooks"])
def test_the_notification_of_a_purge_names_its_person_only_if_a_product_hears_of_it(
    service, upstream, resources, product
):
    item_id = upstream.connect(clientUserId="user-7")
    service.catch_up()
    settings = dataclasses.replace(resources.settings, product_webhook_url=product)

    deletion.purge(dataclasses.replace(resources, settings=settings), item_id)

    (told,) = [wire.decode(row.body) for row in service.rows(outbox) if row.type == "item.deleted"]
    assert told["data"]["clientUserId"] == (None if product is None else "user-7")
