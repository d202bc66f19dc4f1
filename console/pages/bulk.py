"""
What an operator does to many things at once: counted before, confirmed, then done in the background with its progress.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response

from console.pages import acts, addresses, events, items, notifications
from console.pages.page_resources import resources
from console.pages.sign_in import operator
from pluggy_sync.engine import bulk as work
from pluggy_sync.engine.bulk import Step, What
from pluggy_sync.resources import Resources
from pluggy_sync.store import audit, bulk_operations

blueprint = Blueprint("bulk", __name__)

log = structlog.get_logger(__name__)

SHOWN = 20
ENTRIES = 50
# How long the worker waits when there is nothing to do, or enough waits for others.
_IDLE_S, _WAIT_S = 1.0, 2.0


@blueprint.get("/acts")
def show() -> str:
    """Show what was done lately: to many things at once, and everything in the audit log."""
    before = request.args.get("before", "")
    with resources().database.begin() as conn:
        operations = bulk_operations.newest(conn, limit=SHOWN)
        entries = audit.before(conn, addresses.number(before), limit=ENTRIES + 1)
    following = None
    if len(entries) > ENTRIES:
        entries = entries[:ENTRIES]
        following = url_for("bulk.show", before=entries[-1].id)
    template = "audit_rows.html" if "HX-Request" in request.headers else "acts.html"
    return render_template(template, operations=operations, entries=entries, following=following)


@blueprint.get("/bulk/new")
def new() -> str:
    """Count what would be done, and ask whether to do it."""
    what, wanted = _asked(request.args)
    counted = work.count(resources(), what, wanted)
    return render_template(
        "bulk_new.html", what=what, wanted=wanted, counted=counted, at_most=work.COUNTED, asked=request.args
    )


@blueprint.post("/bulk")
def begin() -> Response:
    """Begin it."""
    what, wanted = _asked(request.form)
    # Whose Items they are is not kept for as long as the log is.
    acts.record(f"bulk_{what.value}", None, {**wanted, **({"user": "one"} if "user" in wanted else {})})
    id_ = work.begin(resources(), what, wanted, operator=operator())
    return redirect(url_for("bulk.one", operation_id=id_))


@blueprint.get("/bulk/<operation_id>")
def one(operation_id: str) -> str:
    """Show how far it is, or only the part that changes."""
    with resources().database.begin() as conn:
        operation = bulk_operations.get(conn, operation_id)
    if operation is None:
        abort(404, "There is no such operation.")
    template = "bulk_progress.html" if "HX-Request" in request.headers else "bulk_one.html"
    return render_template(template, operation=operation, at_most=work.COUNTED)


@blueprint.post("/bulk/<operation_id>/stop")
def stop(operation_id: str) -> Response:
    """Let it end where it is."""
    acts.record("stop_bulk", operation_id)
    res = resources()
    with res.database.begin() as conn:
        stopped = bulk_operations.finish(conn, operation_id, "stopped", now=res.now())
    flash("Stopped. What was done stays done." if stopped else "It had ended already.", "good")
    return redirect(url_for("bulk.one", operation_id=operation_id))


def _asked(given: Mapping[str, str]) -> tuple[What, dict[str, Any]]:
    """Return what is to be done, and to which things, as the list shows them."""
    try:
        what = What(given.get("what", ""))
    except ValueError:
        abort(400, "This address does not say what is to be done.")
    if what is What.PROCESS_EVENTS:
        of_events = events.wanted_of(given)
        found: dict[str, Any] = {"which": of_events.which.value, "item": of_events.item_id}
    elif what is What.RESEND_NOTIFICATIONS:
        of_deliveries = notifications.wanted_of(given)
        if of_deliveries.state not in ("dead", "delivered"):
            abort(400, "What waits is sent by itself. Choose those that were given up, or delivered.")
        found = {"state": of_deliveries.state, "to": of_deliveries.endpoint_id}
    else:
        of_items = items.wanted_of(given)
        found = {
            "freshness": of_items.freshness,
            "status": of_items.status,
            "bank": of_items.connector_id,
            "user": of_items.client_user_id,
        }
    return what, {name: value for name, value in found.items() if value is not None}


def work_in_background(res: Resources) -> Callable[[], None]:
    """Do what was begun, in a thread of this process; return what ends it."""
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            try:
                done = work.step(res)
            except SQLAlchemyError as exc:
                log.warning("bulk.postponed", error=type(exc).__name__, next="it goes on when Postgres answers")
                done = Step.IDLE
            except Exception as exc:
                log.exception("bulk.failed", exc_info=exc, next="the same batch is tried again")
                done = Step.WAITED
            if done is not Step.WORKED:
                ended.wait(_IDLE_S if done is Step.IDLE else _WAIT_S)

    thread = threading.Thread(target=run, name="bulk", daemon=True)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join(10)

    return end
