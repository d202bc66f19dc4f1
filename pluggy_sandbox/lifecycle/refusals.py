"""When an update is refused (Pluggy facts 3.7, 3.8, 4.3). Nothing is changed here."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pluggy_sandbox.catalogue import logins
from pluggy_sandbox.catalogue.connectors import Login
from pluggy_sandbox.catalogue.outcomes import NEEDS_CREDENTIALS
from pluggy_sandbox.settings import Settings
from pluggy_sandbox.state.items import Item
from pluggy_sandbox.wire.errors import ApiError, BadRequestError, ConflictError
from pluggy_sandbox.wire.instants import iso, iso_or_none

BACKOFF = timedelta(minutes=15)
MOST_FAILED_LOGINS = 2
MOST_ERRORS = 5
MEU_PLUGGY = 200


@dataclass(frozen=True)
class Attempt:
    """One request to update an Item. `sent` is None where it does not speak of parameters at all."""

    item: Item
    sent: dict[str, str] | None = field(repr=False)
    now: datetime
    settings: Settings
    connector_status: str
    by_widget: bool

    @property
    def given(self) -> dict[str, str]:
        """The parameters sent, none if there are none."""
        return self.sent or {}


def refusal(attempt: Attempt) -> ApiError | None:
    """Return why an update may not start, or None if it may."""
    return next((refused for check in _CHECKS if (refused := check(attempt)) is not None), None)


def already_updating(settings: Settings) -> ApiError:
    """Return what Pluggy says while an execution is in progress, in one of its forms (Pluggy facts 3.8, 13.14)."""
    if settings.already_updating_code:
        return BadRequestError("Item is already being updated", settings.already_updating_code)
    return BadRequestError("An update is already in progress, wait until the last execution ends")


def _busy(attempt: Attempt) -> ApiError | None:
    return already_updating(attempt.settings) if attempt.item.is_running else None


def _not_here(attempt: Attempt) -> ApiError | None:
    if attempt.item.connector.id == MEU_PLUGGY:
        return BadRequestError("Items of MeuPluggy cannot be updated")
    if attempt.settings.refuse_updates_with:
        return BadRequestError("Item updates are not allowed", attempt.settings.refuse_updates_with)
    if attempt.connector_status == "OFFLINE":
        return BadRequestError("Connector is offline", "CONNECTOR_OFFLINE")
    return None


def _worn_out(attempt: Attempt) -> ApiError | None:
    item, ended = attempt.item, attempt.item.history.ended_at
    if item.history.errors_in_row > MOST_ERRORS:
        return BadRequestError("Too many consecutive errors, contact support", "TOO_MANY_CONSECUTIVE_ERRORS")
    if item.history.failed_logins < MOST_FAILED_LOGINS or ended is None or attempt.now >= ended + BACKOFF:
        return None
    data = {
        "readableBackoffTime": "15 minutes",
        "maxConsecutiveFailedLoginAttempts": MOST_FAILED_LOGINS,
        "lastExecutionEndedAt": iso(ended),
        "canRetryAfterDate": iso(ended + BACKOFF),
    }
    return BadRequestError("Too many consecutive login failures", "TOO_MANY_CONSECUTIVE_LOGIN_FAILURES", data=data)


def _somebody_else(attempt: Attempt) -> ApiError | None:
    """Refuse credentials that the bank would let in to show another person's data."""
    item, user = attempt.item, attempt.given.get("user")
    if user is None or item.credentials.connected_as in (None, user):
        return None
    fate = logins.fate_of(user, attempt.given.get("password", item.credentials.parameters.get("password", "")))
    if fate is None or fate.outcome not in ("SUCCESS", "PARTIAL_SUCCESS"):
        return None
    return BadRequestError(
        "The item was connected with a different account", "ITEM_ORIGINAL_CONNECTED_WITH_DIFFERENT_ACCOUNT"
    )


def _credentials(attempt: Attempt) -> ApiError | None:
    item = attempt.item
    if item.status != "LOGIN_ERROR" or item.execution_status not in NEEDS_CREDENTIALS or attempt.given:
        return None
    if attempt.sent is not None:
        return BadRequestError("Parameters were not provided", "PARAMETERS_NOT_PROVIDED")
    return BadRequestError("Last execution had a login error", "LAST_EXECUTION_HAD_LOGIN_ERROR")


def _token(attempt: Attempt) -> ApiError | None:
    if attempt.item.connector.login is not Login.ONE_STEP:
        return None
    token = attempt.given.get("token")
    if token is None:
        return BadRequestError(
            "A required parameter is missing", "CONNECTOR_REQUIRED_PARAMETER_VALIDATION_ERROR",
            data={"parameter": "token"},
        )  # fmt: skip
    # A token is good once; the same digits may come round again when its time is over.
    used_at = attempt.item.credentials.used_tokens.get(token)
    if used_at is not None and attempt.now < used_at + timedelta(seconds=attempt.settings.mfa_seconds):
        return BadRequestError("MFA parameter was already used", "MFA_PARAMERTER_WAS_ALREADY_USED_ERROR")
    return None


def _cooling_down(attempt: Attempt) -> ApiError | None:
    item, ended = attempt.item, attempt.item.history.ended_at
    wait = timedelta(seconds=attempt.settings.error_cooldown_seconds)
    if item.status == "UPDATED" or not wait or ended is None or attempt.now >= ended + wait:
        return None
    data = {"lastExecutionEndedAt": iso(ended), "canRetryAfterDate": iso(ended + wait)}
    return ConflictError("The item ended in error a moment ago, try again later", "ITEM_IN_ERROR_COOLDOWN", data=data)


def _too_soon(attempt: Attempt) -> ApiError | None:
    hours, last = attempt.settings.min_update_frequency_hours, attempt.item.last_updated_at
    exempt = attempt.by_widget or attempt.item.status != "UPDATED"
    if exempt or not hours or last is None or attempt.now >= last + timedelta(hours=hours):
        return None
    return ConflictError(
        "Client is updating before the allowed frequency", "CLIENT_IS_UPDATING_BEFORE_ALLOWED_FREQUENCY",
        data={"minUpdateFrequencyAllowedInHours": hours, "lastUpdatedAt": iso_or_none(last)},
    )  # fmt: skip


_CHECKS = (_busy, _not_here, _worn_out, _cooling_down, _somebody_else, _credentials, _token, _too_soon)
