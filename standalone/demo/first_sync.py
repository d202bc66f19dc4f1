"""1. A bank is connected: the full year is fetched."""

from datetime import datetime, timedelta

from standalone.demo.stage import Stage

# Further back there is nothing to be had.
A_YEAR = timedelta(days=365)
NEARLY_A_YEAR = timedelta(days=340)


def play(stage: Stage) -> str:
    """Connect a bank; return the item's id."""
    checks = stage.checks
    item_id = stage.connect("user-ok")
    stage.settle()

    truth = stage.check_mirror(item_id, "its")

    now = datetime.fromisoformat(stage.sandbox.control("GET", "/clock")["now"])
    # Cards also list instalments that are still to come.
    oldest = min(datetime.fromisoformat(row["date"]) for row in truth["transactions"])
    checks.holds(
        "days that the first sync reaches back",
        lambda days: NEARLY_A_YEAR.days <= days <= A_YEAR.days + 1,
        expected="about 365",
        seen=(now - oldest).days,
    )
    item = stage.api.item(item_id)
    checks.equal("the item is fresh", expected="fresh", seen=item["freshness"]["state"])
    heard = [note["type"] for note in stage.notifications.about(item_id)]
    checks.equal("the product hears once that it is synced", expected=["item.synced"], seen=heard)
    changes, _ = stage.api.changes(item_id, None)
    count = len(truth["transactions"])
    checks.equal(
        "the change feed gives each transaction once",
        expected=f"{count} rows, {count} transactions",
        seen=f"{len(changes['added'])} rows, {len({row['id'] for row in changes['added']})} transactions",
    )
    return item_id
