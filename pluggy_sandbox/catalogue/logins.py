"""The test users, and what comes of each (Pluggy facts 7.2, 7.4)."""

import re
from dataclasses import dataclass

GOOD_PASSWORD = "password-ok"  # noqa: S105 - public, of the sandbox
GOOD_MFA = "123456"
GOOD_JOINT_MFA = "000000"
MOST_TIMES = 5000


@dataclass(frozen=True)
class Fate:
    """What an execution with this login comes to. `outcome` is an executionStatus of Pluggy facts 3.2."""

    outcome: str = "SUCCESS"
    provider_message: str | None = None
    asks: tuple[str, ...] = ()  # what an execution asks of the person, in order
    failing_product: str | None = None
    warns: bool = False
    checking_accounts: int = 1
    times: int = 1
    device: bool = False  # the person must approve this device first


_MESSAGE = "Acesse o aplicativo do banco e aceite os novos termos de uso."

FATES: dict[str, Fate] = {
    "user-ok": Fate(),
    "user-logged": Fate("ALREADY_LOGGED_IN"),
    "user-locked": Fate("ACCOUNT_LOCKED"),
    "user-error": Fate("UNEXPECTED_ERROR"),
    "user-unavailable": Fate("SITE_NOT_AVAILABLE"),
    "user-connection-error": Fate("CONNECTION_ERROR"),
    "user-not-supported": Fate("USER_NOT_SUPPORTED"),
    "user-account-need-actions": Fate("ACCOUNT_NEEDS_ACTION"),
    "user-account-need-actions-provider-message": Fate("ACCOUNT_NEEDS_ACTION", provider_message=_MESSAGE),
    "user-account-credentials-reset": Fate("ACCOUNT_CREDENTIALS_RESET"),
    "user-ok-auth-pending": Fate(device=True),
    "user-ok-account-error": Fate("PARTIAL_SUCCESS", failing_product="CREDIT_CARDS"),
    "user-ok-account-warning": Fate(warns=True),
    "user-ok-two-checking-accounts": Fate(checking_accounts=2),
    "user-ok-perf": Fate(times=10),
    "user-ok-img": Fate(asks=("image",)),
    "user-ok-select": Fate(asks=("select",)),
    "user-ok-phone": Fate(asks=("phone", "token")),
    "user-ok-multi-company": Fate(asks=("token", "company")),
}
_PERF = re.compile(r"^user-ok-perf-([0-9]{1,4})x\Z")

JOINT_CONNECTOR = 9
ALONE, APPROVED, REJECTED = "alone", "approved", "rejected"
# CPF -> what its further approvers do, at the Open Finance mock
APPROVERS: dict[str, str] = {"76109277673": ALONE, "23824264030": APPROVED, "05117767055": REJECTED}


def fate_of(user: str, password: str) -> Fate | None:
    """Return what comes of this login, or None where the bank does not know it (INVALID_CREDENTIALS)."""
    if password != GOOD_PASSWORD:
        return None
    perf = _PERF.match(user)
    if perf and 1 <= int(perf[1]) <= MOST_TIMES:
        return Fate(times=int(perf[1]))
    return FATES.get(user)


def approvers_of(cpf: str) -> str | None:
    """Return what this person's further approvers do, or None where the mock bank does not know the CPF."""
    return APPROVERS.get("".join(c for c in cpf if c.isdigit()))
