"""Whether an Item's data is complete today."""

from tests.kit.interception import changed, refused
from tests.kit.service import Service
from tests.webhook_app.product import Product


def test_a_synced_item_is_complete_and_its_rows_are_counted(service: Service, product: Product):
    item_id = service.upstream.connect(products=None)
    service.catch_up()

    coverage = product.get(f"/v1/items/{item_id}/coverage")

    assert coverage["complete"] is True
    assert coverage["gaps"] == []
    of_accounts = {each["accountId"]: each for each in coverage["results"] if each["product"] == "transactions"}
    accounts = product.get(f"/v1/items/{item_id}/accounts")["results"]
    assert of_accounts.keys() == {account["id"] for account in accounts}
    for account in accounts:
        rows = product.all_pages(f"/v1/accounts/{account['id']}/transactions")
        covered = of_accounts[account["id"]]
        assert covered["rows"] == len(rows)
        assert covered["from"] <= covered["to"]
        assert covered["proof"]["by"] == "sync"
        assert covered["collectedAt"] == product.get(f"/v1/items/{item_id}")["lastUpdatedAt"]
    assert len({each["product"] for each in coverage["results"]}) > 1


def test_an_item_that_was_never_synced_is_not_complete(service: Service, product: Product):
    item_id = service.upstream.connect("user-bad")
    service.catch_up()

    coverage = product.get(f"/v1/items/{item_id}/coverage")

    assert (coverage["complete"], coverage["results"]) == (False, [])


def test_what_the_bank_did_not_collect_is_not_complete_and_has_its_warnings(service: Service, product: Product):
    item_id = service.upstream.connect("user-ok-account-error", products=None)
    service.catch_up()
    told = product.get(f"/v1/items/{item_id}")["products"]

    coverage = product.get(f"/v1/items/{item_id}/coverage")

    assert coverage["complete"] is False
    assert {each["product"] for each in coverage["results"] if not each["complete"]} == {"creditCards"}
    for each in coverage["results"]:
        if each["product"] in told:
            assert each["complete"] is told[each["product"]]["isUpdated"]
            assert each["warnings"] == told[each["product"]]["warnings"]


def test_a_part_that_pluggy_refuses_is_a_gap_with_the_time_of_the_next_try(service: Service, product: Product):
    item_id = service.upstream.connect(products=["ACCOUNTS", "TRANSACTIONS", "LOANS"])
    with changed(service.res, "/loans", refused(403)):
        service.catch_up()

    coverage = product.get(f"/v1/items/{item_id}/coverage")

    (loans,) = [each for each in coverage["results"] if each["product"] == "loans"]
    assert (coverage["complete"], loans["complete"]) == (False, False)
    assert [gap["reason"] for gap in loans["gaps"]] == ["refused"]
    assert loans["gaps"][0]["retryAt"] is not None


def test_an_item_that_is_gone_has_no_coverage(service: Service, product: Product):
    product.refused("GET", "/v1/items/33333333-3333-4333-8333-333333333333/coverage", 404, "item-not-found")
    item_id = service.upstream.connect()
    service.catch_up()
    service.upstream.delete(item_id)
    service.catch_up()

    product.refused("GET", f"/v1/items/{item_id}/coverage", 410, "item-deleted")
