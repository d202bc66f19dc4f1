"""
Why something is refused, in stable words of our own: one table for the API, its documentation, and the person's page.

A refusal of Pluggy (Pluggy facts 3.8) gets the code of ours that means the same. An unknown refusal keeps Pluggy's
code and never counts as success.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pluggy_sync import wire


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """
    `code` is for programs, `detail` for engineers. Neither quotes anything that was sent.

    `pluggy_code` is Pluggy's own word, None when it gave none. `tells_when`: the answer always has `retryAt`, null if
    Pluggy gave no time.
    """

    code: str
    detail: str
    pluggy_code: str | None = None

    @property
    def tells_when(self) -> bool:
        return self.code in (NOT_NOW, WAIT)


ALREADY_UPDATING = "already-updating"
ALREADY_FRESH = "already-fresh"
ALREADY_PROVIDED = "already-provided"
BANK_OFFLINE = "bank-offline"
GONE = "item-gone-at-pluggy"
WAIT = "wait-before-retry"
NEEDS_PERSON = "needs-person"
NOT_NOW = "not-now"
REFUSED = "refused-by-pluggy"

# Every code with which the engine refuses: the HTTP status of the answer, and what the caller can do.
_TABLE: tuple[tuple[str, int, str], ...] = (
    ("item-not-found", 404, "No such Item is known here."),
    ("item-deleted", 410, "The Item was deleted and its data purged."),
    ("item-replaced", 409, "Another Item, `replacedBy`, brings the accounts of this one. Update that one."),
    (GONE, 410, "Pluggy no longer knows this Item."),
    ("action-not-found", 404, "No such action."),
    ("action-submitted", 409, "An answer is under way. Wait for its outcome."),
    ("action-settled", 409, "The action is over."),
    ("action-expired", 409, "The time to answer is over."),
    ("wrong-kind", 409, "This action is not settled this way."),
    ("nothing-asked", 409, "The bank does not wait for an answer now. Start the update again."),
    ("invalid-value", 400, "The value does not have the form that the bank asks for."),
    ("invalid-parameters", 400, "The bank's form does not accept these values."),
    ("value-already-used", 409, "This code was used before. A new one is needed."),
    (ALREADY_PROVIDED, 409, "An answer was given already."),
    (
        WAIT,
        409,
        (
            "After two failed logins Pluggy makes the person wait: the bank must not lock the access. "
            "`retryAt` says until when."
        ),
    ),
    ("too-many-errors", 409, "The Item failed too often in a row. Pluggy's support has to look at it."),
    ("different-person", 409, "These credentials belong to another account than the one that was connected."),
    (NEEDS_PERSON, 409, "The bank needs something of the person first."),
    (ALREADY_UPDATING, 409, "An update of this Item is going on. Wait for its end."),
    (ALREADY_FRESH, 409, "The Item was updated so recently that Pluggy does not update it again yet."),
    (
        NOT_NOW,
        409,
        (
            "Pluggy does not update this Item now. `pluggyCode` has its reason and `retryAt` when to try again, "
            "where it gave them."
        ),
    ),
    (BANK_OFFLINE, 503, "The bank is offline. Nobody can do anything now."),
    ("updates-not-allowed", 403, "Pluggy does not allow this application to update Items."),
    (REFUSED, 502, "Pluggy refused. `pluggyCode` has its reason, where it gave one."),
)
STATUS_OF_CODE: Mapping[str, int] = {code: status for code, status, _ in _TABLE}
DETAIL_OF_CODE: Mapping[str, str] = {code: detail for code, _, detail in _TABLE}


_OURS_OF_PLUGGYS = {
    "ITEM_ALREADY_UPDATING": ALREADY_UPDATING,
    "ITEM_IS_ALREADY_UPDATING": ALREADY_UPDATING,
    "CLIENT_IS_UPDATING_BEFORE_ALLOWED_FREQUENCY": ALREADY_FRESH,
    "CONNECTOR_OFFLINE": BANK_OFFLINE,
    "ITEM_NOT_FOUND": GONE,
    "TOO_MANY_CONSECUTIVE_LOGIN_FAILURES": WAIT,
    "TOO_MANY_CONSECUTIVE_ERRORS": "too-many-errors",
    "ITEM_IN_ERROR_COOLDOWN": NOT_NOW,
    "ITEM_ORIGINAL_CONNECTED_WITH_DIFFERENT_ACCOUNT": "different-person",
    "CONNECTOR_VALIDATION_ERROR": "invalid-parameters",
    "CONNECTOR_REQUIRED_PARAMETER_VALIDATION_ERROR": NEEDS_PERSON,
    "PARAMETERS_NOT_PROVIDED": NEEDS_PERSON,
    "LAST_EXECUTION_HAD_LOGIN_ERROR": NEEDS_PERSON,
    "SANDBOX_CLIENT_ITEM_UPDATE_NOT_ALLOWED": "updates-not-allowed",
    "CLIENT_HAS_ITEM_UPDATES_DISABLED": "updates-not-allowed",
    "ITEM_MFA_NOT_FOUND": "nothing-asked",
    "ITEM_MFA_EXPIRED": "action-expired",
    "ITEM_MFA_ALREADY_PROVIDED": ALREADY_PROVIDED,
    "ITEM_MFA_PARAMETER_EXPECTED_MISMATCH": "nothing-asked",
    # The misspelling is Pluggy's.
    "MFA_PARAMERTER_WAS_ALREADY_USED_ERROR": "value-already-used",
    "MFA_PARAMETER_WAS_ALREADY_USED_ERROR": "value-already-used",
}

# Every code that a refusal of Pluggy can get.
OF_PLUGGY = (*dict.fromkeys([*_OURS_OF_PLUGGYS.values(), NOT_NOW, REFUSED]),)

# Only a word of this form is repeated. A message may quote what was sent.
_CODE_WORD = re.compile(r"[A-Z][A-Z0-9_]{0,79}")


def refusal(code: str) -> Refusal:
    """Return the refusal with our *code*, in the words of the table."""
    return Refusal(code=code, detail=DETAIL_OF_CODE[code])


def refusal_of(pluggy_code: str | None, status: int) -> Refusal:
    """
    Return what a refusal with Pluggy's code and HTTP *status* means.

    A conflict (409) that is not known here is `not-now`; any other refusal that is not known is `refused-by-pluggy`.
    """
    word = pluggy_code if pluggy_code is not None and _CODE_WORD.fullmatch(pluggy_code) else None
    known = _OURS_OF_PLUGGYS.get(word or "") or (GONE if status == 404 else None)
    if known is not None:
        return Refusal(code=known, detail=DETAIL_OF_CODE[known], pluggy_code=word)
    said = f"Pluggy refused with {status} {word}." if word else f"Pluggy refused with {status} and gave no code."
    return Refusal(code=NOT_NOW if status == 409 else REFUSED, detail=said, pluggy_code=word)


def refusal_to_update(pluggy_code: str | None, status: int) -> Refusal:
    """
    Return what a refusal to update an Item means when nothing was given that could be wrong.

    A refusal (400, 409, 422) that is not known here is `not-now`: only the Item's present state can be its reason.
    """
    refusal = refusal_of(pluggy_code, status)
    if refusal.code == REFUSED and status in (400, 422):
        return Refusal(code=NOT_NOW, detail=refusal.detail, pluggy_code=refusal.pluggy_code)
    return refusal


def retry_at(data: Mapping[str, object]) -> datetime | None:
    """
    Return when Pluggy updates the Item again by the *data* of a refusal, by Pluggy's clock; None: it does not say.

    Either it names the moment, or the last update and the least time between two (Pluggy facts 3.7, 3.8). A moment out
    of the range of `wire.instant` counts as none.
    """
    try:
        told = wire.instant(data.get("canRetryAfterDate"))
        if told is not None:
            return told
        since, hours = wire.instant(data.get("lastUpdatedAt")), data.get("minUpdateFrequencyAllowedInHours")
        if since is None or hours is None:
            return None
        moment = since + timedelta(hours=float(str(hours)))
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if wire.EARLIEST <= moment <= wire.LATEST else None
