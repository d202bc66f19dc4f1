"""Events: every payload that Pluggy sends is read, part by part; what cannot be read is named, and the rest counts."""

import json

import pytest

from pluggy_sync import events
from tests.kit.factories import an_event

ACCOUNT = {"accountId": "22222222-2222-4222-8222-222222222222"}
IDS = {"transactionIds": ["a", "b"]}
CREATED = {
    "transactionsCount": 3,
    "transactionsMinDate": "2025-12-01T03:00:00.000Z",
    "transactionsCreatedAtFrom": "2026-03-10T15:00:00.123Z",
    "createdTransactionsLink": "https://evil.example/steal",
}

# Pluggy facts 2.4: what each event carries besides `event` and `eventId`.
VARIANTS = [
    ("item/created", {"triggeredBy": "USER", "clientUserId": "u"}),
    ("item/created", {"id": "11111111-1111-4111-8111-111111111111", "clientId": "client-id-of-the-tests"}),
    ("item/updated", {"triggeredBy": "SYNC", "clientUserId": None}),
    ("item/updated", {}),
    ("item/waiting_user_input", {"triggeredBy": "CLIENT"}),
    ("item/waiting_user_action", {"triggeredBy": "INTERNAL"}),
    ("item/login_succeeded", {"triggeredBy": "USER"}),
    ("item/error", {"error": {"code": "USER_INPUT_TIMEOUT", "message": "m", "parameter": "token"}}),
    ("item/error", {"error": None}),
    ("item/error", {}),
    ("item/deleted", {}),
    ("item/deleted", {"clientUserId": "u"}),
    ("transactions/created", {**ACCOUNT, **CREATED}),
    ("transactions/created", {**ACCOUNT, **CREATED, "createdTransactionsLinkV2": "https://x/", "id": "x"}),
    ("transactions/created", {**ACCOUNT, "transactionsCreatedAtFrom": None}),
    ("transactions/updated", {**ACCOUNT, **IDS, "clientId": "c", "transactionsCount": 2}),
    ("transactions/updated", {**ACCOUNT, **IDS, "triggeredBy": "SYNC", "clientUserId": "u"}),
    ("transactions/updated", {**ACCOUNT, "transactionIds": []}),
    ("transactions/deleted", {**ACCOUNT, **IDS}),
]


@pytest.mark.parametrize("name, keys", VARIANTS)
@pytest.mark.parametrize("extra", [{}, {"aKeyOfTomorrow": {"deep": [1]}}], ids=["as documented", "with unknown keys"])
def test_every_documented_payload_is_read(name, keys, extra):
    payload = an_event(name, **keys, **extra)

    event = events.parse(json.dumps(payload).encode())

    assert event.name == name
    assert event.event_id == payload["eventId"]
    assert event.item_id == payload["itemId"]
    assert event.account_id == keys.get("accountId")
    assert event.transaction_ids == keys.get("transactionIds", [])
    assert event.triggered_by == keys.get("triggeredBy")
    assert event.payload == payload
    assert event.unread == ()


# Payment events come too when the webhook is for all events (Pluggy facts 2.3).
@pytest.mark.parametrize(
    "payload",
    [
        {"event": "payment_intent/created", "paymentIntentId": "p", "paymentRequestId": "r"},
        {"event": "payment_request/updated", "paymentRequestId": "r", "data": {"status": "COMPLETED"}},
        {"event": "scheduled_payment/all_completed", "paymentRequestId": "r"},
        {"event": "automatic_pix_payment/error", "automaticPixPaymentId": "a", "paymentRequestId": "r"},
        {"event": "smart_transfer_payment/completed", "smartTransferPaymentId": "s", "clientId": "c", "status": "OK"},
        {"event": "boleto/updated", "boletoId": "b"},
        {"event": "something/never_heard_of", "anything": [1, {"x": None}]},
    ],
    ids=lambda payload: payload["event"],
)
def test_an_event_that_is_not_ours_to_act_on_is_still_an_event(payload):
    event = events.of_payload({"eventId": "e1", **payload})

    assert event.event_id == "e1"
    assert event.item_id is None


def test_an_unknown_event_about_an_item_names_its_item():
    assert events.of_payload(an_event("item/of_tomorrow", itemId="i1")).item_id == "i1"


@pytest.mark.parametrize(
    "keys",
    [{"connectorId": 2}, {"connectorId": "2"}, {"id": "2"}, {"id": 2}, {"id": "2", "connectorId": None}],
    ids=str,
)
def test_a_connector_is_named_in_any_of_the_ways_that_were_seen(keys):
    payload = {"event": "connector/status_updated", "eventId": "e1", "data": {"status": "OFFLINE"}, **keys}

    event = events.of_payload(payload)

    assert event.connector_id == 2
    assert event.connector_status == "OFFLINE"
    assert event.item_id is None


def test_the_moment_that_new_rows_were_ingested_from_is_read():
    event = events.of_payload(an_event("transactions/created", **ACCOUNT, **CREATED))

    assert event.created_at_from is not None
    assert event.created_at_from.isoformat() == "2026-03-10T15:00:00.123000+00:00"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"null", b"[]", b'"item/updated"', b"1", b"[" * 200_000, b'{"a":' * 200_000]
)
def test_what_is_no_json_object_is_no_event(body):
    with pytest.raises(events.UnparsableError):
        events.parse(body)


ITEM = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize(
    "changes, unread",
    [
        ({"clientUserId": 42}, ()),
        ({"error": "text"}, ()),
        ({"aKeyOfTomorrow": [{}]}, ()),
        ({"triggeredBy": {"type": "USER"}}, ("triggeredBy",)),
        ({"clientId": 5}, ("clientId",)),
        ({"eventId": None}, ("eventId",)),
        ({"eventId": ""}, ("eventId",)),
        ({"eventId": ["e"]}, ("eventId",)),
        ({"eventId": "e" * 129}, ("eventId",)),
        ({"eventId": "e\n"}, ("eventId",)),
        ({"event": None}, ("event",)),
        ({"event": 1}, ("event",)),
        ({"event": ["item/updated"]}, ("event",)),
        ({"event": {}}, ("event",)),
        ({"event": "transactions/created"}, ("accountId",)),
        ({"event": "transactions/created", "accountId": 5}, ("accountId",)),
        ({"event": "transactions/created", "accountId": "../x"}, ("accountId",)),
        (
            {"event": "transactions/created", "accountId": "a", "transactionsCreatedAtFrom": "yesterday"},
            ("transactionsCreatedAtFrom",),
        ),
        (
            {"event": "transactions/created", "accountId": "a", "transactionsCreatedAtFrom": 5},
            ("transactionsCreatedAtFrom",),
        ),
        (
            {
                "event": "transactions/created",
                "accountId": "a",
                "transactionsCreatedAtFrom": "9999-12-31T23:59:59-03:00",
            },
            ("transactionsCreatedAtFrom",),
        ),
        ({"event": "transactions/updated", "accountId": "a"}, ("transactionIds",)),
        ({"event": "transactions/deleted", "accountId": "a", "transactionIds": "a"}, ("transactionIds",)),
        ({"event": "transactions/deleted", "accountId": "a", "transactionIds": {"a": 1}}, ("transactionIds",)),
    ],
    ids=str,
)
def test_whatever_cannot_be_read_an_event_still_names_its_item(changes, unread):
    event = events.parse(json.dumps({"event": "item/updated", "eventId": "e", "itemId": ITEM, **changes}).encode())

    assert event.item_id == ITEM
    assert event.event_id
    assert event.name == (
        changes.get("event", "item/updated") if isinstance(changes.get("event", ""), str) else "unnamed"
    )
    assert event.unread == unread
    assert event.can_be_acted_on


def test_of_a_list_with_one_odd_id_the_others_are_read():
    event = events.of_payload(
        an_event("transactions/deleted", accountId="a", transactionIds=["one", 2, None, "th/ree", "four\n", "five"])
    )

    assert event.transaction_ids == ["one", "five"]
    assert event.unread == ("transactionIds",)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"event": "item/updated"},
        {"event": "item/updated", "eventId": "e"},
        {"event": "item/updated", "eventId": "e", "itemId": 5},
        {"event": "item/updated", "eventId": "e", "itemId": "../../auth"},
        {"event": "item/updated", "eventId": "e", "itemId": f"{ITEM}\n"},
        {"event": "something/new", "eventId": "e", "itemId": "a/b"},
        {"event": "connector/status_updated", "eventId": "e", "data": {"status": "ONLINE"}},
        {"event": "connector/status_updated", "eventId": "e", "id": "two"},
        {"event": "connector/status_updated", "eventId": "e", "connectorId": 2**63},
        {"event": "connector/status_updated", "eventId": "e", "connectorId": "٢"},
        {"event": "connector/status_updated", "eventId": "e", "connectorId": True},
    ],
    ids=str,
)
def test_what_does_not_say_what_it_is_about_cannot_be_acted_on(payload):
    event = events.of_payload(payload)

    assert not event.can_be_acted_on
    assert event.unread


def test_a_connector_event_with_odd_data_still_names_its_connector():
    event = events.of_payload(
        {"event": "connector/status_updated", "eventId": "e", "connectorId": 2, "data": "OFFLINE"}
    )

    assert (event.connector_id, event.connector_status, event.unread) == (2, None, ("data",))
    assert event.can_be_acted_on


@pytest.mark.parametrize("given", [ITEM.upper(), ITEM.upper().replace("11111111", "ABCDEF12")])
def test_the_id_of_an_item_in_capitals_is_that_items(given):
    assert events.of_payload(an_event(itemId=given)).item_id == given.lower()


def test_without_an_id_the_same_bytes_are_the_same_event():
    body = json.dumps({"event": "item/updated", "itemId": ITEM}).encode()

    first, again, other = (events.parse(each) for each in (body, body, body + b" "))

    assert first.event_id == again.event_id == events.id_of_body(body)
    assert other.event_id != first.event_id


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-32-be"])
def test_a_body_in_another_encoding_of_unicode_is_read(encoding):
    payload = an_event(clientUserId="joão")

    assert events.parse(json.dumps(payload, ensure_ascii=False).encode(encoding)).payload == payload


def test_a_part_that_nests_too_deeply_is_left_out():
    payload = an_event()
    payload["deep"] = nested = {}
    for _ in range(events.MAX_DEPTH):
        nested["deep"] = nested = {}

    event = events.parse(json.dumps(payload).encode())

    assert event.item_id == payload["itemId"]
    assert "deep" not in event.payload
    assert event.unread == ("nested",)


def test_fifty_thousand_ids_are_read():
    ids = [f"id-{number}" for number in range(50_000)]
    payload = an_event("transactions/updated", **ACCOUNT, transactionIds=ids)

    assert events.parse(json.dumps(payload).encode()).transaction_ids == ids


def test_what_is_said_to_be_unread_quotes_nothing_of_it():
    payload = an_event("item/updated", itemId={"secret": "hunter2"}, hunter2={"deep": "76109277673"})

    event = events.of_payload(payload)

    assert event.unread == ("itemId",)
    assert event.essence() == {"event": "item/updated", "eventId": payload["eventId"]}


def test_why_a_body_is_no_event_quotes_nothing_of_it():
    with pytest.raises(events.UnparsableError) as caught:
        events.parse(b'{"hunter2": 76109277673')

    assert "hunter2" not in str(caught.value)
    assert "76109277673" not in str(caught.value)


@pytest.mark.parametrize("payload", [None, "{", '{"eventId": 5}', "[]"])
def test_a_stored_event_whose_payload_cannot_be_read_is_what_its_columns_say(payload):
    event = events.of_stored("e", "item/updated", ITEM, payload)

    assert (event.event_id, event.name, event.item_id) == ("e", "item/updated", ITEM)
