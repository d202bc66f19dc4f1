"""A person is erased at Pluggy and here, whatever fails on the way, and does not come back."""

import dataclasses
import json
import threading
from contextlib import closing
from datetime import timedelta

import jwt
import pytest
import sqlalchemy as sa

from pluggy_sync import queue, spill, wire
from pluggy_sync.engine import erasure, item_list, items, receipts, sweep
from pluggy_sync.resources import create_resources
from pluggy_sync.store import erased, erasures, sealed_keys, tables
from pluggy_sync.store import items as stored_items
from tests.kit.factories import an_event
from tests.kit.scripted_server import Reply
from tests.kit.workers import run_queued, take_messages

PERSON = "user-42"
OTHER = "somebody-else"
FEW = ["ACCOUNTS", "TRANSACTIONS"]


@pytest.fixture
def settings(behind_proxy):
    return behind_proxy


@pytest.fixture
def res(resources):
    return resources


@pytest.fixture
def other(service, upstream):
    """An Item of somebody else, which stays."""
    item_id = upstream.connect(clientUserId=OTHER, products=FEW)
    service.catch_up()
    return item_id


def connected(service, upstream, number=1, **more):
    ids = [upstream.connect(clientUserId=PERSON, **{"products": FEW, **more}) for _ in range(number)]
    service.catch_up()
    return ids


def erase(res, person=PERSON):
    """Request an erasure, work, and return it."""
    requested = erasure.request(res, person)
    run_queued(res)
    return state_of(res, requested.id)


def state_of(res, erasure_id):
    with res.database.begin() as conn:
        return erasures.get(conn, erasure_id)


def items_of(res, found):
    with res.database.begin() as conn:
        return erasures.items_of(conn, found.id)


def goes_on(res, found, **later):
    """Let time pass until the sweep finds the erasure due; return it."""
    res.now.advance(**(later or {"hours": 2}))
    sweep.sweep(res)
    run_queued(res)
    return state_of(res, found.id)


def rows_naming(res, *words):
    """Return the tables in which a row holds one of the words."""
    found = set()
    with res.database.begin() as conn:
        for table in tables.metadata.sorted_tables:
            for text in conn.scalars(sa.text(f"SELECT t::text FROM {table.name} t")):
                found |= {(table.name, word) for word in words if word in text}
    return found


def test_all_items_are_deleted_at_pluggy_and_every_row_here_and_others_stay(service, upstream, res, other):
    ids = connected(service, upstream, 2)
    (asked,) = connected(service, upstream, connector=5)

    done = erase(res)

    assert (done.state, done.waits_for) == ("done", None)
    assert {each.outcome for each in items_of(res, done)} == {"deleted"}
    assert rows_naming(res, PERSON, *ids, asked) == set()
    assert done.removed["items"] == 3
    assert done.removed["user_actions"] == 1
    assert done.removed["transactions"] > 0
    assert done.removed["inbox"] > 0
    for item_id in (*ids, asked):
        assert res.pluggy.item(item_id) is None
    service.assert_mirrors(other)
    assert res.pluggy.item(other) is not None


def test_the_receipt_is_signed_counts_what_was_removed_and_names_nobody(service, upstream, res, other):
    ids = connected(service, upstream)
    with res.database.begin() as conn:
        before = erasures.count_rows(conn, ids)

    done = erase(res)

    with res.database.begin() as conn:
        (key,) = receipts.published(conn)
    header = jwt.get_unverified_header(done.receipt)
    assert (header["alg"], header["kid"]) == ("EdDSA", key["kid"])
    claims = jwt.decode(done.receipt, jwt.PyJWK(key).key, algorithms=["EdDSA"], issuer=res.settings.public_url)
    assert claims["jti"] == done.id
    assert claims["items"] == {"deletedAtPluggy": 1, "absentAtPluggy": 0, "waiting": 0}
    assert claims["removed"] == done.removed
    assert {table: done.removed[table] for table in before} == dict(before)
    assert claims["remains"] == {"tombstones": 2}
    text = json.dumps(claims)
    assert not any(word in text for word in (PERSON, *ids))
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(done.receipt[:-8] + "AAAAAAAA", jwt.PyJWK(key).key, algorithms=["EdDSA"])


@pytest.mark.parametrize("status", [503, 403])
def test_while_pluggy_refuses_everything_here_is_removed_and_nothing_is_claimed(
    service, upstream, res, proxy, other, status
):
    ids = connected(service, upstream, 2)
    refused = ids[0]
    proxy.before = lambda asked: (
        Reply({"code": status}, status) if asked.method == "DELETE" and refused in asked.path else None
    )

    found = erase(res)

    assert (found.state, found.receipt, found.completed_at) == ("running", None, None)
    assert found.waits_for == "pluggy"
    assert sorted(str(each.outcome) for each in items_of(res, found)) == ["None", "deleted"]
    assert rows_naming(res, PERSON, *ids) == set()
    assert res.pluggy.item(refused) is not None
    assert goes_on(res, found).state == "running"

    proxy.before = None
    done = goes_on(res, found)

    assert done.state == "done"
    assert {each.outcome for each in items_of(res, done)} == {"deleted"}
    assert res.pluggy.item(refused) is None


def test_a_404_counts_only_while_pluggy_shows_another_item_of_ours(service, upstream, res, proxy, other):
    (gone,) = connected(service, upstream)
    upstream.delete(gone)
    proxy.before = lambda asked: Reply({"code": 404}, 404) if asked.path.startswith("/items/") else None

    found = erase(res)

    assert found.state == "running"
    assert {(each.outcome, each.trouble) for each in items_of(res, found)} == {(None, "pluggy-shows-no-item")}

    proxy.before = None
    done = goes_on(res, found)

    assert done.state == "done"
    assert {each.outcome for each in items_of(res, done)} == {"absent"}
    assert receipts.claims_of(done.receipt)["items"]["absentAtPluggy"] == 1


def test_late_events_are_stored_without_what_they_say_and_bring_nothing_back(service, upstream, res, other):
    (item_id,) = connected(service, upstream)
    done = erase(res)
    # Pluggy tells of the deletion, and what was on its way arrives too.
    late = [an_event("item/updated", itemId=item_id, clientUserId=PERSON), *upstream.take_events()]
    assert any(each["event"] == "item/deleted" for each in late)

    service.deliver(*late, late[0])
    service.work_until_quiet()

    assert rows_naming(res, PERSON, item_id) == set()
    stored = {row.event_id: row for row in service.events()}
    for each in late:
        assert (stored[each["eventId"]].state, stored[each["eventId"]].outcome) == ("handled", "erased")
        assert stored[each["eventId"]].name == each["event"]
    assert state_of(res, done.id) == done


def test_an_item_that_the_person_began_before_the_request_is_erased_too_and_the_receipt_is_renewed(
    service, upstream, res, other
):
    connected(service, upstream)
    done = erase(res)
    late = upstream.connect(clientUserId=PERSON, products=FEW)

    service.catch_up()
    again = state_of(res, done.id)

    assert again.state == "done"
    assert res.pluggy.item(late) is None
    assert rows_naming(res, PERSON, late) == set()
    assert receipts.claims_of(again.receipt)["items"]["deletedAtPluggy"] == 2
    assert again.receipt != done.receipt


def test_an_item_begun_before_the_request_is_erased_though_pluggys_clock_is_hours_ahead(service, upstream, res, other):
    connected(service, upstream)
    done = erase(res)
    upstream.later(seconds=5 * 3600)
    late = upstream.connect(clientUserId=PERSON, products=FEW)

    service.catch_up()

    assert res.pluggy.item(late) is None
    assert rows_naming(res, PERSON, late) == set()
    assert receipts.claims_of(state_of(res, done.id).receipt)["items"]["deletedAtPluggy"] == 2


def hours_pass_since_the_request(res, hours=2):
    with res.database.begin() as conn:
        conn.execute(sa.update(tables.erasures).values(requested_at=res.now() - timedelta(hours=hours)))


def test_a_person_who_connects_a_bank_later_is_a_customer_again_and_erased_items_stay_erased(
    service, upstream, res, other
):
    (old,) = connected(service, upstream)
    upstream.take_events()
    done = erase(res)
    late = [an_event("item/updated", itemId=old, clientUserId=PERSON), *upstream.take_events()]
    hours_pass_since_the_request(res)

    (back,) = connected(service, upstream)
    service.deliver(*late)
    service.work_until_quiet()

    service.assert_mirrors(back)
    assert rows_naming(res, old) == set()
    assert state_of(res, done.id).receipt == done.receipt
    again = erase(res)
    assert again.id != done.id
    assert receipts.claims_of(again.receipt)["items"]["deletedAtPluggy"] == 1
    assert rows_naming(res, PERSON, back) == set()


def test_an_item_that_was_heard_of_late_and_made_before_is_no_return(service, upstream, res, other):
    connected(service, upstream)
    done = erase(res)
    late = upstream.connect(clientUserId=PERSON, products=FEW)
    res.now.advance(hours=2)

    service.catch_up()

    assert res.pluggy.item(late) is None
    assert receipts.claims_of(state_of(res, done.id).receipt)["items"]["deletedAtPluggy"] == 2


def test_a_person_who_comes_back_while_the_erasure_goes_on_is_let_in_after_it(service, upstream, res, proxy, other):
    (old,) = connected(service, upstream)
    proxy.before = lambda asked: Reply({"code": 503}, 503) if asked.method == "DELETE" else None
    found = erase(res)
    assert found.state == "running"
    hours_pass_since_the_request(res)

    back = upstream.connect(clientUserId=PERSON, products=FEW)
    service.deliver(*upstream.take_events())
    service.work()
    assert rows_naming(res, PERSON) == set()
    assert res.pluggy.item(back) is not None
    proxy.before = None
    assert goes_on(res, found).state == "done"
    goes_on(res, found)
    service.work_until_quiet()

    service.assert_mirrors(back)
    assert rows_naming(res, old) == set()
    assert {each.outcome for each in items_of(res, found)} == {"deleted"}
    assert len(items_of(res, found)) == 1


def test_items_that_pluggy_still_lists_are_not_brought_back(service, upstream, res, proxy, other):
    upstream.settings(listItemsEnabled=True)
    (item_id,) = connected(service, upstream)
    proxy.before = lambda asked: Reply({"code": 503}, 503) if asked.method == "DELETE" else None
    found = erase(res)
    # Its events were all lost.
    late = upstream.connect(clientUserId=PERSON, products=FEW)
    upstream.take_events()

    item_list.compare(res)
    run_queued(res)

    assert rows_naming(res, PERSON, item_id, late) == set()
    assert res.pluggy.item(item_id) is not None
    proxy.before = None
    assert goes_on(res, found).state == "done"
    assert {each.outcome for each in items_of(res, found)} == {"deleted"}
    assert len(items_of(res, found)) == 2


def test_whose_return_is_allowed_may_connect_again(service, upstream, res, other):
    (item_id,) = connected(service, upstream)
    erase(res)
    with res.database.begin() as conn:
        assert erased.lift(conn, PERSON)

    back = upstream.connect(clientUserId=PERSON, products=FEW)
    service.catch_up()

    service.assert_mirrors(back)
    with res.database.begin() as conn:
        assert erased.is_item(conn, item_id)


def test_nothing_is_removed_before_transactions_that_may_not_know_of_it_have_ended(service, upstream, res, other):
    ids = connected(service, upstream)
    with create(res) as process, process.database.connect() as conn:
        # It began before the request.
        conn.execute(sa.text("SELECT 1"))
        found = erase(res)
        assert (found.state, found.waits_for) == ("running", "transactions")
        assert ("items", ids[0]) in rows_naming(res, *ids)

    assert goes_on(res, found).state == "done"


def create(res):

    return closing(create_resources(res.settings))


class Died(BaseException):
    """Stands for the end of the process."""


# In the order in which an erasure comes by them.
STEPS = [
    "items_known_of",
    "items_in_outbox",
    "note",
    "is_older_transaction_open",
    "items_of",
    "remove_item",
    "count_removed",
    "empty_raw_naming",
    "take_item",
    "settle_item",
    "finish",
]


def test_an_erasure_goes_on_after_a_process_died_at_any_step(service, upstream, res, other, monkeypatch):
    ids = connected(service, upstream, 2)
    with res.database.begin() as conn:
        before = erasures.count_rows(conn, ids)
    requested = erasure.request(res, PERSON)
    take_messages(res)

    for step in STEPS:
        for when in ("before", "after"):
            assert dies_at(res, requested.id, step, when, monkeypatch), f"{when} {step} was not reached"
            assert state_of(res, requested.id).receipt is None
            res.now.advance(minutes=3)
    done = goes_on(res, requested)

    assert done.state == "done"
    assert rows_naming(res, PERSON, *ids) == set()
    # Each row was counted once, though some were removed by one that died.
    assert {table: done.removed[table] for table in before} == dict(before)
    for item_id in ids:
        assert res.pluggy.item(item_id) is None


def dies_at(res, erasure_id, step, when, monkeypatch):
    """Work on the erasure until the process dies at the step; return whether it got there."""
    real = getattr(erasures, step)

    def dies(*args, **more):
        if when == "after":
            real(*args, **more)
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(erasures, step, dies)
        try:
            erasure.work(res, erasure_id)
        except Died:
            return True
    return False


def test_a_process_that_dies_after_pluggy_deleted_an_item_claims_only_that_it_is_gone(
    service, upstream, res, other, monkeypatch
):
    connected(service, upstream)
    requested = erasure.request(res, PERSON)
    take_messages(res)
    real = res.pluggy.delete_item

    def dies(item_id):
        real(item_id)
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(res.pluggy, "delete_item", dies)
        with pytest.raises(Died):
            erasure.work(res, requested.id)

    done = goes_on(res, requested)

    assert receipts.claims_of(done.receipt)["items"] == {"deletedAtPluggy": 0, "absentAtPluggy": 1, "waiting": 0}


def test_a_fetch_that_began_before_the_request_brings_nothing_back(service, upstream, res, other, monkeypatch):
    (item_id,) = connected(service, upstream)
    real = res.pluggy.item

    def slow(asked):
        found = real(asked)
        if asked == item_id:
            erase(res)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(res.pluggy, "item", slow)
        items.fetch(res, item_id)
    run_queued(res)

    assert rows_naming(res, PERSON, item_id) == set()


def test_an_item_of_which_pluggy_does_not_say_whose_it_is_is_kept_out_by_its_own_id(
    service, upstream, res, proxy, other
):
    item_id = upstream.connect(clientUserId=None, products=FEW)
    service.catch_up()
    with res.database.begin() as conn:
        stored_items.name_user(conn, item_id, PERSON)
    proxy.before = lambda asked: Reply({"code": 503}, 503) if asked.method == "DELETE" else None
    erase(res)
    assert res.pluggy.item(item_id).client_user_id is None

    items.fetch(res, item_id)
    run_queued(res)

    assert rows_naming(res, PERSON, item_id) == set()


def test_items_that_were_deleted_before_are_found_by_what_events_still_say(service, upstream, res, other):
    (item_id,) = connected(service, upstream)
    with res.database.begin() as conn:
        conn.execute(sa.update(tables.items).where(tables.items.c.id == item_id).values(client_user_id=None))

    done = erase(res)

    assert done.removed["items"] == 1
    assert rows_naming(res, PERSON, item_id) == set()


def test_what_could_not_be_read_and_names_the_person_is_emptied_and_other_such_bodies_stay(service, res, other):
    post = {"headers": {"X-Webhook-Secret": "a-webhook-secret-of-the-tests", "Content-Type": "application/json"}}
    bodies = [
        b'{"event": "item/updated", "clientUserId" : "user-42", ',
        b'{"event": "item/updated", "clientUserId": "user-420", ',
        b'{"event": "payment_intent/created", "eventId": "p-1", "clientUserId": "user-42"}',
    ]
    for body in bodies:
        assert service.web.post("/webhooks/pluggy", data=body, **post).status_code == 202

    erase(res)

    assert rows_naming(res, '"user-42"') == set()
    left = [bytes(row.raw) for row in service.events() if row.raw is not None]
    assert left == [bodies[1]]


def test_queued_messages_and_keys_that_name_an_item_are_removed_and_no_others(service, upstream, res, other):
    (item_id,) = connected(service, upstream)
    res.send([queue.Message(queue.SYNC_ITEM, item_id), queue.Message(queue.SYNC_ITEM, other)])
    res.redis.set(f"pluggy-sync:followed:{item_id}", 1)
    taken = queue.encoded(queue.Message(queue.RECONCILE, item_id)).decode()
    res.redis.hset("unacked", "tag", json.dumps([json.loads(taken), "", "reconciliations"]))
    res.redis.zadd("unacked_index", {"tag": 1})

    removed = queue.forget(res.redis, [item_id])

    assert removed == 3
    assert take_messages(res) == [(queue.SYNC_ITEM, other)]
    assert res.redis.exists(f"pluggy-sync:followed:{item_id}", "unacked", "unacked_index") == 0


def test_of_a_long_queue_every_message_that_names_an_item_is_removed(res, other, monkeypatch):
    monkeypatch.setattr(queue, "AT_ONCE", 3)
    gone = "22222222-2222-4222-8222-222222222222"
    order = [gone, gone, other, gone, gone, gone, other, gone, gone, gone]
    for each in order:
        res.send([queue.Message(queue.SYNC_ITEM, each)])

    assert queue.forget(res.redis, [gone]) == order.count(gone)
    assert take_messages(res) == [(queue.SYNC_ITEM, other)] * 2


def test_an_erasure_waits_for_the_spill(service, upstream, res, other, tmp_path):

    (item_id,) = connected(service, upstream)
    with_spill = dataclasses.replace(res, settings=dataclasses.replace(res.settings, spill_folder=str(tmp_path)))
    requested = erasure.request(with_spill, PERSON)
    take_messages(res)
    box = spill.box_of(res.settings.secret_key)
    with closing(spill.create(tmp_path, box, most_bytes=1_000_000)) as file:
        file.append([(wire.encode(an_event(itemId=item_id)), res.now(), None)])
        erasure.work(with_spill, requested.id)
        assert state_of(res, requested.id).waits_for == "spill"
        file.remove([each.id for each in file.page(after=0, limit=10)])

    erasure.work(with_spill, requested.id)

    assert state_of(res, requested.id).state == "done"


def test_a_second_request_is_the_same_erasure_with_the_same_receipt_and_does_nothing(service, upstream, res, other):
    connected(service, upstream)
    first = erase(res)
    res.now.advance(hours=1)

    second = erasure.request(res, PERSON)

    assert second == first
    assert take_messages(res) == []


def test_a_second_request_erases_what_came_since_and_renews_the_receipt(service, upstream, res, other):
    connected(service, upstream)
    first = erase(res)
    with res.database.begin() as conn:
        # As after somebody put rows back.
        conn.execute(sa.insert(tables.items).values(id="put-back", client_user_id=PERSON, first_seen_at=res.now()))

    second = erase(res)

    assert (second.id, second.state) == (first.id, "done")
    assert second.removed["items"] == 2
    assert second.receipt != first.receipt


def test_one_who_is_not_known_is_kept_out_too(res, upstream, service, other):
    done = erase(res, "nobody-yet")

    assert done.state == "done"
    assert sum(done.removed.values()) == 0
    with res.database.begin() as conn:
        assert erased.erasure_of_user(conn, "nobody-yet") == done.id


def test_after_secret_key_is_replaced_tombstones_still_hold_and_receipts_can_still_be_checked(
    service, upstream, res, other
):
    (item_id,) = connected(service, upstream)
    done = erase(res)
    old = res.settings.secret_key
    rotated = dataclasses.replace(res.settings, secret_key="x" * 40, previous_secret_keys=(old,))

    with closing(create_resources(rotated)) as process:
        erasure.seal_anew(process)
    with closing(create_resources(dataclasses.replace(rotated, previous_secret_keys=()))) as process:
        with process.database.begin() as conn:
            assert erased.is_item(conn, item_id)
            assert erased.erasure_of_user(conn, PERSON) == done.id
        receipts.signed(process, {"jti": "new"})
        with process.database.begin() as conn:
            (key,) = receipts.published(conn)
    assert jwt.decode(done.receipt, jwt.PyJWK(key).key, algorithms=["EdDSA"])["jti"] == done.id


def test_with_a_secret_key_that_opens_nothing_it_is_said_and_former_receipts_stay_good(
    service, upstream, res, other, caplog
):
    connected(service, upstream)
    done = erase(res)

    with closing(create_resources(dataclasses.replace(res.settings, secret_key="y" * 40))) as process:
        with process.database.begin() as conn:
            assert erased.erasure_of_user(conn, PERSON) is None
        new = receipts.signed(process, {"jti": "new"})
        with process.database.begin() as conn:
            keys = {each["kid"]: each for each in receipts.published(conn)}

    assert "erasures.key_lost" in caplog.text
    assert len(keys) == 2
    for receipt in (done.receipt, new):
        key = keys[jwt.get_unverified_header(receipt)["kid"]]
        jwt.decode(receipt, jwt.PyJWK(key).key, algorithms=["EdDSA"])


def test_processes_that_need_the_first_key_at_once_agree_on_one(res):
    with res.database.begin() as conn:
        conn.execute(sa.delete(tables.sealed_keys))
    processes = [create_resources(res.settings) for _ in range(4)]
    found = []
    barrier = threading.Barrier(len(processes))

    def digest(process):
        barrier.wait()
        with process.database.begin() as conn:
            found.append(erased.digests(conn, erased.ITEM, "x"))

    threads = [threading.Thread(target=digest, args=[each]) for each in processes]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for each in processes:
        each.close()

    assert len(found) == 4
    assert all(each == found[0] for each in found)
    with res.database.begin() as conn:
        assert len(sealed_keys.of_purpose(conn, sealed_keys.TOMBSTONES)) == 1


def test_an_erasure_that_takes_long_is_not_begun_beside_itself(res, service, upstream, clock, monkeypatch):
    connected(service, upstream, 3)
    remove_item, still_its_own = erasures.remove_item, []

    def takes_long(conn, item_id):
        clock.advance(seconds=erasure.ATTEMPT.total_seconds() * 0.7)
        still_its_own.append(conn.scalar(sa.select(tables.erasures.c.due_at)) > res.now())
        return remove_item(conn, item_id)

    monkeypatch.setattr(erasures, "remove_item", takes_long)

    assert erase(res).state == erasures.DONE

    assert len(still_its_own) >= 3
    assert all(still_its_own)
