"""The stream of notifications: a product that reads on from its cursor gets each once and in order."""

import dataclasses
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pluggy_sync.engine import pruning
from pluggy_sync.store.tables import deliveries
from tests.kit.factories import an_id


def test_the_stream_holds_what_is_delivered_in_order_and_a_cursor_reads_on(service, product, upstream):
    item_id = upstream.connect()
    service.catch_up()
    first = product.all_pages("/v1/notifications", limit=1)
    upstream.delete(item_id)
    service.catch_up()
    # The purge drops what was told of the Item's person.
    rest = product.all_pages("/v1/notifications", after=first[-1]["cursor"])

    assert [each["type"] for each in first] == ["item.synced"]
    assert [each["type"] for each in rest] == ["item.deleted"]
    assert rest[0]["data"]["itemId"] == item_id
    assert {"id", "type", "timestamp", "data", "cursor"} == first[0].keys()
    assert product.get("/v1/notifications", after=rest[-1]["cursor"]) == {"results": [], "next": None}


def test_the_stream_is_read_by_type_and_by_item(service, product, upstream):
    one, other = upstream.connect(), upstream.connect()
    service.catch_up()

    assert {each["data"]["itemId"] for each in product.all_pages("/v1/notifications")} == {one, other}
    assert {each["data"]["itemId"] for each in product.all_pages("/v1/notifications", itemId=one)} == {one}
    assert product.all_pages("/v1/notifications", type="item.stale") == []
    assert product.all_pages("/v1/notifications", type="item.synced", itemId=an_id()) == []


@pytest.mark.parametrize("query", [{"type": "item.unknown"}, {"itemId": "x"}, {"limit": "0"}, {"order": "asc"}])
def test_what_the_stream_is_not_read_by_is_refused(product, query):
    product.refused("GET", "/v1/notifications", 400, "invalid-request", query_string=query)


@pytest.mark.parametrize(
    "cursor", ["x", "WyJhIl0", "Wy0xXQ", "WzFlMzBd", "WzkyMjMzNzIwMzY4NTQ3NzU4MDhd", "Wzk5OTk5OTld"]
)
def test_a_cursor_that_the_stream_did_not_give_is_refused(product, cursor):
    product.refused("GET", "/v1/notifications", 400, "invalid-cursor", query_string={"after": cursor})


def test_a_cursor_after_which_some_were_removed_by_age_is_refused_and_not_answered_with_a_gap(
    service, product, upstream, clock
):
    first = upstream.connect()
    service.catch_up()
    (told,) = product.all_pages("/v1/notifications")
    upstream.connect()
    service.catch_up()
    with service.res.database.begin() as conn:
        conn.execute(sa.update(deliveries).values(state="delivered"))
    (_, newest) = product.all_pages("/v1/notifications")
    long_after = clock() + timedelta(days=100)
    pruning.prune(dataclasses.replace(service.res, now=lambda: long_after))

    product.refused("GET", "/v1/notifications", 400, "invalid-cursor", query_string={"after": told["cursor"]})
    assert product.all_pages("/v1/notifications") == []
    upstream.later(days=1)
    upstream.evolve(first, {"kind": "add", "count": 1})
    upstream.run(first)
    service.catch_up()
    rest = product.all_pages("/v1/notifications", after=newest["cursor"])
    assert [each["data"]["itemId"] for each in rest] == [first]


def test_a_notification_is_resent_with_the_same_id(service, product, upstream):
    upstream.connect()
    service.catch_up()
    (told,) = product.all_pages("/v1/notifications")

    again = product.post(f"/v1/notifications/{told['id']}/resend", {})

    assert again == {"id": told["id"], "endpoints": ["ep_environment"]}
    assert [row.state for row in service.rows(deliveries)] == ["pending"]
    product.refused("POST", "/v1/notifications/msg_none/resend", 404, "notification-not-found", json={})
    product.refused(
        "POST", f"/v1/notifications/{told['id']}/resend", 404, "endpoint-not-found", json={"endpointId": "ep_none"}
    )
