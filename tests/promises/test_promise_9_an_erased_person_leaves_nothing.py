"""
Promise 9, of a person who was erased: nothing of them is left in any table, in Redis, in the spill, or in the logs.

Every table that may hold something of a person does so before the erasure. What is planted is then looked for in all
tables that there are, known to the erasure or not.
"""

import base64
import dataclasses
import json
import logging
import re
from contextlib import closing

import pytest
import sqlalchemy as sa

from pluggy_sync import queue, spill, wire
from pluggy_sync.engine import erasure, intake, reconciliation
from pluggy_sync.settings import Settings
from pluggy_sync.store import audit, erasures, inbox, personal_data, tables
from pluggy_sync.store.database import WORKER, connect_for
from tests.kit.factories import PRODUCT_SECRET, WEBHOOK_SECRET, an_event
from tests.kit.product import running_product
from tests.kit.workers import run_queued
from tests.webhook_app.product import Product

PERSON = "maria-da-silva-42"
ITEM_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OTHER = "somebody-else"
# A product answers with whom it is about.
ANSWER = f"thank you for {PERSON}".encode()
# What stands for the person in Pluggy's objects, by the name of the field.
TELLING = {
    "id", "fullName", "taxNumber", "document", "number", "owner", "value", "description", "descriptionRaw", "jobTitle",
    "fullAddress", "primaryAddress", "contractNumber", "providerId",
}  # fmt: skip


def answer(request):
    """Answer with whom the notification is about, as far as it says so."""
    request.respond(200, body=ANSWER if PERSON.encode() in request.delivery.body else b"")


@pytest.fixture
def receiver():
    with running_product() as running:
        running.answer = answer
        yield running


@pytest.fixture
def settings(settings: Settings, receiver, tmp_path):
    return dataclasses.replace(
        settings,
        product_webhook_url=receiver.url,
        product_webhook_secrets=(PRODUCT_SECRET,),
        spill_folder=str(tmp_path),
    )


def a_life(service, upstream):
    """Return the Items of a person for whom everything happened that leaves something behind."""
    item_id = upstream.connect(clientUserId=PERSON, products=None)
    asked = upstream.connect(connector=5, clientUserId=PERSON)
    service.catch_up()
    upstream.later(days=2)
    upstream.evolve(item_id, "add", "edit", "remove")
    upstream.run(item_id)
    service.catch_up()
    upstream.later(days=2)
    upstream.run(item_id)
    service.catch_up()
    reconciliation.reconcile(service.res, item_id)
    service.work_until_quiet()
    return item_id, asked


def plant(service, item_id, asked, account_id):
    """Put into the remaining tables what only trouble or an operator would."""
    post = {"headers": {"X-Webhook-Secret": WEBHOOK_SECRET, "Content-Type": "application/json"}}
    for body in (
        f'{{"event": "item/updated", "clientUserId": "{PERSON}", ',
        f'{{"event": "item/updated", "eventId": "e-1", "itemId": "{item_id}", "clientUserId": "{PERSON}", "error": 5}}',
        f'{{"event": "payment_intent/created", "eventId": "e-2", "clientUserId": "{PERSON}"}}',
        f'{{"event": "x/y", "eventId": "e-3", "clientId": "another", "itemId": "{item_id}", "accountId": "a"}}',
    ):
        assert service.web.post("/webhooks/pluggy", data=body.encode(), **post).status_code == 202
    service.work()
    res, now = service.res, service.res.now()
    action_id = next(each.id for each in service.actions() if each.item_id == asked)
    with res.database.begin() as conn:
        audit.record(conn, "operator", "looked", now=now, about=item_id, detail={"clientUserId": PERSON})
        for table, row in {
            tables.submissions: {"action_id": action_id, "what": "mfa", "started_at": now},
            tables.tombstones: {
                "id": "t", "item_id": item_id, "account_id": account_id, "reason": "event", "removed_at": now
            },
            tables.unreadable_rows: {
                "item_id": item_id, "what": "account", "key": "k", "parent_id": item_id, "raw": {"of": PERSON},
                "reason": "r", "first_seen_at": now, "last_seen_at": now,
            },
            tables.incomplete_parts: {
                "item_id": item_id, "product": "BILLS", "part_of": account_id, "reason": "r", "detail": "d",
                "attempts": 1, "since": now, "after_seq": 1,
            },
            tables.bulk_operations: {
                "id": "b", "operator": "o", "what": "sync", "wanted": {"client_user_id": PERSON}, "counted": 1,
                "position": item_id, "state": "done", "started_at": now,
            },
            tables.item_links: {
                "old_item_id": asked, "new_item_id": item_id, "state": "linked", "score": 1, "reasons": [],
                "made_by": "rule", "created_at": now, "changed_at": now,
            },
            tables.account_links: {
                "old_account_id": "older", "new_account_id": account_id, "old_item_id": asked, "new_item_id": item_id
            },
            tables.transaction_links: {
                "old_id": "o", "new_id": "n", "old_account_id": "older", "new_account_id": account_id
            },
            tables.shared_resources: {"item_id": item_id, "pending": False, "read_at": now},
            tables.bank_returns: {"item_id": item_id, "connector_id": 2, "back_at": now},
            tables.listed_items: {"item_id": item_id},
            tables.predecessor_searches: {"item_id": item_id, "due_at": now},
            tables.pruning: {"tier": "changes", "place": [item_id, "3"], "began_at": now},
        }.items():  # fmt: skip
            conn.execute(sa.dialects.postgresql.insert(table).values(row).on_conflict_do_nothing())
        conn.execute(sa.update(tables.pruning).values(place=[item_id, "3"]))
        for name in ("bills", "consents"):
            table = tables.metadata.tables[name]
            row = {"id": f"planted-{name}", "item_id": item_id, "parent_id": account_id, "raw": {}, "synced_at": now}
            conn.execute(sa.insert(table).values(row))


def empty_tables(conn, ids):
    """Return the tables that may hold something of a person, and hold nothing of this one."""
    counts = erasures.count_rows(conn, ids)
    return sorted(held.table.name for held in personal_data.HELD if not counts[held.table.name])


def words_of(value, name=""):
    """Yield the texts that stand for a person in an object of Pluggy's."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from words_of(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from words_of(each, name)
    elif isinstance(value, str) and name in TELLING and len(value) >= 8:
        yield value


def found_in_tables(res, words):
    """Return the words that stand in a row, by table; what is stored as bytes is looked for too."""
    by_hex = {word: word.encode().hex() for word in words if word == PERSON or ITEM_ID.fullmatch(word)}
    found = {}
    with res.database.begin() as conn:
        names = conn.scalars(
            sa.text(
                "SELECT c.oid::regclass::text FROM pg_class c WHERE relkind IN ('r', 'm', 'p')"
                " AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
            )
        ).all()
        assert len(names) >= len(tables.metadata.tables)
        for name in names:
            whole = "\n".join(conn.scalars(sa.text(f"SELECT t::text FROM {name} t")))
            here = {word for word in words if word in whole or by_hex.get(word, word) in whole}
            if here:
                found[name] = here
    return found


def found_in_redis(res, words):
    def texts():
        for key in res.redis.scan_iter():
            yield key
            kind = res.redis.type(key)
            if kind == b"string":
                yield res.redis.get(key)
            elif kind == b"list":
                yield from res.redis.lrange(key, 0, -1)
            elif kind == b"hash":
                yield from (part for pair in res.redis.hgetall(key).items() for part in pair)
            elif kind == b"zset":
                yield from res.redis.zrange(key, 0, -1)

    whole = b"\n".join(texts())
    whole += b"\n".join(base64.b64decode(each) for each in re.findall(rb'"body":\s*"([A-Za-z0-9+/=]+)"', whole))
    return {word for word in words if word.encode() in whole}


def found_in_spill(res, folder, words):
    waiting = spill.deliveries(folder, spill.box_of(res.settings.secret_key), limit=1000)
    whole = b"".join(each.read_bytes() for each in folder.iterdir()) + b"".join(each.body or b"" for each in waiting)
    return {word for word in words if word.encode() in whole}


def test_of_an_erased_person_nothing_is_left_anywhere(service, upstream, caplog, tmp_path):
    caplog.set_level(logging.DEBUG)
    res = service.res
    other = upstream.connect(clientUserId=OTHER, products=["ACCOUNTS"])
    item_id, asked = a_life(service, upstream)
    truth = [upstream.truth(each) for each in (item_id, asked)]
    account_id = truth[0]["accounts"][0]["id"]
    plant(service, item_id, asked, account_id)
    others = set(words_of(upstream.truth(other)))
    # Each transaction brings several; some stand for all.
    some = [{**each, "transactions": each["transactions"][::10]} for each in truth]
    words = {PERSON, item_id, asked, *words_of(some)} - others
    # What is the same for everybody, such as the names of categories.
    everywhere = found_in_tables(res, words)
    words -= everywhere.get("categories", set()) | everywhere.get("connectors", set())
    res.send([queue.Message(queue.SYNC_ITEM, item_id), queue.Message(queue.RECONCILE, asked)])
    res.redis.set(f"pluggy-sync:followed:{item_id}", 1)
    with res.database.begin() as conn:
        assert empty_tables(conn, [item_id, asked]) == [], "plant something of the person there"
    assert len(words) > 50
    assert {held.table.name for held in personal_data.HELD} >= found_in_tables(res, words).keys() > {"inbox", "items"}
    assert PERSON in found_in_tables(res, {PERSON})["delivery_attempts"]
    assert found_in_redis(res, words)

    requested = erasure.request(res, PERSON)
    run_queued(res)
    late(
        service,
        tmp_path,
        [an_event(itemId=item_id, clientUserId=PERSON), an_event(itemId=asked), *upstream.take_events()],
    )

    with res.database.begin() as conn:
        done = erasures.get(conn, requested.id)
    assert done.state == "done"
    assert found_in_tables(res, words) == {}
    assert found_in_redis(res, words) == set()
    assert found_in_spill(res, tmp_path, words) == set()
    # Logs hold ids of Items, for as long as the company keeps logs; nothing else of a person.
    private = {PERSON, *(word for each in truth for word in words_of({**each, "accounts": []}, "x") if " " in word)}
    assert {word for word in private & (words | {PERSON}) if word in caplog.text} == set()
    receipt = json.dumps(receipt_of(service, done.id))
    assert {word for word in words if word in receipt} == set()
    service.assert_mirrors(other)


def late(service, folder, payloads):
    """Deliver events that come late: some at once, and some by the spill of a process."""
    half = len(payloads) // 2
    service.deliver(*payloads[:half])
    res = service.res
    with (
        closing(spill.create(folder, spill.box_of(res.settings.secret_key), most_bytes=10_000_000)) as file,
        connect_for(res.database, WORKER, inbox.BY_INDEX) as conn,
    ):
        file.append([(wire.encode(each), res.now(), None) for each in payloads[half:]])
        intake.drain(res, file, lambda arrivals: inbox.store_alone(conn, arrivals))
        assert file.count == 0
        conn.invalidate()
    service.work_until_quiet()
    service.res.now.advance(hours=1)
    service.work_until_quiet()


def receipt_of(service, erasure_id):
    answer = Product(service.web).get(f"/v1/erasures/{erasure_id}")
    assert answer["receipt"]["completedAt"]
    return answer


def test_a_person_who_was_erased_is_brought_back_by_no_repeated_call(service, upstream, product_api):
    item_id = upstream.connect(clientUserId=PERSON)
    upstream.connect(clientUserId=OTHER, products=["ACCOUNTS"])
    service.catch_up()
    erasure.request(service.res, PERSON)
    run_queued(service.res)

    product_api.refused("POST", "/v1/items", 410, "item-deleted", json={"itemId": item_id})
    product_api.refused("POST", "/v1/items", 409, "user-erased", json={"itemId": item_id, "clientUserId": PERSON})
    for path in (f"/v1/items/{item_id}", f"/v1/items/{item_id}/accounts", f"/v1/users/{PERSON}"):
        assert product_api.call("GET", path).status_code == 404
    service.work_until_quiet()
    service.res.now.advance(hours=3)
    service.work_until_quiet()

    assert found_in_tables(service.res, {PERSON, item_id}) == {}


@pytest.fixture
def product_api(web):
    return Product(web)
