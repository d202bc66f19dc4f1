"""When an update is refused (Pluggy facts 3.7, 3.8, 4.3). Nothing is changed here."""

from datetime import datetime, timedelta

from pluggy_sandbox.connectors import Login
from pluggy_sandbox.errors import ApiError, BadRequestError, ConflictError
from pluggy_sandbox.instants import iso, iso_or_none
from pluggy_sandbox.items import Item
from pluggy_sandbox.outcomes import NEEDS_CREDENTIALS
from pluggy_sandbox.settings import Settings

BACKOFF = timedelta(minutes=15)
MOST_FAILED_LOGINS = 2
MOST_ERRORS = 5
MEU_PLUGGY = 200


def refusal(
    item: Item, sent: dict[str, str], now: datetime, settings: Settings, health: str, *, by_widget: bool
) -> ApiError | None:
    """Return why an update with the parameters *sent* may not start, or None if it may."""
    return (
        _busy(item, settings)
        or _impossible(item, health)
        or _worn_out(item, now)
        or _credentials(item, sent)
        or _token(item, sent, now, settings)
        or (None if by_widget else _too_soon(item, now, settings))
    )


def _busy(item: Item, settings: Settings) -> ApiError | None:
    if item.is_running:
        return BadRequestError("Item is already being updated", settings.already_updating_code)
    return None


def _impossible(item: Item, health: str) -> ApiError | None:
    if item.connector.id == MEU_PLUGGY:
        return BadRequestError("Items of MeuPluggy cannot be updated")
    if health == "OFFLINE":
        return BadRequestError("Connector is offline", "CONNECTOR_OFFLINE")
    return None


def _worn_out(item: Item, now: datetime) -> ApiError | None:
    ended = item.last_run_ended_at
    if item.errors_in_row > MOST_ERRORS:
        return BadRequestError("Too many consecutive errors, contact support", "TOO_MANY_CONSECUTIVE_ERRORS")
    if item.failed_logins >= MOST_FAILED_LOGINS and ended is not None and now < ended + BACKOFF:
        data = {
            "readableBackoffTime": "15 minutes",
            "maxConsecutiveFailedLoginAttempts": MOST_FAILED_LOGINS,
            "lastExecutionEndedAt": iso(ended),
            "canRetryAfterDate": iso(ended + BACKOFF),
        }
        return BadRequestError("Too many consecutive login failures", "TOO_MANY_CONSECUTIVE_LOGIN_FAILURES", data=data)
    return None


def _credentials(item: Item, sent: dict[str, str]) -> ApiError | None:
    if item.status == "LOGIN_ERROR" and item.execution_status in NEEDS_CREDENTIALS and not sent:
        return BadRequestError("Last execution had a login error", "LAST_EXECUTION_HAD_LOGIN_ERROR")
    return None


def _token(item: Item, sent: dict[str, str], now: datetime, settings: Settings) -> ApiError | None:
    if item.connector.login is not Login.ONE_STEP:
        return None
    token = sent.get("token")
    if token is None:
        return BadRequestError(
            "A required parameter is missing", "CONNECTOR_REQUIRED_PARAMETER_VALIDATION_ERROR",
            data={"parameter": "token"},
        )  # fmt: skip
    # A token is good once; the same digits may come round again when its time is over.
    used_at = item.used_tokens.get(token)
    if used_at is not None and now < used_at + timedelta(seconds=settings.mfa_seconds):
        return BadRequestError("MFA parameter was already used", "MFA_PARAMERTER_WAS_ALREADY_USED_ERROR")
    return None


def _too_soon(item: Item, now: datetime, settings: Settings) -> ApiError | None:
    hours = settings.min_update_frequency_hours
    last = item.last_updated_at
    if not hours or last is None or item.status != "UPDATED" or now >= last + timedelta(hours=hours):
        return None
    return ConflictError(
        "Client is updating before the allowed frequency", "CLIENT_IS_UPDATING_BEFORE_ALLOWED_FREQUENCY",
        data={"minUpdateFrequencyAllowedInHours": hours, "lastUpdatedAt": iso_or_none(last)},
    )  # fmt: skip
