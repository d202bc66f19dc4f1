"""What the chapters have at hand: the sandbox, the product, the database, and the list of checks."""

from dataclasses import dataclass
from typing import Any

import httpx
import sqlalchemy as sa

from standalone import backlog, mirror
from standalone.demo.checks import Checks
from standalone.plan import Plan
from standalone.product import Api, Inbox
from standalone.sandbox import PASSWORD, PLUGGY_BANK, Sandbox
from standalone.supervisor import Supervisor

Json = dict[str, Any]

BANK_WITH_A_CODE_AFTER_LOGIN = 5

# A sync of a year takes about a second; the bound leaves room for a busy machine.
SOON_S = 45.0

# What /v1 adds to Pluggy's objects.
OURS_OF_TRANSACTIONS = ("replaces", "replacesRule")
OURS_OF_ACCOUNTS = ("syncedAt", "missingSince", "balanceCheck")


@dataclass(frozen=True)
class Stage:
    """Everything a chapter works with."""

    plan: Plan
    supervisor: Supervisor
    sandbox: Sandbox
    api: Api
    notifications: Inbox
    database: sa.Engine
    web: httpx.Client
    checks: Checks

    def connect(self, user: str, *, connector: int = PLUGGY_BANK, password: str = PASSWORD) -> str:
        """Connect a bank as the widget would after a person's login; return the new item's id."""
        whose = f"customer-{user}-{connector}"
        login = {"password": password}
        item_id = self.sandbox.connect(user, connector=connector, clientUserId=whose, parameters=login)
        self.checks.tell(f"{user} at bank {connector}: {item_id}")
        return item_id

    def settle(self) -> None:
        """Wait until the sandbox has nothing under way and the service has done everything that it knows of."""
        self.supervisor.wait_until("the sandbox to settle", self.sandbox.is_settled, timeout_s=SOON_S)
        self.supervisor.wait_until("the service to finish its work", self._service_is_quiet, timeout_s=SOON_S)

    def truth(self, item_id: str) -> Json:
        """Return what a perfect mirror of the item would hold."""
        return self.sandbox.truth(item_id)

    def check_mirror(self, item_id: str, whose: str) -> Json:
        """Check every stored row of the item, field by field, in Postgres and as /v1 gives it; return the truth."""
        truth = self.truth(item_id)
        rows, true_accounts = mirror.by_id(truth["transactions"]), mirror.by_id(truth["accounts"])
        with self.database.connect() as conn:
            found = list(mirror.stored(conn, item_id).differences(truth))
        self._no_differences(f"Postgres holds {whose} {len(rows)} transactions and accounts", found)
        given = [row for account in true_accounts for row in self.api.transactions(account)]
        found = [
            *mirror.differences(rows, mirror.by_id(given), ours=OURS_OF_TRANSACTIONS),
            *mirror.differences(true_accounts, mirror.by_id(self.api.accounts(item_id)), ours=OURS_OF_ACCOUNTS),
        ]
        self._no_differences(f"/v1 gives the same {len(rows)}", found)
        return truth

    def _no_differences(self, promise: str, found: list[str]) -> None:
        for line in found[:5]:
            self.checks.tell(f"different: {line}")
        self.checks.equal(promise, expected="0 differences", seen=f"{len(found)} differences")

    def _service_is_quiet(self) -> bool:
        with self.database.connect() as conn:
            return not backlog.counts(conn)
