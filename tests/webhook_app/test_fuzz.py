"""
Whatever is delivered: the answer is one of those that are documented, and what was stored goes through the worker.

The seed is printed; `FUZZ_SEED` repeats a run and `FUZZ_BODIES` sets its length (`make fuzz` takes a million).
"""

import gzip
import json
import os
import random
from collections import Counter

import pytest
import sqlalchemy as sa

from pluggy_sync import events
from pluggy_sync.engine import events as event_handling
from pluggy_sync.logs import configure_logs
from pluggy_sync.store.tables import inbox, item_progress
from tests.kit.factories import WEBHOOK_SECRET, an_id
from webhook_app.front.calls import call, environ_of

BODIES = int(os.environ.get("FUZZ_BODIES", "4000"))
SEED = int(os.environ.get("FUZZ_SEED", random.SystemRandom().randrange(2**32)))
# What is stored is handled after so many, as a worker would meanwhile.
BATCH = 1000

EVENTS = [
    {"event": "item/created", "triggeredBy": "USER", "clientUserId": "user-42"},
    {"event": "item/updated", "triggeredBy": "SYNC", "clientUserId": None},
    {"event": "item/error", "error": {"code": "USER_INPUT_TIMEOUT", "message": "m", "parameter": "token"}},
    {"event": "item/login_succeeded", "triggeredBy": "USER"},
    {"event": "item/waiting_user_input", "triggeredBy": "CLIENT"},
    {"event": "transactions/created", "accountId": "a", "transactionsCreatedAtFrom": "2026-03-10T15:00:00.123Z"},
    {"event": "transactions/updated", "accountId": "a", "transactionIds": ["one", "two"], "transactionsCount": 2},
    {"event": "transactions/deleted", "accountId": "a", "transactionIds": ["one", "two"]},
    {"event": "connector/status_updated", "connectorId": 2, "data": {"status": "ONLINE"}},
    {"event": "payment_intent/created", "paymentIntentId": "p", "data": {"status": "COMPLETED"}},
]
KEYS = sorted({key for event in EVENTS for key in event} | {"eventId", "itemId", "id", "clientId"})

ODD_VALUES = [
    *(None, True, False, 0, -1, 2**31, 2**63, 10**30, -(10**400), 0.1, 1e300),
    *(
        "",
        " ",
        "\0",
        "\n",
        "x\n",
        "\ud83d",
        "\udc00x",
        "\ufeff",
        "\u202e",
        "é",
        "😀",
        "'; DROP TABLE inbox; --",
        "%s%(x)s",
    ),
    *("../../auth", "{}", "null", "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59-03:00", "2026-02-30", "x" * 5000),
    *([], {}, [[]], [None, 5, "a", {}], {"a": {"b": {"c": []}}}, {"": ""}, {"\0": "\ud800"}, [["x"] * 50] * 20),
]
ODD_TOKENS = [
    *("1e9999999999999999999", "-1e4300", "1e-999999", "1E400", "0.000000000000000000000000000000000000000000001"),
    *("9" * 5000, "00", "-", "NaN", "Infinity", "tru", '"\\ud800"', '"\\u0000"', '"\\x"', "[" * 300, '{"a":' * 300, ""),
    '"' + "\\ud83d\\ude00" * 50 + '"',
]
ODD_TYPES = ["text/plain", "application/xml", "multipart/form-data", "é", "application/json;;;", "x/y+json", "\0"]
ODD_PACKINGS = ["gzip", "br", "gzip, gzip", "identity", "é"]


class Bodies:
    """Makes deliveries from a seed."""

    def __init__(self, seed, item_ids):
        self._random = random.Random(seed)
        self._item_ids = item_ids

    def delivery(self):
        """Return body and headers, by what they are of: mostly events with something odd in them."""
        pick = self._random.random()
        body = self._odd_text() if pick < 0.6 else self._odd_bytes() if pick < 0.9 else self._noise()
        headers = {"x-webhook-secret": WEBHOOK_SECRET, "content-type": "application/json"}
        if self._random.random() < 0.02:
            headers["x-webhook-secret"] = self._random.choice(["", "x", WEBHOOK_SECRET[:-1], f"{WEBHOOK_SECRET} ", "é"])
        if self._random.random() < 0.03:
            headers["content-type"] = self._random.choice(ODD_TYPES)
        if self._random.random() < 0.05:
            headers["content-encoding"] = self._random.choice(ODD_PACKINGS)
            if self._random.random() < 0.5:
                body = gzip.compress(body, 1)
        return body, headers

    def _event(self):
        event = {"eventId": an_id(), **self._random.choice(EVENTS)}
        if self._random.random() < 0.9:
            known = self._random.random() < 0.995
            event["itemId"] = (
                self._random.choice(self._item_ids) if known else self._random.choice(["nobody", "x" * 128])
            )
        return event

    def _odd_text(self):
        event = self._event()
        for _ in range(self._random.choice([0, 1, 1, 1, 2, 5])):
            key = self._random.choice(KEYS)
            how = self._random.random()
            if how < 0.2:
                event.pop(key, None)
            else:
                # The id of an Item is spared often, so that most events reach the worker.
                key = key if key != "itemId" or self._random.random() < 0.1 else "odd"
                event[key] = self._random.choice(ODD_VALUES)
        text = json.dumps(event, ensure_ascii=self._random.random() < 0.9)
        if self._random.random() < 0.2:
            text = text[:-1] + f', "odd": {self._random.choice(ODD_TOKENS)}}}'
        if self._random.random() < 0.05:
            text = text[:-1] + f', "event": {json.dumps(self._random.choice(ODD_VALUES))}}}'
        encoding = self._random.choice(["utf-8"] * 20 + ["utf-8-sig", "utf-16", "utf-32", "latin-1"])
        return text.encode(encoding, errors="surrogatepass" if encoding.startswith("utf") else "replace")

    def _odd_bytes(self):
        body = bytearray(json.dumps(self._event()).encode())
        for _ in range(self._random.randint(1, 6)):
            where = self._random.randrange(len(body) + 1)
            how = self._random.random()
            if how < 0.4:
                body[where:where] = self._random.randbytes(self._random.randint(1, 3))
            elif how < 0.8:
                del body[where : where + self._random.randint(1, 3)]
            else:
                body[where:] = body[where:] + body[: self._random.randint(0, 30)]
        return bytes(body)

    def _noise(self):
        if self._random.random() < 0.5:
            return self._random.randbytes(self._random.randint(0, 200))
        return self._random.choice(ODD_TOKENS).encode() * self._random.randint(1, 3)


SCOPE = {
    "method": "POST",
    "raw_path": b"/webhooks/pluggy",
    "query_string": b"",
    "http_version": "1.1",
    "server": ("127.0.0.1", "8000"),
    "client": ("127.0.0.1", "1"),
    "scheme": "http",
}


def answer_to(app, body, headers):
    """Return status and result of one delivery, handed to the app as the front does."""
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    answer = call(app, environ_of({**SCOPE, "headers": pairs}, body, None))
    return answer.status, json.loads(answer.body)["result"]


def expected(headers):
    if headers["x-webhook-secret"] != WEBHOOK_SECRET:
        return {401}
    if headers["content-type"] != "application/json" or "content-encoding" in headers:
        return {202, 415}
    return {202}


@pytest.fixture(autouse=True)
def _quiet():
    """A log line for each of so many would take longer than everything else."""
    configure_logs("CRITICAL")
    yield
    configure_logs("INFO")


# In two halves, so that two processors share them.
@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.timeout(0)
def test_whatever_is_delivered_is_answered_as_documented_and_goes_through_the_worker(
    web, service, upstream, resources, half
):
    print(f"FUZZ_SEED={SEED} FUZZ_BODIES={BODIES}")
    count = BODIES // 2
    item_ids = [upstream.connect() for _ in range(3)]
    service.catch_up()
    before = sum(event.name != events.FETCH_REQUESTED for event in service.events())
    bodies, results = Bodies(f"{SEED} {half}", item_ids), Counter()

    for number in range(count):
        body, headers = bodies.delivery()
        status, result = answer_to(web.application, body, headers)
        assert status in expected(headers), (number, status, headers, body)
        results[result] += 1
        if number % BATCH == BATCH - 1:
            handle_all(resources)
    handle_all(resources)

    with resources.database.begin() as conn:
        states = dict(map(tuple, conn.execute(sa.select(inbox.c.state, sa.func.count()).group_by(inbox.c.state))))
        ours = sa.or_(inbox.c.outcome.in_(["unparsable", "foreign"]), inbox.c.name == events.FETCH_REQUESTED)
        stored = conn.scalar(sa.select(sa.func.count()).where(ours.is_not(True))) - before
        with_item = inbox.c.item_seq.is_not(None)
        numbers = sa.tuple_(inbox.c.item_id, inbox.c.item_seq)
        numbered = conn.scalar(sa.select(sa.func.count()).where(with_item))
        different = conn.scalar(sa.select(sa.func.count(numbers.distinct())).where(with_item))
        beyond = conn.scalar(
            sa.select(sa.func.count())
            .select_from(inbox.join(item_progress, inbox.c.item_id == item_progress.c.item_id))
            .where(inbox.c.item_seq > item_progress.c.last_event_seq)
        )
    print(results, states)
    assert stored == results["recorded"]
    # Requests to sync take numbers of the same sequence.
    assert (different, beyond) == (numbered, 0)
    assert states.get("dead", 0) == 0
    assert results["recorded"] > count / 3
    assert results["kept"] > count / 20


def handle_all(res):
    """Handle what is stored, as a worker would. Nothing of it may raise, and nothing may be handled without end."""
    with res.database.begin() as conn:
        waiting = conn.execute(
            sa.select(inbox.c.event_id, inbox.c.attempts).where(inbox.c.state == "stored").order_by(inbox.c.id)
        ).all()
    for event_id, attempts in waiting:
        if attempts == 0:
            event_handling.handle_event(res, event_id)
    res.redis.flushall()
    with res.database.begin() as conn:
        again = sa.select(inbox.c.item_id, inbox.c.attempts, inbox.c.due_at, inbox.c.error)
        # A fetch that the service asks of itself is for later.
        delivered = inbox.c.name != events.FETCH_REQUESTED
        for row in conn.execute(again.where(inbox.c.state == "stored", delivered)):
            # Pluggy knows no such Item: it is asked again later, and counted.
            assert row.item_id not in (None, ""), row
            assert row.attempts >= 1
            assert row.error is not None
