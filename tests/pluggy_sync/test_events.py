"""Events: every payload that Pluggy sends is read, whatever else is in it; what is no event is told apart."""

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
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"item/updated"',
        b"1",
        b"{}",
        b'{"event": "item/updated"}',
        b'{"event": "item/updated", "eventId": "e"}',
        b'{"event": "item/updated", "eventId": null, "itemId": "i"}',
        b'{"event": "item/updated", "eventId": "", "itemId": "i"}',
        b'{"event": 1, "eventId": "e", "itemId": "i"}',
        b'{"event": ["item/updated"], "eventId": "e", "itemId": "i"}',
        b'{"event": {}, "eventId": "e", "itemId": "i"}',
        b'{"eventId": "e", "itemId": "i"}',
        b'{"event": "item/updated", "eventId": "e", "itemId": 5}',
        b'{"event": "item/updated", "eventId": "e", "itemId": "../../auth"}',
        b'{"event": "something/new", "eventId": "e", "itemId": "a/b"}',
        b'{"event": "item/error", "eventId": "e", "itemId": "i", "error": "text"}',
        b'{"event": "transactions/created", "eventId": "e", "itemId": "i"}',
        (
            b'{"event": "transactions/created", "eventId": "e", "itemId": "i", "accountId": "a",'
            b' "transactionsCreatedAtFrom": "yesterday"}'
        ),
        (
            b'{"event": "transactions/created", "eventId": "e", "itemId": "i", "accountId": "a",'
            b' "transactionsCreatedAtFrom": 5}'
        ),
        b'{"event": "transactions/updated", "eventId": "e", "itemId": "i", "accountId": "a"}',
        b'{"event": "transactions/deleted", "eventId": "e", "itemId": "i", "accountId": "a", "transactionIds": "a"}',
        b'{"event": "connector/status_updated", "eventId": "e", "data": {"status": "ONLINE"}}',
        b'{"event": "connector/status_updated", "eventId": "e", "id": "two"}',
        b'{"event": "connector/status_updated", "eventId": "e", "connectorId": 2, "data": "OFFLINE"}',
    ],
)
def test_what_is_no_event_is_told_apart(body):
    with pytest.raises(events.UnparsableError):
        events.parse(body)


def test_a_body_that_nests_too_deeply_is_no_event():
    payload = an_event()
    payload["deep"] = nested = {}
    for _ in range(events.MAX_DEPTH):
        nested["deep"] = nested = {}

    with pytest.raises(events.UnparsableError, match="nested"):
        events.parse(json.dumps(payload).encode())


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_body_of_nothing_but_brackets_is_bounded(opening):
    with pytest.raises(events.UnparsableError, match="nest"):
        events.parse(opening * 200_000)


def test_fifty_thousand_ids_are_read():
    ids = [f"id-{number}" for number in range(50_000)]
    payload = an_event("transactions/updated", **ACCOUNT, transactionIds=ids)

    assert events.parse(json.dumps(payload).encode()).transaction_ids == ids


def test_why_a_body_is_no_event_quotes_nothing_of_it():
    payload = an_event("item/updated", itemId={"secret": "hunter2"}, clientUserId={"cpf": "76109277673"})

    with pytest.raises(events.UnparsableError) as caught:
        events.parse(json.dumps(payload).encode())

    assert "hunter2" not in str(caught.value)
    assert "76109277673" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_same_unparsable_bytes_have_the_same_id():
    assert events.id_of_unparsable(b"x") == events.id_of_unparsable(b"x")
    assert events.id_of_unparsable(b"x") != events.id_of_unparsable(b"y")
