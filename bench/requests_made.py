"""
Requests of one update that is read whole, beside the fewest that can find all its news without a word of events.

The fewest: the Item (only it says what happened), its accounts (balances have no event), and of each account two
reads of transactions, since the window by date and what was ingested since then cannot be asked in one request
(Pluggy facts 5.3); one more for each account whose window lacks stored rows, since absence is asked about
(docs/decisions/0004); one for each 500 rows outside the window that an event named; and one for each list of a
product that was collected anew: bills of a card, investments, movements of each investment, identity, loans.
"""

from typing import Any

from bench.outcome import Outcome
from bench.stage import Stage, connect, next_day, resources_of
from pluggy_sync import events
from pluggy_sync.engine import events as event_handling
from pluggy_sync.engine.sync import item as item_sync
from pluggy_sync.resources import Resources
from pluggy_sync.store import inbox
from standalone.sandbox import Sandbox


def measure(stage: Stage, pluggy: Sandbox) -> list[Outcome]:
    """Return the outcomes of a day with new rows, and of one on which a row disappears too."""
    item_id = connect(pluggy, "user-ok")
    with stage.environ(pluggy.url) as environ, resources_of(environ) as res:
        _follow(res, item_id, {"event": "item/created", "eventId": "first", "itemId": item_id})
        quiet = _day(res, pluggy, item_id, "add")
        removal = _day(res, pluggy, item_id, "remove")
        repeated = _repeated(res, pluggy, item_id)
    return [
        _outcome("requests, a day with new rows", *quiet),
        _outcome("requests, a day with a row removed", *removal),
        _outcome("requests, an event whose news is stored", repeated, 1),
    ]


def _day(res: Resources, pluggy: Sandbox, item_id: str, change: str) -> tuple[int, int]:
    """Return how many requests the update of one more day took, and the fewest for it."""
    stored = pluggy.truth(item_id)
    next_day(pluggy, item_id, change)
    pluggy.take_reads()
    _follow(res, item_id, {"event": "item/updated", "eventId": f"{change}-day", "itemId": item_id})
    made = len(pluggy.take_reads())
    return made, fewest(stored, pluggy.truth(item_id))


def _repeated(res: Resources, pluggy: Sandbox, item_id: str) -> int:
    pluggy.take_reads()
    _follow(res, item_id, {"event": "item/updated", "eventId": "once more", "itemId": item_id})
    return len(pluggy.take_reads())


def _follow(res: Resources, item_id: str, payload: dict[str, Any]) -> None:
    """Store the event, handle it, and sync."""
    event = events.of_payload(payload)
    with res.database.begin() as conn:
        inbox.record(conn, event, received_at=res.now())
    event_handling.handle_event(res, event.event_id)
    item_sync.sync_item(res, item_id)


def fewest(stored: dict[str, Any], truth: dict[str, Any]) -> int:
    """Return the fewest requests for one update of an Item from *stored* to *truth*, each list on one page."""
    accounts = truth["accounts"]
    shown = {row["id"] for row in truth["transactions"]}
    # A pending row may settle under another id, on any day.
    accounts_with_absent_rows = len({row["accountId"] for row in stored["transactions"] if row["id"] not in shown})
    cards = sum(account["type"] == "CREDIT" for account in accounts)
    of_item = ["investments", "identity", "loans"]
    products: int = cards + len(of_item) + len(truth["investments"])
    return 2 + 2 * len(accounts) + accounts_with_absent_rows + products


def _outcome(what: str, made: int, fewest_possible: int) -> Outcome:
    return Outcome(
        what=what,
        measured=f"{made}",
        reference=f"the fewest possible: {fewest_possible}",
        ratio=f"{made / fewest_possible:.2f} x",
        target="1 x",
        met=made <= fewest_possible,
    )
