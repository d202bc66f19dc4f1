"""All of a person by API, and erasing one."""

import pytest

from pluggy_sync.store import erasures
from tests.kit.workers import run_queued

PERSON = "user/42 ção"
ADDRESS = "/v1/users/user%2F42%20%C3%A7%C3%A3o"


@pytest.fixture
def items(service, upstream):
    """Two Items of the person, one of which waits for a code, and one of somebody else."""
    good = upstream.connect(clientUserId=PERSON, products=["ACCOUNTS", "TRANSACTIONS"])
    other = upstream.connect(clientUserId="somebody-else", products=["ACCOUNTS"])
    asked = upstream.connect(connector=5, clientUserId=PERSON)
    # The bank does not wait for long: no time may pass.
    service.deliver(*upstream.take_events())
    service.work()
    return good, asked, other


def test_a_person_is_shown_with_items_open_actions_and_counts(product, items, service):
    good, asked, _ = items

    shown = product.get(ADDRESS)

    assert shown["clientUserId"] == PERSON
    assert [each["id"] for each in shown["items"]] == sorted([good, asked])
    assert shown["items"][0] == product.get(f"/v1/items/{shown['items'][0]['id']}")
    assert [each["itemId"] for each in shown["openActions"]] == [asked]
    assert (shown["counts"]["items"], shown["counts"]["user_actions"]) == (2, 1)
    assert shown["counts"]["transactions"] == len(service.transaction_ids())


def test_who_is_not_known_is_404(product, items):
    product.refused("GET", "/v1/users/nobody", 404, "user-not-found")


def test_a_person_is_erased_and_the_erasure_shows_how_far_it_is(product, items, service):
    _, _, other = items
    counts = product.get(ADDRESS)["counts"]

    requested = product.call("DELETE", ADDRESS).get_json()
    assert (requested["state"], requested["receipt"], requested["completedAt"]) == ("running", None, None)
    assert requested["items"] == {"deletedAtPluggy": 0, "absentAtPluggy": 0, "waiting": 2}
    run_queued(service.res)
    done = product.get(f"/v1/erasures/{requested['id']}")

    assert (done["state"], done["waitsFor"], done["nextTryAt"], done["troubles"]) == ("done", None, None, [])
    assert done["items"] == {"deletedAtPluggy": 2, "absentAtPluggy": 0, "waiting": 0}
    assert {table: done["removed"][table] for table in counts} == counts
    assert done["receipt"]["removed"] == done["removed"]
    assert done["signedReceipt"].count(".") == 2
    product.refused("GET", ADDRESS, 404, "user-not-found")
    assert product.get(f"/v1/items/{other}")["id"] == other


def test_erasing_again_answers_with_the_same_erasure(product, items, service):
    first = product.call("DELETE", ADDRESS)
    meanwhile = product.call("DELETE", ADDRESS)
    run_queued(service.res)
    done = product.get(f"/v1/erasures/{first.get_json()['id']}")
    service.res.now.advance(hours=1)

    again = product.call("DELETE", ADDRESS)
    run_queued(service.res)

    assert (first.status_code, meanwhile.status_code, again.status_code) == (202, 202, 200)
    assert meanwhile.get_json()["id"] == done["id"]
    assert again.get_json() == done
    assert product.get(f"/v1/erasures/{done['id']}") == done


def test_a_person_who_asks_for_a_token_after_the_erasure_is_a_customer_again(product, items, service, upstream):
    good, _, _ = items
    erased = product.call("DELETE", ADDRESS).get_json()
    product.refused("POST", "/v1/connect-tokens", 409, "user-erased", json={"clientUserId": PERSON})
    run_queued(service.res)
    product.refused("POST", "/v1/items", 409, "user-erased", json={"itemId": good, "clientUserId": PERSON})

    product.post("/v1/connect-tokens", {"clientUserId": PERSON}, 200)
    back = upstream.connect(clientUserId=PERSON, products=["ACCOUNTS"])
    service.catch_up()

    assert [each["id"] for each in product.get(ADDRESS)["items"]] == [back]
    product.refused("GET", f"/v1/items/{good}", 404, "item-not-found")
    assert product.get(f"/v1/erasures/{erased['id']}")["items"]["deletedAtPluggy"] == 2
    assert product.call("DELETE", ADDRESS).get_json()["id"] != erased["id"]


def test_an_id_that_is_too_long_is_refused_and_erases_nobody(product, database):
    problem = product.refused("DELETE", "/v1/users/" + "x" * 257, 400, "invalid-request")

    assert problem["errors"][0]["field"] == "clientUserId"
    with database.begin() as conn:
        assert erasures.newest(conn, limit=1) == []
