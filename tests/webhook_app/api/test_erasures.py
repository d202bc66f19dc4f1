"""Erasures by API: what one waits for, its receipt, and the keys that check it without us."""

import jwt

from pluggy_sync.engine import erasure, receipts
from pluggy_sync.store import erasures
from tests.kit.workers import run_queued


def test_an_erasure_that_is_not_known_is_404(product):
    product.refused("GET", "/v1/erasures/ers_none", 404, "erasure-not-found")


def test_the_receipt_is_checked_with_the_published_keys_alone(product, web, resources):
    requested = product.call("DELETE", "/v1/users/user-42").get_json()
    run_queued(resources)
    done = product.get(f"/v1/erasures/{requested['id']}")

    keys = jwt.PyJWKSet.from_dict(web.get("/v1/erasure-keys").get_json())
    key = keys[jwt.get_unverified_header(done["signedReceipt"])["kid"]]

    claims = jwt.decode(done["signedReceipt"], key.key, algorithms=["EdDSA"])
    assert claims == done["receipt"]
    assert (claims["jti"], claims["completedAt"]) == (done["id"], done["completedAt"])


def test_a_key_that_is_replaced_stays_published(product, web, resources):
    requested = product.call("DELETE", "/v1/users/user-42").get_json()
    run_queued(resources)
    receipt = product.get(f"/v1/erasures/{requested['id']}")["signedReceipt"]

    new = receipts.replace_key(resources)

    published = [each["kid"] for each in web.get("/v1/erasure-keys").get_json()["keys"]]
    assert published == [new, jwt.get_unverified_header(receipt)["kid"]]
    assert jwt.get_unverified_header(receipts.signed(resources, {}))["kid"] == new


def test_what_an_erasure_waits_for_is_shown_in_a_word(product, resources):
    requested = product.call("DELETE", "/v1/users/user-42").get_json()
    for word in (erasure.OPERATION, erasure.PLUGGY, erasure.REDIS, erasure.SECRET_KEY, erasure.SPILL):
        with resources.database.begin() as conn:
            erasures.wait(conn, requested["id"], word, until=resources.now())

        shown = product.get(f"/v1/erasures/{requested['id']}")

        assert (shown["waitsFor"], shown["state"], shown["signedReceipt"]) == (word, "running", None)
        assert shown["nextTryAt"] is not None
