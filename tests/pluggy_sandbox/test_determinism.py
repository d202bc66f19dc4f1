"""The same seed tells the same story, byte for byte; another seed tells another one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from pluggy_sandbox.testing import running_sandbox
from tests.pluggy_sandbox.conftest import START
from tests.pluggy_sandbox.driver import Driver, Json

# Each plays the same days two or three times.
pytestmark = pytest.mark.slow

KINDS = ("add", "pending", "post_new_id", "post_same_id", "edit", "remove", "backdate")


def history(seed: int) -> list[bytes]:
    """Return everything that a story of several items leaves behind."""
    with (
        running_sandbox(seed, start=START, run_seconds=0.01, mode="production") as sandbox,
        httpx.Client(base_url=sandbox.url, timeout=30, trust_env=False) as api,
    ):
        driver = Driver(sandbox, api)
        driver.sign_in()
        driver.register("http://127.0.0.1:1/hook")
        driver.faults(deliveries={"loss": 1})
        ids = [driver.connect(clientUserId="u1"), driver.connect("user-bad"), driver.connect(connector=5)]
        driver.mfa(ids[2], token="123456")
        for _ in range(3):
            driver.advance(days=1)
            driver.evolve(ids[0], *({"kind": kind} for kind in KINDS))
            driver.run(ids[0])
        truths = [driver.control.get(f"/items/{i}/truth").content for i in ids]
        payloads = sorted(repr(d["payload"]) for d in driver.deliveries())
        here = sandbox.url.encode()
        return [text.replace(here, b"") for text in (*truths, *(p.encode() for p in payloads))]


def test_the_same_seed_tells_the_same_story_and_another_seed_another_one() -> None:
    first, second, other = history(3), history(3), history(4)

    assert first == second
    assert not set(first) & set(other)


def statement(start: datetime, connector: int, opening_day: str) -> list[object]:
    """Return what the rows and bills of a new customer are *start* and forty days later, by their days from then."""
    with (
        running_sandbox(5, start=start, opening_day=opening_day, cleanup_days=0) as sandbox,
        httpx.Client(base_url=sandbox.url, timeout=30, trust_env=False) as api,
    ):
        driver = Driver(sandbox, api)
        driver.sign_in()
        item_id = driver.connect_open_finance() if connector == 600 else driver.connect()
        if connector == 600:
            driver.do(item_id, "approve")
        return [
            _told(driver, item_id, start),
            driver.advance(days=40),
            driver.run(item_id),
            _told(driver, item_id, start),
        ]


def _told(driver: Driver, item_id: str, start: datetime) -> list[object]:
    def after(text: str | None) -> timedelta | None:
        return datetime.fromisoformat(text) - start if text else None

    truth = driver.truth(item_id)
    rows = [
        (after(row["date"]), row["description"], row["amount"], row["status"], _dates_of_card(row, after))
        for row in truth["transactions"]
    ]
    bills = [(after(bill["dueDate"]), bill["totalAmount"]) for bill in truth["bills"]]
    closing = [after((account["creditData"] or {}).get("balanceCloseDate")) for account in truth["accounts"]]
    return [sorted(rows, key=repr), bills, closing]


def _dates_of_card(row: Json, after: Callable[[str | None], timedelta | None]) -> list[timedelta | None]:
    metadata = row["creditCardMetadata"] or {}
    return [after(metadata.get(name)) for name in ("purchaseDate", "transactionDateTime")]


@pytest.mark.parametrize("connector", [2, 600])
def test_a_bank_with_an_opening_day_tells_the_same_story_on_whatever_day_a_customer_opens(connector: int) -> None:
    days = [datetime(2026, 3, 11, 15, tzinfo=UTC), datetime(2027, 1, 31, 15, tzinfo=UTC)]

    with_it = [statement(day, connector, "2026-11-24") for day in days]
    without = [statement(day, connector, "") for day in days]

    assert with_it[0] == with_it[1]
    assert len(with_it[0][0][0]) > 500  # type: ignore[index]
    assert without[0] != without[1]
