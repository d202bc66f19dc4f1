"""
What a caller of the copy of Pluggy means for Pluggy itself: passed on as it is, and followed like our own requests.

Nothing that was given is stored.

Tests: `webhook_app/pluggy_copy/test_passing_on.py`.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from pluggy_sync.engine import executions, requests
from pluggy_sync.pluggy import payloads
from pluggy_sync.pluggy.client import PassedOn
from pluggy_sync.pluggy.errors import PluggyLimitedError, PluggyUnavailableError
from pluggy_sync.pluggy.urgency import somebody_waits
from pluggy_sync.resources import Resources
from pluggy_sync.rules import refusals
from pluggy_sync.store import item_progress, items

log = structlog.get_logger(__name__)

# Why the Item is fetched, as `requests`.
TAKEN = "an update was passed on"
NOT_TAKEN = "an update that was passed on was refused"
UNANSWERED = "an update that was passed on was not answered"


def connect_token(res: Resources, given: Mapping[str, Any]) -> PassedOn:
    """
    Return what Pluggy answers to the request for a connect token.

    Raises:
        PluggyUnavailableError: as the client.
    """
    with somebody_waits():
        return res.pluggy.pass_on("POST", ["connect_token"], given)


def update_item(res: Resources, item_id: str, given: Mapping[str, Any]) -> PassedOn:
    """
    Return what Pluggy answers to the update of an Item. If an execution starts, it is followed.

    Raises:
        TooLongError, PluggyUnavailableError: as the client. Pluggy may have started it all the same.
    """
    return _ask(res, item_id, "PATCH", ["items", item_id], given)


def answer_mfa(res: Resources, item_id: str, given: Mapping[str, Any]) -> PassedOn:
    """
    Return what Pluggy answers to an MFA value, as `update_item`.

    Raises:
        PluggyUnavailableError: as `update_item`.
    """
    return _ask(res, item_id, "POST", ["items", item_id, "mfa"], given)


def _ask(res: Resources, item_id: str, method: str, path: list[str], given: Mapping[str, Any]) -> PassedOn:
    with res.database.begin() as conn:
        event_seq = item_progress.get(conn, item_id).last_event_seq
    with structlog.contextvars.bound_contextvars(item_id=item_id):
        try:
            with somebody_waits():
                passed = res.pluggy.pass_on(method, path, given)
        except PluggyLimitedError:
            raise
        except PluggyUnavailableError:
            _fetch_if_known(res, item_id, why=UNANSWERED)
            raise
        log.info("pluggy.passed_on", what=f"{method} {path[-1] if len(path) > 2 else path[0]}", status=passed.status)
        if passed.is_success:
            _follow(res, item_id, passed, event_seq)
        elif refusals.refusal_to_update(passed.code, passed.status).code != refusals.ALREADY_FRESH:
            # Our view of the Item may be wrong.
            _fetch_if_known(res, item_id, why=NOT_TAKEN)
        return passed


def _follow(res: Resources, item_id: str, passed: PassedOn, event_seq: int) -> None:
    now = res.now()
    try:
        item = payloads.item(passed.body)
    except payloads.UnreadableError:
        with res.begin() as tx:
            requests.fetch(tx, item_id, why=TAKEN, now=now)
        return
    with res.begin() as tx:
        runs = executions.follow(tx, item, why=TAKEN, now=now)
    if runs:
        executions.save_start(res, item, event_seq=event_seq)


def _fetch_if_known(res: Resources, item_id: str, *, why: str) -> None:
    with res.begin() as tx:
        row = items.get(tx.conn, item_id)
        if row is not None and row.deleted_at is None:
            requests.fetch_once(tx, item_id, why=why, now=res.now())
