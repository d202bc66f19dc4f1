"""How ids live and die, windows, and changes made on demand (Pluggy facts 4.1, 5.6)."""

from dataclasses import replace

import pytest

from tests.pluggy_sandbox.driver import Driver, Json, Receiver


def changes_of(before: dict[str, Json], after: dict[str, Json]) -> tuple[set[str], set[str], set[str]]:
    changed = {i for i in set(before) & set(after) if before[i] != after[i]}
    return set(after) - set(before), changed, set(before) - set(after)


def test_nothing_changes_before_the_next_execution(driver: Driver) -> None:
    item_id = driver.connect()
    before = driver.everything(item_id)

    driver.evolve(item_id, {"kind": "add", "count": 3}, {"kind": "remove"}, {"kind": "edit"})

    assert driver.everything(item_id) == before


@pytest.mark.parametrize(
    "kind,added,modified,removed",
    [
        ("add", 1, 0, 0),
        ("backdate", 1, 0, 0),
        ("pending", 1, 0, 0),
        ("post_new_id", 1, 0, 1),
        ("post_same_id", 0, 1, 0),
        ("post_new_provider_id", 0, 1, 0),
        ("edit", 0, 1, 0),
        ("remove", 0, 0, 1),
        ("odd_text", 1, 0, 0),
        ("odd_date", 1, 0, 0),
    ],
)
@pytest.mark.parametrize("regulated", [False, True])
def test_a_change_comes_as_told(
    driver: Driver, kind: str, added: int, modified: int, removed: int, regulated: bool
) -> None:
    item_id = driver.connect_open_finance() if regulated else driver.connect()
    if regulated:
        driver.do(item_id, "approve")
    before = driver.everything(item_id)

    told = driver.evolve(item_id, {"kind": kind})
    driver.run(item_id)

    found = changes_of(before, driver.everything(item_id))
    assert found == (set(told["added"]), set(told["modified"]), set(told["removed"]))
    assert tuple(map(len, found)) == (added, modified, removed)
    assert {name: set(ids) for name, ids in told["nextRun"].items()} == dict(
        zip(("added", "modified", "removed"), found, strict=True)
    )


def test_many_changes_over_many_days_come_as_told(driver: Driver) -> None:
    item_id = driver.connect()
    kinds = ("add", "pending", "post_new_id", "post_same_id", "edit", "remove", "backdate")
    for _ in range(3):
        driver.advance(days=1)
        before = driver.everything(item_id)
        told = driver.evolve(item_id, *({"kind": kind, "count": 2} for kind in kinds))["nextRun"]
        driver.run(item_id)

        added, modified, removed = changes_of(before, driver.everything(item_id))

        assert (added, modified, removed) == (set(told["added"]), set(told["modified"]), set(told["removed"]))


def test_a_posted_row_under_a_new_id_has_no_link_to_the_old_one(driver: Driver) -> None:
    item_id = driver.connect()
    before = driver.everything(item_id)
    told = driver.evolve(item_id, {"kind": "post_new_id"})
    driver.run(item_id)

    old, new = before[told["removed"][0]], driver.everything(item_id)[told["added"][0]]

    assert (old["status"], new["status"]) == ("PENDING", "POSTED")
    assert old["amount"] == new["amount"]
    assert old["description"] != new["description"]


def consented(driver: Driver) -> str:
    item_id = driver.connect_open_finance()
    driver.do(item_id, "approve")
    return item_id


@pytest.mark.parametrize("kind,kept", [("post_same_id", True), ("post_new_provider_id", False)])
def test_a_settled_row_keeps_its_id_with_the_providers_id_or_by_amount_and_date(
    driver: Driver, kind: str, kept: bool
) -> None:
    item_id = consented(driver)
    before = driver.everything(item_id)

    (row_id,) = driver.evolve(item_id, {"kind": kind})["modified"]
    driver.run(item_id)

    old, new = before[row_id], driver.everything(item_id)[row_id]
    assert (old["status"], new["status"]) == ("PENDING", "POSTED")
    assert (old["providerId"] == new["providerId"]) is kept
    assert (old["amount"], old["date"], old["createdAt"]) == (new["amount"], new["date"], new["createdAt"])
    driver.run(item_id)
    assert driver.everything(item_id)[row_id] == new


def test_a_settled_row_with_another_date_gets_a_new_id_and_no_link(driver: Driver) -> None:
    item_id = consented(driver)
    before = driver.everything(item_id)

    told = driver.evolve(item_id, {"kind": "post_new_id"})
    driver.run(item_id)

    after = driver.everything(item_id)
    old, new = before[told["removed"][0]], after[told["added"][0]]
    assert old["id"] not in after
    assert old["providerId"] != new["providerId"]
    assert (old["amount"], old["date"] > new["date"]) == (new["amount"], True)


def test_of_two_rows_of_one_amount_and_date_each_settles_as_one(driver: Driver) -> None:
    item_id = consented(driver)
    card = driver.account(item_id, "CREDIT")
    source = driver.sandbox.sandbox.world.items[item_id].holdings.accounts[card["id"]].source
    waiting = next(row for row in source.rows if row.status == "PENDING")
    for n in range(2):
        source.rows.append(replace(waiting, key=f"twin-{n}", description=f"TWIN {n}", posts_on=None))
    driver.run(item_id)
    before = {i for i, row in driver.everything(item_id).items() if row["description"].startswith("TWIN")}
    for row in [row for row in source.rows if row.key.startswith("twin-")]:
        row.posts_as = "TWIN POSTED"
        source.post(row, driver.sandbox.sandbox.world.clock.now)

    driver.run(item_id)

    twins = {i: row for i, row in driver.everything(item_id).items() if row["description"] == "TWIN POSTED"}
    assert len(before) == 2
    assert set(twins) == before
    assert {row["providerId"] for row in twins.values()} == {"twin-0-p", "twin-1-p"}


def test_odd_texts_and_dates_are_held_and_served_as_the_bank_sends_them(driver: Driver) -> None:
    item_id = driver.connect()
    (text_id,) = driver.evolve(item_id, {"kind": "odd_text"})["added"]
    (date_id,) = driver.evolve(item_id, {"kind": "odd_date"})["added"]
    driver.run(item_id)

    served = driver.everything(item_id)
    odd = driver.api.get(f"/transactions/{text_id}")

    assert b"\\ud83d" in odd.content
    assert "\ud83d" in odd.json()["description"]
    assert "\x00" in odd.json()["description"]
    assert served[date_id]["date"] == "0001-01-01T00:00:00.000Z"
    assert {row["id"]: row for row in driver.truth(item_id)["transactions"]} == served
    changed = driver.api.patch(f"/transactions/{text_id}", json={"categoryId": "19000000"})
    assert changed.json() == odd.json() | {k: changed.json()[k] for k in ("category", "categoryId", "updatedAt")}
    statement = driver.control.get(f"/items/{item_id}/statement?size=5000").json()["results"]
    assert odd.json()["description"] in [row["description"] for each in statement for row in each["transactions"]]
    driver.run(item_id)
    assert driver.everything(item_id)[date_id] == served[date_id]


def test_an_edited_row_keeps_its_id_and_birth_and_gets_a_new_update(driver: Driver) -> None:
    item_id = driver.connect()
    before = driver.everything(item_id)
    (row_id,) = driver.evolve(item_id, {"kind": "edit"})["modified"]
    driver.advance(seconds=60)
    driver.run(item_id)

    old, new = before[row_id], driver.everything(item_id)[row_id]

    assert new["createdAt"] == old["createdAt"]
    assert new["updatedAt"] > old["updatedAt"]
    assert new["category"] != old["category"]


def test_a_row_that_vanished_before_the_window_is_not_missed(driver: Driver) -> None:
    item_id = driver.connect()

    told = driver.evolve(item_id, {"kind": "remove", "days": 60})
    driver.run(item_id)

    assert told["nextRun"]["removed"] == []
    assert told["removed"][0] in driver.everything(item_id)


def test_a_pending_row_older_than_the_window_is_still_compared(driver: Driver) -> None:
    item_id = driver.connect_open_finance()
    driver.do(item_id, "approve")
    waiting = driver.transactions(driver.account(item_id, "CREDIT")["id"], dateTo="2026-03-05")
    day = next(int(row["date"][8:10]) for row in waiting if row["status"] == "PENDING")

    told = driver.evolve(item_id, {"kind": "post_new_id", "days": 10 - day})
    driver.run(item_id)

    after = driver.everything(item_id)
    assert told["removed"][0] not in after
    assert told["added"][0] in after


@pytest.mark.parametrize("overlap,found", [(3, False), (7, True)])
def test_the_overlap_can_be_chosen(driver: Driver, overlap: int, found: bool) -> None:
    driver.settings(overlapDays=overlap)
    item_id = driver.connect()

    told = driver.evolve(item_id, {"kind": "remove", "days": 6})

    assert bool(told["nextRun"]["removed"]) is found


def test_the_first_execution_brings_a_year(driver: Driver) -> None:
    dates = sorted(row["date"][:10] for row in driver.everything(driver.connect()).values())

    assert dates[0] == "2025-03-10"


def test_an_item_that_failed_for_a_while_catches_up(driver: Driver) -> None:
    item_id = driver.connect()
    stood = driver.item(item_id)["lastUpdatedAt"]
    before = driver.everything(item_id)
    for _ in range(3):
        driver.advance(days=4)
        driver.do(item_id, "break", executionStatus="SITE_NOT_AVAILABLE")
        driver.run(item_id)
        assert driver.item(item_id)["lastUpdatedAt"] == stood
        assert driver.everything(item_id) == before
    driver.run(item_id)

    days = {row["date"][:10] for i, row in driver.everything(item_id).items() if i not in before}

    assert {f"2026-03-{day}" for day in range(11, 23)} <= days


def test_a_change_that_fits_no_row_is_refused(driver: Driver) -> None:
    item_id = driver.connect()

    for change in ({"kind": "nonsense"}, {"kind": "edit", "days": 4000}):
        assert driver.control.post(f"/items/{item_id}/evolve", json={"changes": [change]}).status_code == 400


def test_events_name_exactly_the_rows_that_changed(driver: Driver, receiver: Receiver) -> None:
    item_id = driver.connect()
    driver.register(receiver.url)
    told = driver.evolve(
        item_id, {"kind": "add"}, {"kind": "edit"}, {"kind": "remove"}, accountId=driver.account(item_id)["id"]
    )
    driver.run(item_id)

    (created,), (updated,), (deleted,) = (
        receiver.of(f"transactions/{what}") for what in ("created", "updated", "deleted")
    )

    assert updated["transactionIds"] == told["modified"]
    assert deleted["transactionIds"] == told["removed"]
    assert created["transactionsCount"] == 1
    rows = driver.transactions(created["accountId"], createdAtFrom=created["transactionsCreatedAtFrom"])
    assert [row["id"] for row in rows] == told["added"]
    assert created["transactionsMinDate"] == rows[0]["date"]
