"""Why Pluggy refuses to update an Item or to take an answer, in stable words of our own (Pluggy facts 3.8)."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """`code` is for programs, `detail` for engineers. Neither quotes anything that was sent."""

    code: str
    detail: str


ALREADY_UPDATING = "already-updating"
ALREADY_FRESH = "already-fresh"
ALREADY_PROVIDED = "already-provided"
BANK_OFFLINE = "bank-offline"
GONE = "item-gone-at-pluggy"
WAIT = "wait-before-retry"
NEEDS_PERSON = "needs-person"

_OTHER = Refusal(code="refused-by-pluggy", detail="Pluggy refused, for a reason that is not known here.")

_BY_CODE = {
    code: Refusal(code=ours, detail=detail)
    for codes, ours, detail in (
        (
            ("ITEM_ALREADY_UPDATING", "ITEM_IS_ALREADY_UPDATING"),
            ALREADY_UPDATING,
            "An update of this Item is going on. Wait for its end.",
        ),
        (
            ("CLIENT_IS_UPDATING_BEFORE_ALLOWED_FREQUENCY",),
            ALREADY_FRESH,
            "The Item was updated so recently that Pluggy does not update it again yet.",
        ),
        (("CONNECTOR_OFFLINE",), BANK_OFFLINE, "The bank is offline."),
        (("ITEM_NOT_FOUND",), GONE, "Pluggy does not know this Item any more."),
        (
            ("TOO_MANY_CONSECUTIVE_LOGIN_FAILURES",),
            WAIT,
            "After two failed logins Pluggy makes the person wait, so that the bank does not lock the access.",
        ),
        (
            ("TOO_MANY_CONSECUTIVE_ERRORS",),
            "too-many-errors",
            "The Item failed too often in a row. Pluggy's support has to look at it.",
        ),
        (
            ("ITEM_ORIGINAL_CONNECTED_WITH_DIFFERENT_ACCOUNT",),
            "different-person",
            "These credentials belong to another account than the one that was connected.",
        ),
        (("CONNECTOR_VALIDATION_ERROR",), "invalid-parameters", "The bank's form does not accept these values."),
        (
            (
                "CONNECTOR_REQUIRED_PARAMETER_VALIDATION_ERROR",
                "PARAMETERS_NOT_PROVIDED",
                "LAST_EXECUTION_HAD_LOGIN_ERROR",
            ),
            NEEDS_PERSON,
            "The bank needs something of the person first.",
        ),
        (
            ("SANDBOX_CLIENT_ITEM_UPDATE_NOT_ALLOWED", "CLIENT_HAS_ITEM_UPDATES_DISABLED"),
            "updates-not-allowed",
            "Pluggy does not allow this application to update Items.",
        ),
        (("ITEM_MFA_NOT_FOUND",), "nothing-asked", "The bank does not wait for an answer now."),
        (("ITEM_MFA_EXPIRED",), "action-expired", "The time to answer is over."),
        (("ITEM_MFA_ALREADY_PROVIDED",), ALREADY_PROVIDED, "An answer was given already."),
        (("ITEM_MFA_PARAMETER_EXPECTED_MISMATCH",), "nothing-asked", "The bank asks for something else by now."),
        (
            ("MFA_PARAMERTER_WAS_ALREADY_USED_ERROR", "MFA_PARAMETER_WAS_ALREADY_USED_ERROR"),
            "value-already-used",
            "This code was used before. A new one is needed.",
        ),
    )
    for code in codes
}


def refusal_of(code: str | None, status: int) -> Refusal:
    """Return what a refusal with Pluggy's *code* and HTTP *status* means."""
    known = _BY_CODE.get(code or "")
    if known is not None:
        return known
    if status == 404:
        return _BY_CODE["ITEM_NOT_FOUND"]
    if status == 409:
        return _BY_CODE["CLIENT_IS_UPDATING_BEFORE_ALLOWED_FREQUENCY"]
    return _OTHER
