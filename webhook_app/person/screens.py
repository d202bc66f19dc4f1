"""Which screen a person sees, decided purely from the action and the clock."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import urlsplit

from pluggy_sync import wire
from pluggy_sync.rules.needs import Kind


class Screen(StrEnum):
    """The screens of the page; each is one block of the template."""

    FORM = "form"  # give a code, a choice, what a picture shows
    START = "start"  # start the update again: the bank asks for its code during it
    QR = "qr"  # point the bank's app at a code
    GO_TO_BANK = "go_to_bank"  # authorise at the bank's own page
    CONNECT = "connect"  # give credentials or renew the consent, in Pluggy Connect
    AT_BANK = "at_bank"  # do something at the bank, then say so
    APPROVE = "approve"  # approve at the bank; it goes on by itself
    WAIT = "wait"  # after failed logins, not before some time
    PROGRESS = "progress"
    DONE = "done"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


# On these something goes on without the person: the page follows it.
FOLLOWED = frozenset({Screen.QR, Screen.APPROVE, Screen.GO_TO_BANK, Screen.PROGRESS, Screen.EXPIRED})

# At the bank first, and then new credentials.
_THEN_CREDENTIALS = frozenset({"ACCOUNT_LOCKED", "ACCOUNT_CREDENTIALS_RESET"})


class Action(Protocol):
    """The columns of an action that a screen depends on."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def outcome(self) -> str | None: ...
    @property
    def parameter(self) -> dict[str, Any] | None: ...
    @property
    def user_action(self) -> dict[str, Any] | None: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def retry_at(self) -> datetime | None: ...


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A screen, and a mark that changes whenever what it shows does."""

    screen: Screen
    version: str


def shown(action: Action, now: datetime) -> Shown:
    """Return the screen for *action* at *now*."""
    screen = _screen_of(action, now)
    parts = (
        action.id,
        screen,
        action.outcome,
        action.parameter,
        action.user_action,
        wire.to_text(action.expires_at),
        wire.to_text(action.retry_at),
    )
    return Shown(screen=screen, version=hashlib.sha256(wire.encode(parts)).hexdigest()[:16])


def _screen_of(action: Action, now: datetime) -> Screen:
    settled = {"submitted": Screen.PROGRESS, "resolved": Screen.DONE, "expired": Screen.EXPIRED}
    if action.state in settled:
        return settled[action.state]
    if action.state == "superseded":
        return Screen.CANCELLED
    if action.expires_at is not None and action.expires_at <= now:
        return Screen.EXPIRED
    if action.retry_at is not None and action.retry_at > now:
        return Screen.WAIT
    return _of_open(action)


def _of_open(action: Action) -> Screen:
    if action.kind == Kind.MFA:
        return Screen.START if action.parameter is None else Screen.FORM
    if action.kind == Kind.AUTHORIZE:
        return _of_authorization(action)
    if action.kind == Kind.BANK and action.reason not in _THEN_CREDENTIALS:
        return Screen.APPROVE if action.reason == "USER_AUTHORIZATION_PENDING" else Screen.AT_BANK
    return Screen.CONNECT


def _of_authorization(action: Action) -> Screen:
    if action.parameter is not None and bank_address(action) is not None:
        return Screen.GO_TO_BANK
    if action.user_action is not None and action.user_action.get("type") == "qr":
        return Screen.QR
    return Screen.APPROVE


def bank_address(action: Action) -> str | None:
    """Return the address of the bank's page at which to authorise, if it is a web address."""
    address = (action.parameter or {}).get("data")
    if not isinstance(address, str):
        return None
    parts = urlsplit(address)
    # Plain http only for a stand-in on the same machine.
    return address if parts.scheme == "https" or (parts.scheme, parts.hostname) == ("http", "127.0.0.1") else None
