"""Balances as Pluggy shows them (Pluggy facts 5.2)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from pluggy_sync import wire
from tests.pluggy_sandbox.driver import Driver, Json


def truth(driver: Driver, item_id: str) -> Json:
    """Return what the sandbox holds, amounts exact."""
    found: Json = wire.decode(driver.control.get(f"/items/{item_id}/truth").content)
    return found


def unexplained(held: Json) -> Iterator[Decimal]:
    """Yield, for each bank account, its balance without the posted rows up to the collection."""
    collected_at = datetime.fromisoformat(held["item"]["lastUpdatedAt"])
    for account in held["accounts"]:
        if account["type"] == "BANK":
            rows = [row for row in held["transactions"] if row["accountId"] == account["id"]]
            posted = [row for row in rows if row["status"] == "POSTED"]
            yield account["balance"] - sum(
                Decimal(str(row["amount"])) for row in posted if datetime.fromisoformat(row["date"]) <= collected_at
            )


# The last one has so many rows that some happen in every few hours.
@pytest.mark.parametrize("user", ["user-ok", "user-ok-two-checking-accounts", "user-ok-perf-20x"])
def test_a_balance_moves_by_what_the_rows_move(driver: Driver, user: str) -> None:
    item_id = driver.connect(user)
    first = last = truth(driver, item_id)

    for hours in (1, 5, 20, 24, 71):
        driver.advance(seconds=hours * 3600 + 1)
        driver.run(item_id)
        last = truth(driver, item_id)
        assert list(unexplained(last)) == list(unexplained(first)), f"after {hours} hours more"

    assert [account["balance"] for account in last["accounts"]] != [account["balance"] for account in first["accounts"]]


TWIN = "NOTHING ELSE IS CALLED SO"


@pytest.mark.parametrize("late", [0, 1, 2])
def test_rows_that_nothing_tells_apart_are_as_many_as_at_the_bank_whichever_is_shown_last(
    driver: Driver, late: int
) -> None:
    item_id = driver.connect()
    world = driver.sandbox.sandbox.world
    with world.lock:
        [source] = [
            held.source for held in world.items[item_id].holdings.accounts.values() if held.source.type == "BANK"
        ]
        twin = next(row for row in reversed(source.rows) if row.status == "POSTED")
        for number in range(3):
            shown_at = world.clock.now + timedelta(hours=2 if number == late else 1)
            row = replace(twin, key=f"twin-{number}", description=TWIN, shown_at=shown_at)
            source.rows.append(row)
    before = list(unexplained(truth(driver, item_id)))

    for twins in (2, 3):
        driver.advance(seconds=3601)
        plan = driver.do(item_id, "evolve", changes=[])["nextRun"]["added"]
        driver.run(item_id)

        held = truth(driver, item_id)
        ids = [row["id"] for row in held["transactions"]]
        same = [row["id"] for row in held["transactions"] if row["description"] == TWIN]
        assert len(ids) == len(set(ids))
        assert len(same) == twins
        assert set(plan) <= set(ids)
        assert list(unexplained(held)) == before
