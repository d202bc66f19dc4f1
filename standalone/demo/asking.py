"""3. and 4. A person must act: the product is told once, passes the answer on, and is told that it is settled."""

from typing import Any

from standalone.demo.stage import BANK_WITH_A_CODE_AFTER_LOGIN, SOON_S, Stage
from standalone.sandbox import PASSWORD

CODE = "123456"


def play_code(stage: Stage) -> str:
    """Answer a bank that asks for a code after the login; return the item's id."""
    item_id = stage.connect("user-ok", connector=BANK_WITH_A_CODE_AFTER_LOGIN)
    action = _asked(stage, item_id, "mfa")
    stage.checks.tell(f"the product passes on the code {CODE}")
    answered = stage.api.answer_mfa(action["id"], CODE)
    _settled(stage, item_id, answered)
    return item_id


def play_credentials(stage: Stage) -> str:
    """Give new credentials where the login failed; return the item's id."""
    item_id = stage.connect("user-bad")
    action = _asked(stage, item_id, "credentials")
    stage.checks.tell("the product passes on new credentials")
    answered = stage.api.give_credentials(action["id"], {"user": "user-ok", "password": PASSWORD})
    _settled(stage, item_id, answered)
    return item_id


def _asked(stage: Stage, item_id: str, kind: str) -> dict[str, Any]:
    """Check that the product was told what a person must do; return the action."""
    stage.settle()
    told = [note["data"]["action"] for note in stage.notifications.about(item_id, "item.action_required")]
    stage.checks.equal(
        "the product hears once what the person must do", expected=[kind], seen=[action["kind"] for action in told]
    )
    action = stage.api.action(told[0]["id"])
    stage.checks.equal(
        "/v1 shows the same action", expected=f"{kind}, open", seen=f"{action['kind']}, {action['state']}"
    )
    freshness = stage.api.item(item_id)["freshness"]["state"]
    stage.checks.equal("the item waits for the person", expected="waiting_for_person", seen=freshness)
    return action


def _settled(stage: Stage, item_id: str, answered: dict[str, Any]) -> None:
    """Check that the answer settled the action and that the item was synced."""
    stage.checks.equal("the answer is taken", expected="submitted", seen=answered["state"])
    stage.supervisor.wait_until(
        "the action to be settled",
        lambda: stage.api.action(answered["id"])["state"] not in {"open", "submitted"},
        timeout_s=SOON_S,
    )
    stage.settle()
    action = stage.api.action(answered["id"])
    stage.checks.equal("the action is settled", expected="resolved", seen=action["state"])
    heard = sorted(note["type"] for note in stage.notifications.about(item_id))
    stage.checks.equal(
        "all that the product heard, each once",
        expected=["item.action_required", "item.action_resolved", "item.synced"],
        seen=heard,
    )
    stage.check_mirror(item_id, "its")
