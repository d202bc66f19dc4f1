"""Categories, and an application's rules for them (Pluggy facts 5.8, 13.13)."""

import pytest

from tests.pluggy_sandbox.driver import Driver


def test_categories_have_three_levels(driver: Driver) -> None:
    found = driver.api.get("/categories").json()["results"]
    below = driver.api.get("/categories", params={"parentId": "05000000"}).json()["results"]

    assert len(found) > 120
    assert all(c["parentDescription"] == "Transfers" for c in below)
    assert driver.api.get("/categories/02030001").json()["parentId"] == "02030000"
    assert driver.api.get("/categories/nope").status_code == 404


def test_a_rule_decides_the_category_from_the_next_execution_on_until_it_is_deleted(driver: Driver) -> None:
    driver.settings(overlapDays=365)
    item_id = driver.connect()
    sent = {"description": "metro", "categoryId": "19000000", "matchType": "startsWith", "transactionType": "DEBIT"}
    rule = driver.api.post("/categories/rules", json=sent).json()
    before = {
        row["categoryId"] for row in driver.everything(item_id).values() if row["description"].startswith("METRO")
    }

    driver.run(item_id)

    rows = driver.everything(item_id).values()
    assert before == {"09010000"}
    assert {row["categoryId"] for row in rows if row["description"].startswith("METRO")} == {"19000000"}
    assert "19000000" not in {row["categoryId"] for row in rows if not row["description"].startswith("METRO")}
    assert driver.api.get("/categories/rules").json()["results"] == [rule]
    assert driver.api.delete(f"/categories/rules/{rule['id']}").json() == {"count": 1}
    assert driver.api.delete(f"/categories/rules/{rule['id']}").status_code == 404
    driver.run(item_id)
    assert "19000000" not in {row["categoryId"] for row in driver.everything(item_id).values()}


def test_what_the_application_chose_for_one_transaction_is_stronger_than_a_rule(driver: Driver) -> None:
    item_id = driver.connect()
    row = driver.transactions(driver.account(item_id)["id"])[0]
    driver.api.patch(f"/transactions/{row['id']}", json={"categoryId": "19000000"})
    driver.api.post("/categories/rules", json={"description": row["description"], "categoryId": "20000000"})

    driver.run(item_id)

    assert driver.everything(item_id)[row["id"]]["categoryId"] == "19000000"


@pytest.mark.parametrize(
    "body",
    [
        {"description": "x"}, {"categoryId": "19000000"}, {"description": "x", "categoryId": "x"},
        {"description": "x", "categoryId": "19000000", "matchType": "like"},
        {"description": ["x"], "categoryId": "19000000"},
    ],
)  # fmt: skip
def test_a_rule_without_sense_is_refused(driver: Driver, body: dict[str, object]) -> None:
    assert driver.api.post("/categories/rules", json=body).status_code == 400
