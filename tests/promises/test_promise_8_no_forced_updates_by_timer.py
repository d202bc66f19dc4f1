"""Promise 8: `PATCH /items` happens only because a person or the product asked."""

from pluggy_sync.engine import reconciliation, sweep
from tests.kit.workers import run_queued, take_messages


def test_two_weeks_of_everything_that_runs_by_itself_update_no_item(service, upstream, resources, clock):
    for user in ("user-ok", "user-unavailable", "user-bad", "user-locked", "user-ok-auth-pending", "user-error"):
        upstream.connect(user, products=None)
    upstream.connect("user-ok", connector=5)
    service.catch_up()
    asked_for = len(updates(upstream))

    for _ in range(14):
        clock.advance(days=1)
        upstream.later(days=1)
        reconciliation.find_missed(resources)
        sweep.sweep(resources)
        run_queued(resources)
        for _, item_id in take_messages(resources, "reconciliations"):
            reconciliation.reconcile(resources, item_id)
        service.catch_up()

    assert any(run.trigger == "reconciliation" for run in service.runs())
    assert len(updates(upstream)) == asked_for


def updates(upstream):
    """Return the requests that started a run."""
    found = upstream.sandbox.requests()
    return [each for each in found if each["method"] == "PATCH"]
