"""What holds at the end, of everything that happened."""

import httpx

from standalone import procfile
from standalone.demo.stage import Stage


def play(stage: Stage, item_ids: list[str]) -> None:
    """Look back on the whole run."""
    checks = stage.checks
    refused = stage.notifications.refused
    checks.equal("every notification is signed", expected="0 refused", seen=f"{refused} refused")
    out_of_step = []
    for item_id in item_ids:
        sequence = sorted(note["data"]["sequence"] for note in stage.notifications.about(item_id))
        if sequence != list(range(1, len(sequence) + 1)):
            out_of_step.append(item_id)
    checks.equal(
        "the notifications of each item are numbered without a gap",
        expected=f"{len(item_ids)} items in step",
        seen=f"{len(item_ids) - len(out_of_step)} items in step",
    )
    _check_flower(stage)


def _check_flower(stage: Stage) -> None:
    """Check what the operator sees."""
    with httpx.Client(base_url=stage.plan.addresses["flower"], auth=stage.plan.flower_login, timeout=10) as flower:
        workers = flower.get("/api/workers", params={"status": "true"}).raise_for_status().json()
        tasks = flower.get("/api/tasks").raise_for_status().json()
    online = [name for name, is_online in workers.items() if is_online]
    stage.checks.equal("Flower shows each worker", expected=f"{_workers()} online", seen=f"{len(online)} online")
    failed = [task["name"] for task in tasks.values() if task["state"] == "FAILURE"]
    stage.checks.equal("and no task that failed", expected="0 failed", seen=f"{len(failed)} failed")
    names = {"handle_event", "sync_item", "deliver"}
    seen = names & {task["name"] for task in tasks.values()}
    stage.checks.equal("and each kind of task", expected=", ".join(sorted(names)), seen=", ".join(sorted(seen)))


def _workers() -> int:
    return sum("workers.app worker" in command for command in procfile.commands().values())
