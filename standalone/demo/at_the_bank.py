"""5. Trouble at the bank: only who can do something is asked, and what was collected is kept."""

from standalone.demo.stage import Stage


def play(stage: Stage) -> None:
    """Connect three customers whose banks do not simply work."""
    checks = stage.checks
    locked, unavailable = stage.connect("user-locked"), stage.connect("user-unavailable")
    partial = stage.connect("user-ok-account-error")
    stage.settle()

    checks.equal(
        "a locked account is a matter between person and bank",
        expected=["bank"],
        seen=[action["kind"] for action in stage.api.open_actions(locked)],
    )
    checks.equal("when the bank is unavailable nobody is asked", expected=[], seen=stage.api.open_actions(unavailable))
    heard = [note["type"] for note in stage.notifications.about(unavailable)]
    checks.equal("and the product hears nothing", expected=[], seen=heard)

    item = stage.api.item(partial)
    checks.equal("a bank gives only a part", expected="PARTIAL_SUCCESS", seen=item["executionStatus"])
    failed = [name for name, product in item["products"].items() if not product["isUpdated"]]
    checks.equal("the product sees what was not collected", expected=["creditCards"], seen=failed)
    kinds = sorted({account["type"] for account in stage.api.accounts(partial)})
    checks.equal("only the collected products are synced", expected=["BANK"], seen=kinds)
    stage.check_mirror(partial, "the collected")
