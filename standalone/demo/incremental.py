"""2. Days pass and the bank changes things: only the window is fetched, and every change is found."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from pluggy_sync.pluggy.payloads import SAO_PAULO
from standalone.demo.stage import Json, Stage

DAYS_PASSED = 5
BACKDATED_BY_DAYS = 20
CHANGES: list[str | Json] = [
    {"kind": "add", "count": 3},
    {"kind": "pending"},
    {"kind": "post_new_id"},
    {"kind": "edit"},
    {"kind": "remove"},
    {"kind": "backdate", "days": BACKDATED_BY_DAYS},
]
# A request that has none of these reads an account's whole history.
NARROWING = {"dateFrom", "createdAtFrom", "ids"}


def play(stage: Stage, item_id: str) -> None:
    """Let days pass at the bank of an item that is fully synced."""
    checks = stage.checks
    _leave_a_pending_row(stage, item_id)
    before = stage.api.item(item_id)["syncedThrough"]
    _, cursor = stage.api.changes(item_id, None)
    seen_requests = stage.sandbox.requests()[-1]["n"]

    stage.sandbox.advance(days=DAYS_PASSED)
    done = stage.sandbox.evolve(item_id, *CHANGES)
    expected = {kind: len(ids) for kind, ids in done["nextRun"].items()}
    checks.tell(
        f"{DAYS_PASSED} days pass; the bank adds rows, posts a pending one under a new id, edits one, removes one, "
        f"back-dates one by {BACKDATED_BY_DAYS} days"
    )
    stage.sandbox.run(item_id)
    stage.settle()

    changes, _ = stage.api.changes(item_id, cursor)
    for kind in ("added", "modified", "removed"):
        same = {row["id"] for row in changes[kind]} == set(done["nextRun"][kind])
        checks.equal(
            f"the change feed names each {kind} row",
            expected=f"{expected[kind]} {kind}",
            seen=f"{len(changes[kind])} {kind}" + ("" if same else ", but other rows"),
        )
    _check_window(stage, seen_requests, before)
    stage.check_mirror(item_id, "all")


def _leave_a_pending_row(stage: Stage, item_id: str) -> None:
    stage.sandbox.evolve(item_id, "pending")
    stage.sandbox.run(item_id)
    stage.settle()


def _check_window(stage: Stage, seen_requests: int, synced_through: str) -> None:
    overlap = timedelta(days=int(stage.plan.env.get("SYNC_OVERLAP_DAYS", "3")))
    last_collected = datetime.fromisoformat(synced_through).astimezone(SAO_PAULO).date()
    window_from = (last_collected - overlap).isoformat()
    reads = [
        request
        for request in stage.sandbox.requests(since=seen_requests)
        if request["method"] == "GET" and request["path"] == "/v2/transactions"
    ]
    whole = [request for request in reads if not NARROWING & _query(request).keys()]
    stage.checks.equal("requests that read a whole history again", expected=0, seen=len(whole))
    froms = {_query(request)["dateFrom"] for request in reads if "dateFrom" in _query(request)}
    stage.checks.equal(
        f"the window begins {overlap.days} days before the last collection", expected=[window_from], seen=sorted(froms)
    )


def _query(request: dict[str, Any]) -> dict[str, str]:
    return dict(parse_qsl(request["query"]))
